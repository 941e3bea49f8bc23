import { readFileSync } from 'node:fs';
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { parse } from 'yaml';
import type { FieldProblem } from '../kernel/errors.ts';
import { textProblem } from '../kernel/text.ts';
import { isDisplayName, isWebAddress } from './formats.ts';
import { deprecationHeaders, type Deprecation } from './versions.ts';


/** Ways to say who is calling; the keys of `components.securitySchemes` in `schema/openapi.yaml`. */
export type Scheme = 'tep' | 'admin' | 'matrix' | 'client' | 'developer' | 'platform';
export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

/** One accepted way of authenticating, with the scopes that it needs; no scheme at all means that nobody is asked. */
export interface Access {
  readonly scheme: Scheme | 'none';
  readonly scopes: readonly string[];
}

export interface Operation {
  readonly id: string;
  readonly method: Method;
  /** OpenAPI form: `/a/{b}` */
  readonly path: string;
  readonly access: readonly Access[];
  /** Audiences whose access tokens are accepted; undefined: any mini-app's own and the reserved ones. */
  readonly audiences: readonly string[] | undefined;
  /** Takes an `idempotency_key`, in the body or as a header. */
  readonly idempotent: boolean;
  /** Served by another part of the process than the API router. */
  readonly servedBy: string | undefined;
  /** Takes `multipart/form-data` too, which the handler reads as it arrives. */
  readonly multipart: boolean;
  /** What is wrong with a body of text parts. */
  checkParts(body: unknown): FieldProblem[];
  /** `x-body-limit`: the name of a limit of its own on the request body; undefined: the common one. */
  readonly bodyLimit: string | undefined;
  /** The category in `x-rate-limits` that names it; undefined: none does. */
  readonly rateLimit: string | undefined;
  /** What its answers say of its end (`x-deprecation`). */
  readonly deprecation: Readonly<Record<string, string>> | undefined;
  /** Throws nothing; returns what is wrong with each part, and fills defaults and converts text in `path`, `query` and forms. */
  checkRequest(parts: RequestParts): FieldProblem[];
  /** What is wrong with an answer, for tests: an undocumented status or a body that is not what the document says. */
  checkResponse(status: number, body: unknown): string[];
}

export interface RequestParts {
  readonly path: Record<string, unknown>;
  readonly query: Record<string, unknown>;
  /** All of the request's, by lower-case names; those that the document does not name are let alone. */
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: unknown;
  readonly mediaType: string | undefined;
  /** How much of a JSON body was read. */
  readonly bodyBytes?: number | undefined;
}

export interface Contract {
  readonly document: Readonly<Record<string, unknown>>;
  readonly operations: readonly Operation[];
}

interface Parameter {
  name: string;
  in: string;
  required?: boolean;
  schema: object;
}
interface OperationObject {
  operationId: string;
  parameters?: (Parameter | { $ref: string })[];
  requestBody?: { required?: boolean; content: Record<string, { schema?: object }> };
  responses: Record<string, { $ref?: string; content?: Record<string, { schema?: object }> }>;
  security?: Record<string, string[]>[];
  'x-audiences'?: string[];
  'x-served-by'?: string;
  'x-idempotent'?: boolean;
  'x-body-limit'?: string;
  'x-opaque'?: string[];
  'x-deprecation'?: Deprecation;
}
type Document = Record<string, unknown> & {
  paths: Record<string, Record<string, unknown>>;
  security?: Record<string, string[]>[];
  'x-rate-limits'?: Record<string, string[]>;
};

