import type { ServerResponse } from 'node:http';
import type { Request, RequestHandler, Response } from 'express';
import type { Clock } from '../kernel/clock.ts';
import { newId } from '../kernel/ids.ts';
import type { Log } from '../kernel/log.ts';
import { requestContext } from '../kernel/request-context.ts';
import { readTraceparent, type Tracer } from '../kernel/trace.ts';
import { announcesBody } from './bodies.ts';
import { callerAddress } from './well-formed.ts';

/** Node's own way: express looks at each header again. Names that are on every answer are written small, or Node makes them so for each. */
function setAll(res: ServerResponse, headers: Readonly<Record<string, string>>): void {
  for (const name in headers) res.setHeader(name, headers[name]!);
}

const acceptableId = /^[A-Za-z0-9._-]{8,64}$/;

export interface RequestObserver {
  (request: { readonly operation: string; readonly method: string; readonly status: number; readonly durationMs: number }): void;
}

export interface IdentifyOptions {
  readonly log: Log;
  readonly clock: Clock;
  readonly observe: RequestObserver;
  readonly tracer: Tracer;
  /** Whether there are proxies whose word about the caller's address counts. */
  readonly behindProxy: boolean;
}

/** Gives each request an id (the caller's own where it is well formed), answers it in `X-Request-Id`, goes on with its trace, and logs the outcome: never a query, a body or a header. */
export function identifyRequests({ log, clock, observe, tracer, behindProxy }: IdentifyOptions): RequestHandler {
  return (req, res, next) => {
    const given = req.headers['x-request-id'];
    const requestId = typeof given === 'string' && acceptableId.test(given) ? given : newId('req');
    const startedAt = clock.now();
    res.locals.requestId = requestId;
    res.setHeader('x-request-id', requestId);
    const span = tracer.startSpan('request', 'server', readTraceparent(req.headers.traceparent));
    res.on('close', () => {
      const operation = typeof res.locals.operation === 'string' ? res.locals.operation : 'unknown';
      const durationMs = clock.now() - startedAt;
      const status = res.writableFinished ? res.statusCode : 499;
      observe({ operation, method: req.method, status, durationMs });
      span.end({ failed: status >= 500, attributes: { operation, 'http.request.method': req.method, 'http.response.status_code': status, request_id: requestId } });
      log.debug({ request_id: requestId, trace_id: span.trace.traceId, operation, method: req.method, status, duration_ms: durationMs }, 'request');
    });
    const answerHeaders = (headers: Readonly<Record<string, string>>): void => {
      if (!res.headersSent) setAll(res, headers);
    };
    requestContext.run({ requestId, address: behindProxy ? callerAddress(req) : req.socket.remoteAddress, trace: span.trace, answerHeaders }, next);
  };
}

/** How long the rest of a body is taken in, for nothing, after its request was answered: to cut it off at once would lose the answer on its way. */
const unreadMs = 5000;

/** A request that was answered before all of it came holds its connection for a moment only. */
export function endUnread(req: Request, res: Response): void {
  if (!announcesBody(req)) return;
  res.once('finish', () => {
    if (req.complete) return;
    req.unpipe();
    req.resume();
    const cut = setTimeout(() => req.socket.destroy(), unreadMs).unref();
    req.once('close', () => clearTimeout(cut)).once('end', () => clearTimeout(cut));
  });
}

const exposed = 'X-Request-Id, TMCP-Version, Deprecation, Sunset, Retry-After, ETag, Idempotency-Replayed, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, X-RateLimit-Reset-After, X-RateLimit-Burst, X-RateLimit-Burst-Remaining';

const isPreflight = (req: Request): boolean => req.method === 'OPTIONS' && req.headers['access-control-request-method'] !== undefined;

/** Any origin may call, with a token but never with cookies (decision D13). Says whether this has answered the request: it was a preflight. */
export function cors(req: Request, res: Response): boolean {
  res.setHeader('access-control-allow-origin', '*').setHeader('access-control-expose-headers', exposed);
  if (!isPreflight(req)) return false;
  res.set({ 'Access-Control-Allow-Methods': 'GET, POST, PUT, PATCH, DELETE', 'Access-Control-Allow-Headers': 'Authorization, Content-Type, Idempotency-Key, X-Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, X-Request-Id, TMCP-Version, traceparent, tracestate', 'Access-Control-Max-Age': '86400' });
  res.status(204).end();
  return true;
}

/** On every answer: nothing here is ever to be sniffed, framed, referred from or run. Pages have a policy of their own. `https`: browsers are told to come by no other way (section 11.1). */
export function securityHeaders(https: boolean): (res: Response) => void {
  const headers = {
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'x-frame-options': 'DENY',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    ...(https ? { 'strict-transport-security': 'max-age=31536000' } : {}),
  };
  return (res) => setAll(res, headers);
}
