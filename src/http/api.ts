import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders } from 'node:http';
import express, { type Request, type RequestHandler, type Response, type Router } from 'express';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AppError, invalidField, type FieldProblem } from '../kernel/errors.ts';
import { JsonText } from '../kernel/json-text.ts';
import { numberTexts } from '../kernel/json.ts';
import { decideAccess, type Authenticators, type ClientPrincipal, type Principal, type SessionPrincipal } from './access.ts';
import { multipart, type Contract, type Operation } from './contract.ts';
import { exempt, otherwise, unlimited, type RequestLimits } from './limits.ts';
import { readMultipart, type FileSink, type MultipartLimits } from './multipart.ts';

/** A request that was let in and whose parts are what `schema/openapi.yaml` says. */
export interface ApiRequest {
  readonly principal: Principal;
  readonly path: Readonly<Record<string, unknown>>;
  readonly query: Readonly<Record<string, unknown>>;
  readonly body: unknown;
  /** The JSON that `body` was read from, for what must go on as it was sent; undefined for a form or no body. */
  readonly bodyText: () => string | undefined;
  /** As sent, by lower-case names; those that the document names have been checked. */
  readonly headers: IncomingHttpHeaders;
  readonly requestId: string;
  /** A number directly in the body as the caller wrote it, or a string there as it is; undefined when it is neither. */
  amountText(field: string): string | undefined;
  /** Aborted when the caller is gone. For handlers that wait. */
  readonly gone: () => AbortSignal;
  /** Reads a body of `multipart/form-data`, files as they arrive, and checks the other parts; undefined for every other body. */
  readonly multipart: ((limits: MultipartLimits, sink: FileSink) => Promise<unknown>) | undefined;
  /** Judges the credentials once more, for handlers that have waited. Throws as at the start. */
  readonly checkAccess: () => Promise<void>;
}

/** An answer that is made while it is sent. */
export class TextStream {
  readonly mediaType: string;
  readonly parts: AsyncIterable<string | Uint8Array>;
  /** Aborted, it ends the answer in the middle, whether or not the caller takes what it was sent. */
  readonly cut: AbortSignal | undefined;
  constructor(mediaType: string, parts: AsyncIterable<string | Uint8Array>, cut?: AbortSignal) {
    this.mediaType = mediaType;
    this.parts = parts;
    this.cut = cut;
  }
}