/** Read by the handler, which has its parts checked when they are there. */
export const multipart = 'multipart/form-data';
const methods: readonly Method[] = ['get', 'post', 'put', 'patch', 'delete'];
const documentId = 'openapi';
const escapePointer = (text: string): string => encodeURIComponent(text.replace(/~/g, '~0').replace(/\//g, '~1'));
const at = (...path: string[]): string => `${documentId}#/${path.map(escapePointer).join('/')}`;

function followRef<T extends object>(document: Document, value: T | { $ref: string }): { value: T; pointer?: string } {
  if (!('$ref' in value) || typeof value.$ref !== 'string') return { value: value as T };
  const target = value.$ref.replace(/^#\//, '').split('/').reduce<unknown>((node, key) => (node as Record<string, unknown>)[key], document);
  return { value: target as T, pointer: `${documentId}${value.$ref}` };
}

/** One problem a field, named as a path: `technical.redirect_uris.0`. */
export function fieldProblems(errors: readonly ErrorObject[] | null | undefined, prefix = ''): FieldProblem[] {
  return (errors ?? []).map((error) => {
    const missing = error.keyword === 'required' ? `/${(error.params as { missingProperty: string }).missingProperty}` : '';
    const extra = error.keyword === 'additionalProperties' || error.keyword === 'unevaluatedProperties' ? `/${Object.values(error.params)[0] as string}` : '';
    const path = `${error.instancePath}${missing}${extra}`.slice(1).replace(/\//g, '.');
    const field = [prefix, path].filter((part) => part !== '').join('.') || 'body';
    if (missing !== '') return { field, problem: 'is required' };
    if (extra !== '') return { field, problem: 'is not a known field' };
    const allowed = error.keyword === 'enum' ? `: ${(error.params as { allowedValues: unknown[] }).allowedValues.join(', ')}` : '';
    return { field, problem: `${error.message ?? 'is not valid'}${allowed}` };
  });
}

/** What no database and no event could hold is nobody's to refuse later. */
function unreadable(value: unknown, opaque?: readonly string[]): FieldProblem[] {
  const problem = textProblem(value, opaque);
  return problem === undefined ? [] : [problem];
}

type Compile = (ref: string) => ValidateFunction;

/** Compiled when first needed: most processes serve few of the operations in their first second. */
const lazily = (make: () => ValidateFunction): (() => ValidateFunction) => {
  let made: ValidateFunction | undefined;
  return () => (made ??= make());
};

function parameterCheck(document: Document, operation: OperationObject, place: 'path' | 'query' | 'header', coercing: Ajv2020): (values: Record<string, unknown>) => FieldProblem[] {
  const parameters = (operation.parameters ?? []).map((parameter) => followRef<Parameter>(document, parameter).value).filter((parameter) => parameter.in === place);
  const schema = {
    type: 'object',
    properties: Object.fromEntries(parameters.map((parameter) => [parameter.name, refsInto(parameter.schema)])),
    required: parameters.filter((parameter) => parameter.required === true).map((parameter) => parameter.name),
    additionalProperties: false,
  };
  const validate = lazily(() => coercing.compile(schema));
  if (place !== 'header') return (values) => (validate()(values) ? [] : fieldProblems(validate().errors));
  const names = parameters.map(({ name }) => name);
  if (names.length === 0) return () => [];
  return (headers) => {
    const given = Object.fromEntries(names.filter((name) => headers[name.toLowerCase()] !== undefined).map((name) => [name, headers[name.toLowerCase()]]));
    return validate()(given) ? [] : fieldProblems(validate().errors);
  };
}

/** A schema taken out of the document, its references pointing back into it. */
function refsInto(schema: object): object {
  return JSON.parse(JSON.stringify(schema).replace(/"\$ref":"#/g, `"$ref":"${documentId}#`)) as object;
}

/** Of larger bodies the first problem alone is named: to look for all takes as long as there are problems, and somebody could make many. */
const nameAllUpToBytes = 65_536;

function bodyCheck(operation: OperationObject, where: string[], compile: { strict: Compile; quick: Compile; coercing: Compile }): (body: unknown, mediaType: string | undefined, bytes?: number) => FieldProblem[] {
  const { requestBody } = operation;
  if (requestBody === undefined) return () => [];
  const validators = Object.fromEntries(
    Object.keys(requestBody.content)
      .filter((type) => requestBody.content[type]?.schema !== undefined)
      .map((type) => [type, lazily(() => (type === 'application/json' ? compile.strict : compile.coercing)(at(...where, 'requestBody', 'content', type, 'schema')))]),
  );
  // A type that the document does not name is held to what it names: JSON and forms are both accepted (decision D13).
  const fallback = Object.keys(validators)[0];
  if (fallback === undefined) return () => [];
  const asForm = lazily(() => compile.coercing(at(...where, 'requestBody', 'content', fallback, 'schema')));
  const quick = lazily(() => compile.quick(at(...where, 'requestBody', 'content', 'application/json', 'schema')));
  return (body, mediaType, bytes = 0) => {
    if (mediaType === multipart) return [];
    if (bytes > nameAllUpToBytes && mediaType === 'application/json') return quick()(body) ? [] : fieldProblems(quick().errors);
    const named = validators[mediaType ?? 'application/json'];
    const validate = named !== undefined ? named() : asForm();
    return validate(body) ? [] : fieldProblems(validate.errors);
  };
}

function responseCheck(document: Document, operation: OperationObject, where: string[], strict: Compile): (status: number, body: unknown) => string[] {
  return (status, body) => {
    const key = operation.responses[String(status)] !== undefined ? String(status) : 'default';
    const response = operation.responses[key];
    if (response === undefined) return [`status ${status} is not documented for ${operation.operationId}`];
    const { value, pointer } = followRef<{ content?: Record<string, { schema?: object }> }>(document, response);
    if (value.content?.['application/json']?.schema === undefined) return [];
    const validate = strict(`${pointer ?? at(...where, 'responses', key)}/content/application~1json/schema`);
    return validate(body) ? [] : fieldProblems(validate.errors).map(({ field, problem }) => `${operation.operationId} ${status}: ${field} ${problem}`);
  };
}

/** Reads `schema/openapi.yaml`: the one place where paths, access, requests and answers are said. */
export function loadContract(file: URL): Contract {
  const document = parse(readFileSync(file, 'utf8')) as Document;
  const makeAjv = (coerce: boolean, allErrors = true): Ajv2020 => {
    const ajv = new Ajv2020({ strict: false, allErrors, coerceTypes: coerce ? 'array' : false, useDefaults: true });
    formats.default(ajv);
    ajv.addFormat('web-address', isWebAddress).addFormat('display-name', isDisplayName);
    ajv.addSchema(document, documentId);
    return ajv;
  };
  const strictAjv = makeAjv(false);
  const coercingAjv = makeAjv(true);
  const compileWith = (ajv: Ajv2020): Compile => (ref) => {
    const validate = ajv.getSchema(ref);
    if (validate === undefined) throw new Error(`${ref} is not in the OpenAPI document`);
    return validate;
  };
  const compile = { strict: compileWith(strictAjv), quick: compileWith(makeAjv(false, false)), coercing: compileWith(coercingAjv) };

  const categoryOf = new Map(Object.entries(document['x-rate-limits'] ?? {}).flatMap(([category, ids]) => ids.map((id) => [id, category] as const)));
  const operations = Object.entries(document.paths).flatMap(([path, item]) =>
    methods.flatMap((method): Operation[] => {
      const operation = item[method] as OperationObject | undefined;
      if (operation === undefined) return [];
      const where = ['paths', path, method];
      const inPath = parameterCheck(document, operation, 'path', coercingAjv);
      const inQuery = parameterCheck(document, operation, 'query', coercingAjv);
      const inHeaders = parameterCheck(document, operation, 'header', coercingAjv);
      const inBody = bodyCheck(operation, where, compile);
      const access = (operation.security ?? document.security ?? []).map((requirement): Access => {
        const [scheme, scopes] = Object.entries(requirement)[0] ?? ['none', []];
        return { scheme: scheme as Scheme | 'none', scopes };
      });
      return [
        {
          id: operation.operationId,
          method,
          path,
          access,
          audiences: operation['x-audiences'],
          idempotent: operation['x-idempotent'] === true,
          servedBy: operation['x-served-by'],
          bodyLimit: operation['x-body-limit'],
          multipart: operation.requestBody?.content[multipart] !== undefined,
          checkParts: (body) => [...unreadable(body), ...inBody(body, 'application/x-www-form-urlencoded')],
          deprecation: operation['x-deprecation'] === undefined ? undefined : deprecationHeaders(operation['x-deprecation']),
          rateLimit: categoryOf.get(operation.operationId),
          checkRequest: (parts) => {
            // Before the schemas go through it in depth.
            const problems = [...unreadable(parts.path), ...unreadable(parts.query), ...unreadable(parts.body, operation['x-opaque'])];
            return problems.length > 0 ? problems : [...inPath(parts.path), ...inQuery(parts.query), ...inHeaders(parts.headers), ...inBody(parts.body, parts.mediaType, parts.bodyBytes)];
          },
          checkResponse: responseCheck(document, operation, where, compile.strict),
        },
      ];
    }),
  );
  return { document, operations };
}
