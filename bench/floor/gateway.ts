/**
 * A trivial route behind the whole gateway, and the same route on bare express with the same token check, in one process on two
 * ports. Prints the ports and a token; ends on SIGTERM.
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import express from 'express';
import { authenticatorsOf } from '../../src/authenticators.ts';
import { loadConfig } from '../../src/config/index.ts';
import { migrate, openDatabase } from '../../src/database/index.ts';
import { answer, createGateway, createListener, loadContract } from '../../src/http/index.ts';
import { AppError } from '../../src/kernel/errors.ts';
import { plainTracer } from '../../src/kernel/trace.ts';
import { policiesOf } from '../../src/limits.ts';
import { appserviceRouter } from '../../src/matrix/receiver.ts';
import { createLog, createMetrics } from '../../src/operations/index.ts';
import { createLimits, createMemoryStore, requestLimits } from '../../src/security/limits/index.ts';
import { createWorld, exchange } from '../../test/http/oauth/support.ts';
import { temporaryDirectory } from '../../test/support/temporary.ts';

const url = `sqlite:${join(temporaryDirectory('bench'), 'tmcp.db')}`;
const world = await createWorld(async () => {
  const database = openDatabase({ url, poolSize: 1, busyTimeoutMs: 5000, lockTimeoutMs: 5000 });
  await migrate(database);
  return database;
});
const token = (await exchange(world.first, { audience: 'tmcp_store', subject_token: 'syt_alice' })).body.access_token as string;
const { oauth } = world.first;

const contract = loadContract(new URL('../../schema/openapi.yaml', import.meta.url));
const nobody = (): Promise<never> => Promise.reject(new AppError('INVALID_TOKEN', 'nobody'));
const authenticators = authenticatorsOf(oauth, { authenticate: nobody }, { tokens: { verify: nobody }, console: { authenticate: nobody } });
const log = createLog({ level: 'info', format: 'json' });
const metrics = createMetrics({ database: world.first.database, clock: world.clock, homeserverState: () => 'connected', loops: () => ({}), eventStreams: () => 0, limits: () => ({ redis: undefined, localKeys: 0 }), breakers: () => ({}), openInstructions: () => Promise.resolve(undefined) });
// All that a request goes through, with a limit that this run does not reach.
const policies = policiesOf({ ...loadConfig({ cwd: temporaryDirectory('bench'), env: {}, ignoreRegistration: true }).rate_limits, tep_validation: '1000000/1m' });
const suspensions = { find: () => Promise.resolve(undefined), suspend: () => Promise.resolve(), refusal: () => new AppError('ACCOUNT_SUSPENDED', '') } as never;
const limits = requestLimits(createLimits({ store: createMemoryStore(world.clock), clock: world.clock, enabled: true, policies, suspensions, suspendAfter: { violations: 10, failedPayments: 50 }, observe: (category, outcome) => metrics.countLimited(category, outcome) }), log);
// Every operation of the document is there, as in a real server; one of them answers.
const routes = Object.fromEntries(contract.operations.filter(({ servedBy }) => servedBy === undefined).map(({ id }) => [id, () => answer({ apps: [] })]));
const router = { contract, routes, authenticators, limits, bodyLimitBytes: 65_536, bodyLimits: { storage_value: 65_536, storage_batch: 65_536 }, checkResponses: false, onPrivileged: () => Promise.resolve() };
// The homeserver's paths are looked at first, in a process that has every role.
const appservice = appserviceRouter({ inbox: {} as never, lookups: {} as never, hsToken: 'unused', bodyLimitBytes: 65_536, log });
const gateway = createGateway({ log, clock: world.clock, observe: (request) => metrics.observeRequest(request), tracer: plainTracer, https: false, trustedProxies: [], limits, appservice, api: { oauth: oauth.middleware, router } });

const bare = express();
bare.disable('x-powered-by').disable('etag');
bare.get('/api/v1/client/installed', async (req, res) => {
  await oauth.verifyBearer((req.headers.authorization ?? '').slice('Bearer '.length));
  res.json({ apps: [] });
});

const options = { headersTimeoutMs: 15_000, requestTimeoutMs: 120_000, maxHeaderBytes: 16_384, maxConnections: 1000, clock: world.clock };
const servers = [createListener(gateway, options), createListener(bare, options)];
const ports: number[] = [];
for (const server of servers) {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  ports.push((server.address() as AddressInfo).port);
}
console.log(JSON.stringify({ ours: ports[0], floor: ports[1], token }));
process.on('SIGTERM', () => process.exit(0));
