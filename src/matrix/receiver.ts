import express, { type ErrorRequestHandler, type Request, type RequestHandler, type Response, type Router } from 'express';
import { outageOf } from '../database/index.ts';
import { equalSecrets, isRoomAlias, isUserId } from '../kernel/ids.ts';
import { errorText } from '../kernel/errors.ts';
import type { Log } from '../kernel/log.ts';
import { HomeserverUnreachable } from './homeserver.ts';
import type { Inbox } from './inbox.ts';
import type { Lookups } from './lookups.ts';
import { MissingTransaction } from './missing-transaction.ts';

export interface ReceiverDependencies {
  readonly inbox: Inbox;
  readonly lookups: Lookups;
  readonly hsToken: string;
  readonly bodyLimitBytes: number;
  readonly log: Log;
}

const refuse = (res: Response, status: number, errcode: string, error: string): void => void res.status(status).json({ errcode, error });

/** Only the header counts: a token in a query ends in proxies' logs. */
function authenticate(hsToken: string): RequestHandler {
  return (req, res, next) => {
    const given = /^Bearer +(\S+)$/i.exec(req.headers.authorization ?? '')?.[1];
    if (given === undefined) return refuse(res, 401, 'M_MISSING_TOKEN', 'Missing the hs_token in the Authorization header');
    if (!equalSecrets(given, hsToken)) return refuse(res, 403, 'M_FORBIDDEN', 'Wrong hs_token');
    next();
  };
}

const badRequests: ErrorRequestHandler = (error: unknown, _req, res, next) => {
  const { type, status = 500 } = (error ?? {}) as { type?: string; status?: number };
  if (type === 'entity.too.large') return refuse(res, 413, 'M_TOO_LARGE', 'The transaction is larger than server.appservice_body_limit_bytes');
  if (error instanceof SyntaxError) return refuse(res, 400, 'M_NOT_JSON', 'The body is not valid JSON');
  if (type === 'encoding.unsupported') return refuse(res, 415, 'M_UNKNOWN', 'Unsupported content encoding');
  if (error instanceof URIError || (status >= 400 && status < 500)) return refuse(res, 400, 'M_UNKNOWN', 'The request could not be read');
  next(error);
};

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

function routes({ inbox, lookups, log }: ReceiverDependencies): Router {
  const missing = new MissingTransaction();
  const router = express.Router();
  router.put('/transactions/:txnId', async (req, res) => {
    res.locals.operation = 'appserviceTransaction';
    if (!Buffer.isBuffer(req.body)) throw new SyntaxError('no body');
    const { txnId } = req.params;
    if (missing.refuses(txnId)) {
      log.info({ txn_id: txnId }, 'a transaction before this one seems to be missing: the homeserver is asked to send it first');
      return refuse(res, 503, 'M_UNKNOWN', 'A transaction before this one is missing: send it first');
    }
    try {
      await inbox.accept(req.body);
    } catch (error) {
      missing.failed();
      throw error;
    }
    missing.taken(txnId);
    res.json({});
  });
  router.post('/ping', (_req, res) => void res.json({}));
  router.get('/users/:userId', async (req, res) => {
    const { userId } = req.params;
    if (isUserId(userId) && (await lookups.provisionUser(userId))) return void res.json({});
    refuse(res, 404, 'M_NOT_FOUND', 'No such user here');
  });
  router.get('/rooms/:alias', async (req, res) => {
    const { alias } = req.params;
    if (isRoomAlias(alias) && (await lookups.provisionAlias(alias))) return void res.json({});
    refuse(res, 404, 'M_NOT_FOUND', 'No such room here');
  });
  router.get('/thirdparty/protocol/:protocol', (req, res) => {
    const protocol = lookups.protocol(req.params.protocol);
    if (protocol === undefined) return refuse(res, 404, 'M_NOT_FOUND', 'Unknown protocol');
    res.json(protocol);
  });
  router.get(['/thirdparty/user', '/thirdparty/user/:protocol'], async (req: Request<{ protocol?: string }>, res) => {
    res.json(await lookups.thirdPartyUsers(req.params.protocol, text(req.query.userid), text(req.query.miniapp_id)));
  });
  router.get(['/thirdparty/location', '/thirdparty/location/:protocol'], async (req: Request<{ protocol?: string }>, res) => {
    res.json(lookups.thirdPartyLocations(req.params.protocol, text(req.query.alias)));
  });
  return router;
}

/** Under the prefix, and where homeservers looked before there was one. */
const homeserverPath = /^\/(?:_matrix\/app\/v1(?:\/|$)|(?:transactions|users|rooms)\/)/;

/** What the homeserver calls (Matrix application service API), under its prefix and, for old homeservers, without. */
export function appserviceRouter(deps: ReceiverDependencies): RequestHandler {
  const { log, hsToken, bodyLimitBytes } = deps;
  const failures: ErrorRequestHandler = (error: unknown, req, res, next) => {
    if (res.headersSent) return next(error);
    log.error({ request_id: res.locals.requestId as unknown, path: req.path, error: errorText(error) }, 'a request of the homeserver failed');
    if (error instanceof HomeserverUnreachable || outageOf(error) !== undefined) return refuse(res, 503, 'M_UNKNOWN', 'Try again later');
    refuse(res, 500, 'M_UNKNOWN', 'Internal error');
  };
  const guarded = express.Router();
  guarded.use(authenticate(hsToken), express.raw({ limit: bodyLimitBytes, type: () => true }), routes(deps), ((_req, res) => refuse(res, 404, 'M_UNRECOGNIZED', 'Unknown endpoint')) satisfies RequestHandler, badRequests, failures);

  const router = express.Router({ caseSensitive: true });
  router.use('/_matrix/app/v1', guarded);
  router.use(guarded);
  // Every other request passes here too: a router that serves none of it would let it wait for a turn of the event loop.
  return (req, res, next) => (homeserverPath.test(req.path) ? router(req, res, next) : next());
}
