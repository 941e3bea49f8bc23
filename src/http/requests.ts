import type { RequestHandler } from 'express';
import type { Clock } from '../kernel/clock.ts';
import { newId } from '../kernel/ids.ts';
import type { Log } from '../kernel/log.ts';
import { requestContext } from '../kernel/request-context.ts';

const acceptableId = /^[A-Za-z0-9._-]{8,64}$/;

export interface RequestObserver {
  (request: { readonly operation: string; readonly method: string; readonly status: number; readonly durationMs: number }): void;
}

/** Gives each request an id (the caller's own where it is well formed), answers it in `X-Request-Id`, and logs the outcome: never a query, a body or a header. */
export function identifyRequests(log: Log, clock: Clock, observe: RequestObserver): RequestHandler {
  return (req, res, next) => {
    const given = req.headers['x-request-id'];
    const requestId = typeof given === 'string' && acceptableId.test(given) ? given : newId('req');
    const startedAt = clock.now();
    res.locals.requestId = requestId;
    res.set('X-Request-Id', requestId);
    res.on('close', () => {
      const operation = typeof res.locals.operation === 'string' ? res.locals.operation : 'unknown';
      const durationMs = clock.now() - startedAt;
      const status = res.writableFinished ? res.statusCode : 499;
      observe({ operation, method: req.method, status, durationMs });
      log.debug({ request_id: requestId, operation, method: req.method, status, duration_ms: durationMs }, 'request');
    });
    requestContext.run({ requestId, address: req.ip }, next);
  };
}

/** Any origin may call, with a token but never with cookies (decision D13). */
export const cors: RequestHandler = (req, res, next) => {
  res.set({ 'Access-Control-Allow-Origin': '*', 'Access-Control-Expose-Headers': 'X-Request-Id, Retry-After, ETag, Idempotency-Replayed' });
  if (req.method !== 'OPTIONS' || req.headers['access-control-request-method'] === undefined) return next();
  res.set({ 'Access-Control-Allow-Methods': 'GET, POST, PUT, PATCH, DELETE', 'Access-Control-Allow-Headers': 'Authorization, Content-Type, Idempotency-Key, X-Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, X-Request-Id', 'Access-Control-Max-Age': '86400' });
  res.status(204).end();
};

/** On every answer: nothing here is ever to be sniffed, framed or referred from. */
export const securityHeaders: RequestHandler = (_req, res, next) => {
  res.set({ 'X-Content-Type-Options': 'nosniff', 'Referrer-Policy': 'no-referrer', 'X-Frame-Options': 'DENY' });
  next();
};
