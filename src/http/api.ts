import type { IncomingHttpHeaders } from 'node:http';
import type { Request, RequestHandler, Response } from 'express';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AppError, invalidField, type FieldProblem } from '../kernel/errors.ts';
import { JsonText } from '../kernel/json-text.ts';
import { numberTexts } from '../kernel/json.ts';
import { decideAccess, type Authenticators, type ClientPrincipal, type Principal, type SessionPrincipal } from './access.ts';
import { announcesBody, bodyLengthOf, bodyReader, bodyTextOf, parsedMediaTypes, type BodyReader } from './bodies.ts';
import { multipart, type Contract, type Operation } from './contract.ts';
import { exempt, otherwise, unlimited, type RequestLimits } from './limits.ts';
import { readMultipart, type FileSink, type MultipartLimits } from './multipart.ts';
import { PathTable } from './path-table.ts';

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
  let principal: Principal;
  try {
    principal = await decideAccess(operation, authorization, authenticators);
  } catch (error) {
    if (error instanceof AppError && error.status === 401 && category !== exempt) await limits.credentialsRefused();
    throw error;
  }
  if (category !== exempt) await limits.admit(category, principal);
  return principal;
}

/** What becomes of a request that was let in: its parts are checked, and it is answered. */
type Handler = (req: Request, res: Response, path: Record<string, unknown>, principal: Principal) => Promise<void>;

function handlerOf(operation: Operation, { routes, checkResponses, authenticators, limits = unlimited }: ApiOptions): Handler {
  const handle = routes[operation.id];
  if (handle === undefined) throw new Error(`no handler for operation ${operation.id}`);
  return async (req, res, path, principal) => {
    const body: unknown = req.body ?? {};
    const query: Record<string, unknown> = { ...req.query };
    const { headers } = req;
    if (operation.idempotent && typeof body === 'object' && body !== null && !Array.isArray(body)) adoptIdempotencyKey(req, body as Record<string, unknown>);
    const parts = multipartIn(req, operation);
    refuse(operation.checkRequest({ path, query, headers, body, mediaType: parts !== undefined ? multipart : (req.is(parsedMediaTypes) || undefined) ?? undefined, bodyBytes: bodyLengthOf(req) }));
    const request: ApiRequest = {
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
    };
    let result: ApiAnswer;
    try {
      result = await handle(request);
    } catch (error) {
      await limits.failed(operation.rateLimit ?? otherwise, principal, error, Object.values(path).join(' '));
      throw error;
    }
    if (checkResponses) assertInContract(operation, result);
    await send(res, result);
  };
}

/** How the bodies of operations are read: one reader for each limit, with or without files. */
function bodyReaders({ bodyLimitBytes, bodyLimits }: ApiOptions): (operation: Operation) => BodyReader {
  const limitOf = ({ id, bodyLimit }: Operation): number => {
    if (bodyLimit === undefined) return bodyLimitBytes;
    const limit = bodyLimits?.[bodyLimit];
    if (limit === undefined) throw new Error(`operation ${id} has an unknown limit on its body, ${bodyLimit}`);
    return Math.max(limit, bodyLimitBytes);
  };
  const byKind = new Map<string, BodyReader>();
  return (operation) => {
    const limit = limitOf(operation);
    const kind = `${limit} ${operation.multipart}`;
    const reader = byKind.get(kind) ?? bodyReader(limit, operation.multipart ? [...parsedMediaTypes, multipart] : parsedMediaTypes);
    byKind.set(kind, reader);
    return reader;
  };
}

/** One operation, from the credentials to the answer. */
function serve(operation: Operation, options: ApiOptions, readBody: BodyReader): (req: Request, res: Response, path: Record<string, unknown>) => Promise<void> {
  const handle = handlerOf(operation, options);
  return async (req, res, path) => {
    res.locals.operation = operation.id;
    if (operation.deprecation !== undefined) res.set(operation.deprecation);
    const principal = await letIn(operation, req.headers.authorization, options);
    if ('privileged' in principal && principal.privileged) await options.onPrivileged(principal, operation.id);
    if (announcesBody(req)) await readBody(req, res);
    await handle(req, res, path, principal);
  };
}

/** Serves every operation of the document that is not served elsewhere. Throws when one has no handler, or a handler no operation. */
export function apiRouter(options: ApiOptions): RequestHandler {
  const operations = options.contract.operations.filter((operation) => operation.servedBy === undefined);
  const unknown = Object.keys(options.routes).filter((id) => !operations.some((operation) => operation.id === id));
  if (unknown.length > 0) throw new Error(`handlers without an operation in the document: ${unknown.join(', ')}`);
  const readerOf = bodyReaders(options);
  const served = new PathTable<ReturnType<typeof serve>>();
  for (const operation of operations) served.add(operation.method, operation.path, serve(operation, options, readerOf(operation)));

  const refuseMethod = async (res: Response, allowed: string): Promise<never> => {
    await options.limits?.admit(otherwise, { kind: 'anonymous' });
    res.set('Allow', allowed);
    throw new AppError('METHOD_NOT_ALLOWED', `Allowed: ${allowed}`);
  };
  return (req, res, next) => {
    const found = served.find(req.method, req.path);
    if (found !== undefined) return found.value(req, res, found.parameters);
    const allowed = served.methodsAt(req.path)?.join(', ');
    return allowed === undefined ? next() : refuseMethod(res, allowed);
  };
}
