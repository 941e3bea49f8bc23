import express, { type Express, type RequestHandler } from 'express';
import type { Clock } from '../kernel/clock.ts';
import type { Log } from '../kernel/log.ts';
import type { Tracer } from '../kernel/trace.ts';
import { apiRouter, type ApiOptions } from './api.ts';
import { errorHandler, notFound } from './errors.ts';
import { otherwise, type RequestLimits } from './limits.ts';
import { cors, endUnread, identifyRequests, securityHeaders, type RequestObserver } from './requests.ts';
import { agreeOnVersion } from './versions.ts';
import { refuseMalformed } from './well-formed.ts';

export interface GatewayOptions {
  readonly log: Log;
  readonly clock: Clock;
  readonly observe: RequestObserver;
  readonly tracer: Tracer;
  /** Whether clients reach this server by https. */
  readonly https: boolean;
  /** Addresses and ranges whose forwarded headers count; from nobody else (decision D15). */
  readonly trustedProxies: readonly string[];
  readonly limits: RequestLimits;
  /** Takes what the homeserver pushes; undefined where this process does not. */
  readonly appservice: RequestHandler | undefined;
  /** What is served by this process's part of the API; undefined where it serves none. */
  readonly api: { readonly oauth: RequestHandler | undefined; readonly router: ApiOptions } | undefined;
}

/** Everything that a request goes through, in order. */
export function createGateway({ log, clock, observe, tracer, https, trustedProxies, limits, appservice, api }: GatewayOptions): Express {
  const http = express();
  http.disable('x-powered-by').disable('etag');
  http.set('trust proxy', trustedProxies.length === 0 ? false : [...trustedProxies]);
  const secure = securityHeaders(https);
  http.use(identifyRequests(log, clock, observe, tracer), (req, res, next) => {
    endUnread(req, res);
    secure(res);
    refuseMalformed(req, res);
    next();
  });
  if (appservice !== undefined) http.use(appservice);
  http.use((req, res, next) => {
    if (cors(req, res)) return;
    agreeOnVersion(req, res);
    next();
  });
  if (api?.oauth !== undefined) http.use(api.oauth);
  if (api !== undefined) http.use(apiRouter(api.router));
  http.use(async (_req, _res, next) => {
    await limits.admit(otherwise, { kind: 'anonymous' });
    next();
  });
  http.use(notFound, errorHandler(log, clock));
  return http;
}