export interface ApiAnswer {
  readonly status: number;
  /** What JSON is to be made of, JSON text, a stream, or nothing at all. */
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Handlers by `operationId`. */
export type Routes = Readonly<Record<string, (request: ApiRequest) => Promise<ApiAnswer> | ApiAnswer>>;

export const answer = (body: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): ApiAnswer => ({ status, body, headers });

/** The principal of an operation whose document admits only this kind. */
export function principalOf<Kind extends Principal['kind']>(request: ApiRequest, kind: Kind): Extract<Principal, { kind: Kind }> {
  if (request.principal.kind !== kind) throw new AppError('INSUFFICIENT_PERMISSIONS', 'This endpoint does not accept this kind of credential');
  return request.principal as Extract<Principal, { kind: Kind }>;
}

export interface ApiOptions {
  readonly contract: Contract;
  readonly routes: Routes;
  readonly authenticators: Authenticators;
  readonly bodyLimitBytes: number;
  /** Limits by the names that operations call theirs (`x-body-limit`). */
  readonly bodyLimits?: Readonly<Record<string, number>>;
  /** Tests set this: an answer that the document does not allow becomes a 500 that says why. */
  readonly checkResponses: boolean;
  /** None when absent. */
  readonly limits?: RequestLimits;
  /** Called before the operation; what it throws refuses the request. */
  readonly onPrivileged: (principal: SessionPrincipal | ClientPrincipal, operationId: string) => Promise<void>;
}

const mediaTypes = ['application/json', 'application/x-www-form-urlencoded'];

const refuseOtherMediaTypes = (accepted: string[]): RequestHandler => (req, _res, next) => {
  const hasBody = req.headers['transfer-encoding'] !== undefined || (req.headers['content-length'] ?? '0') !== '0';
  if (hasBody && req.is(accepted) === false) return next(new AppError('UNSUPPORTED_MEDIA_TYPE', `Content-Type must be one of ${accepted.join(', ')}`));
  next();
};

/** An answer names so many problems at most, and so much of a field's name: both are the caller's to make long. */
const maxNamed = 20;
const maxNameLength = 255;

const refuse = (problems: readonly FieldProblem[]): void => {
  if (problems.length === 0) return;
  const named = problems.slice(0, maxNamed).map(({ field, problem }) => ({ field: field.length > maxNameLength ? `${field.slice(0, maxNameLength)}…` : field, problem }));
  const more = problems.length > named.length ? [`and ${problems.length - named.length} more`] : [];
  throw new AppError('INVALID_REQUEST', [...named.map(({ field, problem }) => `${field}: ${problem}`), ...more].join('; '), { details: named });
};

function multipartIn(req: Request, operation: Operation): ApiRequest['multipart'] {
  if (!operation.multipart || req.is(multipart) === false) return undefined;
  return async (limits, sink) => {
    const body = await readMultipart(req, limits, sink);
    refuse(operation.checkParts(body));
    return body;
  };
}

/** Where the JSON parser leaves what it has read, for as long as the request itself is in memory. */
const bodyBytes = new WeakMap<object, { readonly bytes: Buffer }>();

function bodyTextOf(req: Request): string | undefined {
  return bodyBytes.get(req)?.bytes.toString('utf8');
}

/** JSON is UTF-8 (RFC 8259 section 8.1): what is not would be stored as something else than was sent. */
function keepBytes(req: object, bytes: Buffer, encoding: string): void {
  if (encoding !== 'utf-8') throw Object.assign(new Error('charset'), { type: 'charset.unsupported' });
  if (!isUtf8(bytes)) throw Object.assign(new Error('encoding'), { type: 'entity.encoding.invalid' });
  bodyBytes.set(req, { bytes });
}

function amountTextIn(req: Request, body: unknown): ApiRequest['amountText'] {
  let numbers: ReadonlyMap<string, string> | undefined;
  return (field) => {
    const value = (body as Readonly<Record<string, unknown>>)[field];
    if (typeof value !== 'number') return typeof value === 'string' ? value : undefined;
    const text = bodyTextOf(req);
    numbers ??= text === undefined ? new Map<string, string>() : numberTexts(text);
    return numbers.get(field);
  };
}

/** `Idempotency-Key` and its `X-` form count as the field (decision D8). */
function adoptIdempotencyKey(req: Request, body: Record<string, unknown>): void {
  const given = req.headers['idempotency-key'] ?? req.headers['x-idempotency-key'];
  if (typeof given !== 'string') return;
  if (body.idempotency_key !== undefined && body.idempotency_key !== given) throw invalidField('idempotency_key', 'disagrees with the header');
  body.idempotency_key = given;
}

function goneSignal(res: Response): AbortSignal {
  const controller = new AbortController();
  if (res.closed) controller.abort();
  else res.once('close', () => controller.abort());
  return controller.signal;
}

/** Of a pipeline whose receiver went away, before or while it was sent, or was cut off. */
const goneCodes: ReadonlySet<unknown> = new Set(['ERR_STREAM_PREMATURE_CLOSE', 'ERR_STREAM_UNABLE_TO_PIPE', 'ERR_STREAM_DESTROYED', 'ABORT_ERR']);

async function send(res: Response, { status, body, headers }: ApiAnswer): Promise<void> {
  if (body !== undefined && !(body instanceof TextStream)) {
    const text = body instanceof JsonText ? body.text : JSON.stringify(body);
    // Past express's own way, which looks at every header and at the text again.
    res.writeHead(status, { 'Cache-Control': 'no-store', 'Content-Type': 'application/json; charset=utf-8', 'Content-Length': Buffer.byteLength(text), ...headers }).end(text);
    return;
  }
  res.status(status).set({ 'Cache-Control': 'no-store', ...headers });
  if (body === undefined) res.end();
  else {
    res.type(body.mediaType);
    // Who goes away in the middle has not failed us, nor has who was cut off.
    await pipeline(Readable.from(body.parts), res, body.cut === undefined ? {} : { signal: body.cut }).catch((error: NodeJS.ErrnoException) => {
      if (!goneCodes.has(error.code)) throw error;
    });
  }
}

function assertInContract(operation: Operation, { status, body }: ApiAnswer): void {
  if (body instanceof TextStream) return;
  // As it goes out: a body may hold numbers that are written with digits of their own.
  const text = body instanceof JsonText ? body.text : JSON.stringify(body);
  const broken = operation.checkResponse(status, body === undefined ? undefined : (JSON.parse(text) as unknown));
  if (broken.length > 0) throw new Error(`the answer breaks the contract: ${broken.join('; ')}`);
}

/** Who calls, let in by the access rules and then by the limits. Credentials that were refused count for their address. */
async function letIn(operation: Operation, authorization: string | undefined, { authenticators, limits = unlimited }: ApiOptions): Promise<Principal> {
  const category = operation.rateLimit ?? otherwise;
  // Ours are judged here; others cost a question to the homeserver or the database.
  if (category !== exempt && authorization !== undefined && !/^bearer +tep\./i.test(authorization)) await limits.assertMayTry();
  const principal = await decideAccess(operation, authorization, authenticators).catch(async (error: unknown) => {
    if (error instanceof AppError && error.status === 401 && category !== exempt) await limits.credentialsRefused();
    throw error;
  });
  if (category !== exempt) await limits.admit(category, principal);
  return principal;
}

function handlerOf(operation: Operation, { routes, checkResponses, authenticators, limits = unlimited }: ApiOptions): RequestHandler {
  const handle = routes[operation.id];
  if (handle === undefined) throw new Error(`no handler for operation ${operation.id}`);
  return async (req, res) => {
    const body: unknown = req.body ?? {};
    const path: Record<string, unknown> = { ...req.params };
    const query: Record<string, unknown> = { ...req.query };
    const { headers } = req;
    if (operation.idempotent && typeof body === 'object' && body !== null && !Array.isArray(body)) adoptIdempotencyKey(req, body as Record<string, unknown>);
    const parts = multipartIn(req, operation);
    refuse(operation.checkRequest({ path, query, headers, body, mediaType: parts !== undefined ? multipart : (req.is(mediaTypes) || undefined) ?? undefined, bodyBytes: bodyBytes.get(req)?.bytes.length }));
    const principal = res.locals.principal as Principal;
    const handling = async (): Promise<ApiAnswer> => handle({
      principal,
      path,
      query,
      body,
      bodyText: () => bodyTextOf(req),
      amountText: amountTextIn(req, body),
      headers,
      requestId: res.locals.requestId as string,
      gone: () => goneSignal(res),
      multipart: parts,
      checkAccess: async () => void (await decideAccess(operation, headers.authorization, authenticators)),
    });
    const result = await handling().catch(async (error: unknown) => {
      await limits.failed(operation.rateLimit ?? otherwise, principal, error, Object.values(path).join(' '));
      throw error;
    });
    if (checkResponses) assertInContract(operation, result);
    await send(res, result);
  };
}

/** Before it is read: the parsers would read all of it first, to throw it away. Files are read by the operation, which has limits of its own. */
const refuseTooLarge =
  (limit: number): RequestHandler =>
  (req, res, next) => {
    if (Number(req.headers['content-length'] ?? 0) <= limit || req.is(multipart) === multipart) return next();
    res.set('Connection', 'close');
    next(new AppError('PAYLOAD_TOO_LARGE', 'The request body is too large'));
  };

/** The parsers of a body up to `limit` bytes. */
const parsersFor = (limit: number, accepted: string[]): RequestHandler[] => [
  refuseOtherMediaTypes(accepted),
  refuseTooLarge(limit),
  express.json({ limit, verify: (req, _res, bytes, encoding) => keepBytes(req, bytes, encoding) }),
  express.urlencoded({ extended: false, limit }),
];

const expressPath = (path: string): string => path.replace(/\{(\w+)\}/g, ':$1');

/** A router with every operation of the document that is not served elsewhere. Throws when one has no handler, or a handler no operation. */
export function apiRouter(options: ApiOptions): Router {
  const router = express.Router({ caseSensitive: true, strict: true });
  const operations = options.contract.operations.filter((operation) => operation.servedBy === undefined);
  const unknown = Object.keys(options.routes).filter((id) => !operations.some((operation) => operation.id === id));
  if (unknown.length > 0) throw new Error(`handlers without an operation in the document: ${unknown.join(', ')}`);
  const limitOf = ({ id, bodyLimit }: Operation): number => {
    if (bodyLimit === undefined) return options.bodyLimitBytes;
    const limit = options.bodyLimits?.[bodyLimit];
    if (limit === undefined) throw new Error(`operation ${id} has an unknown limit on its body, ${bodyLimit}`);
    return Math.max(limit, options.bodyLimitBytes);
  };
  const parsersByKind = new Map<string, RequestHandler[]>();
  const parsersOf = (operation: Operation): RequestHandler[] => {
    const limit = limitOf(operation);
    const kind = `${limit} ${operation.multipart}`;
    const parsers = parsersByKind.get(kind) ?? parsersFor(limit, operation.multipart ? [...mediaTypes, multipart] : mediaTypes);
    parsersByKind.set(kind, parsers);
    return parsers;
  };

  for (const operation of operations) {
    const access: RequestHandler = async (req, res, next) => {
      res.locals.operation = operation.id;
      if (operation.deprecation !== undefined) res.set(operation.deprecation);
      const principal = await letIn(operation, req.headers.authorization, options);
      if ('privileged' in principal && principal.privileged) await options.onPrivileged(principal, operation.id);
      res.locals.principal = principal;
      next();
    };
    router[operation.method](expressPath(operation.path), access, ...parsersOf(operation), handlerOf(operation, options));
  }
  for (const [path, siblings] of Map.groupBy(operations, (operation) => operation.path)) {
    const allowed = siblings.map((operation) => operation.method.toUpperCase()).join(', ');
    router.all(expressPath(path), async (_req, res, next) => {
      await options.limits?.admit(otherwise, { kind: 'anonymous' });
      res.set('Allow', allowed);
      next(new AppError('METHOD_NOT_ALLOWED', `Allowed: ${allowed}`));
    });
  }
  return router;
}
