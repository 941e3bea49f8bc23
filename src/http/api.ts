import express, { type NextFunction, type Request, type RequestHandler, type Response, type Router } from 'express';
import { AppError, invalidField } from '../kernel/errors.ts';
import { numberTexts } from '../kernel/json.ts';
import { decideAccess, type Authenticators, type ClientPrincipal, type Principal, type SessionPrincipal } from './access.ts';
import type { Contract, Operation } from './contract.ts';

/** A request that was let in and whose parts are what `schema/openapi.yaml` says. */
export interface ApiRequest {
  readonly principal: Principal;
  readonly path: Readonly<Record<string, unknown>>;
  readonly query: Readonly<Record<string, unknown>>;
  readonly body: unknown;
  readonly requestId: string;
  /** A number directly in the body as the caller wrote it, or a string there as it is; undefined when it is neither. */
  amountText(field: string): string | undefined;
}

/** An answer's body that is JSON text already, to be sent byte for byte. */
export class JsonText {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export interface ApiAnswer {
  readonly status: number;
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
  /** Tests set this: an answer that the document does not allow becomes a 500 that says why. */
  readonly checkResponses: boolean;
  /** Called before the operation; what it throws refuses the request. */
  readonly onPrivileged: (principal: SessionPrincipal | ClientPrincipal, operationId: string) => Promise<void>;
}

const mediaTypes = ['application/json', 'application/x-www-form-urlencoded'];

function refuseOtherMediaTypes(req: Request, _res: Response, next: NextFunction): void {
  const hasBody = req.headers['transfer-encoding'] !== undefined || (req.headers['content-length'] ?? '0') !== '0';
  if (hasBody && req.is(mediaTypes) === false) return next(new AppError('UNSUPPORTED_MEDIA_TYPE', `Content-Type must be one of ${mediaTypes.join(', ')}`));
  next();
}

/** Raw bytes of JSON bodies, for amounts: as long as the request itself is in memory. */
const rawBodies = new WeakMap<object, { readonly bytes: Buffer; readonly encoding: string }>();
const keepRawBody = (req: object, _res: unknown, bytes: Buffer, encoding: string): void => void rawBodies.set(req, { bytes, encoding });

function amountTextIn(req: Request, body: unknown): ApiRequest['amountText'] {
  let numbers: ReadonlyMap<string, string> | undefined;
  return (field) => {
    const value = (body as Readonly<Record<string, unknown>>)[field];
    if (typeof value !== 'number') return typeof value === 'string' ? value : undefined;
    const raw = rawBodies.get(req);
    numbers ??= raw === undefined ? new Map<string, string>() : numberTexts(new TextDecoder(raw.encoding).decode(raw.bytes));
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

function handlerOf(operation: Operation, { routes, checkResponses }: ApiOptions): RequestHandler {
  const handle = routes[operation.id];
  if (handle === undefined) throw new Error(`no handler for operation ${operation.id}`);
  return async (req, res) => {
    const body: unknown = req.body ?? {};
    const path: Record<string, unknown> = { ...req.params };
    const query: Record<string, unknown> = { ...req.query };
    if (operation.idempotent && typeof body === 'object' && body !== null && !Array.isArray(body)) adoptIdempotencyKey(req, body as Record<string, unknown>);
    const problems = operation.checkRequest({ path, query, body, mediaType: (req.is(mediaTypes) || undefined) ?? undefined });
    if (problems.length > 0) throw new AppError('INVALID_REQUEST', problems.map(({ field, problem }) => `${field}: ${problem}`).join('; '), { details: problems });
    const result = await handle({ principal: res.locals.principal as Principal, path, query, body, requestId: res.locals.requestId as string, amountText: amountTextIn(req, body) });
    const text = result.body instanceof JsonText ? result.body.text : result.body === undefined ? undefined : JSON.stringify(result.body);
    if (checkResponses) {
      const broken = operation.checkResponse(result.status, text === undefined ? undefined : (JSON.parse(text) as unknown));
      if (broken.length > 0) throw new Error(`the answer breaks the contract: ${broken.join('; ')}`);
    }
    res.status(result.status).set({ 'Cache-Control': 'no-store', ...result.headers });
    if (text === undefined) res.end();
    else res.type('json').send(text);
  };
}

/** A router with every operation of the document that is not served elsewhere. Throws when one has no handler, or a handler no operation. */
export function apiRouter(options: ApiOptions): Router {
  const router = express.Router({ caseSensitive: true, strict: true });
  const operations = options.contract.operations.filter((operation) => operation.servedBy === undefined);
  const unknown = Object.keys(options.routes).filter((id) => !operations.some((operation) => operation.id === id));
  if (unknown.length > 0) throw new Error(`handlers without an operation in the document: ${unknown.join(', ')}`);
  const parsers = [refuseOtherMediaTypes, express.json({ limit: options.bodyLimitBytes, verify: keepRawBody }), express.urlencoded({ extended: false, limit: options.bodyLimitBytes })];

  for (const operation of operations) {
    const path = operation.path.replace(/\{(\w+)\}/g, ':$1');
    const access: RequestHandler = async (req, res, next) => {
      res.locals.operation = operation.id;
      const principal = await decideAccess(operation, req.headers.authorization, options.authenticators);
      if ('privileged' in principal && principal.privileged) await options.onPrivileged(principal, operation.id);
      res.locals.principal = principal;
      next();
    };
    router[operation.method](path, access, ...parsers, handlerOf(operation, options));
  }
  for (const [path, siblings] of Map.groupBy(operations, (operation) => operation.path)) {
    const allowed = siblings.map((operation) => operation.method.toUpperCase()).join(', ');
    router.all(path.replace(/\{(\w+)\}/g, ':$1'), (_req, res, next) => {
      res.set('Allow', allowed);
      next(new AppError('METHOD_NOT_ALLOWED', `Allowed: ${allowed}`));
    });
  }
  return router;
}
