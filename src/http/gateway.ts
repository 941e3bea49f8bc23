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

/** Steps that every request takes: express looks for a path, parameters and an error at each layer of its own. */
function inOrder(steps: readonly RequestHandler[]): RequestHandler {
  return (req, res, done) => {
    const take = (at: number): void => {
      const step = steps[at];
      if (step === undefined) return done();
      const outcome = step(req, res, (error?: unknown) => (error === undefined ? take(at + 1) : done(error)));
      if (outcome instanceof Promise) outcome.catch(done);
    };
    take(0);
  };
}

/** Everything that a request goes through, in order. */
export function createGateway({ log, clock, observe, tracer, https, trustedProxies, limits, appservice, api }: GatewayOptions): Express {
  const http = express();
  http.disable('x-powered-by').disable('etag');
  http.set('trust proxy', trustedProxies.length === 0 ? false : [...trustedProxies]);
  const secure = securityHeaders(https);
  const steps: (RequestHandler | undefined)[] = [
    identifyRequests({ log, clock, observe, tracer, behindProxy: trustedProxies.length > 0 }),
    (req, res, next) => {
      endUnread(req, res);
      secure(res);
      refuseMalformed(req, res);
      next();
    },
    appservice,
    (req, res, next) => {
      if (cors(req, res)) return;
      agreeOnVersion(req, res);
      next();
    },
    api?.oauth,
    api === undefined ? undefined : apiRouter(api.router),
    async (_req, _res, next) => {
      await limits.admit(otherwise, { kind: 'anonymous' });
      next();
    },
  ];
  http.use(inOrder(steps.filter((step) => step !== undefined)));
  http.use(notFound, errorHandler(log, clock));
  return http;
}
