import { createServer } from 'node:http';
import { buildApp } from '../../../src/app.ts';
import { loadConfig, loadRegistration } from '../../../src/config/index.ts';
import { migrate, openConfiguredDatabase } from '../../../src/database/index.ts';
import { systemClock } from '../../../src/kernel/clock.ts';
import { BridgeHomeserver } from '../../../src/matrix/index.ts';
import { createLog } from '../../../src/operations/index.ts';
import { openKeyRing } from '../../../src/security/key-ring.ts';
import { fakeProofs } from '../../http/wallet/fake-proofs.ts';

/**
 * The whole server as a process of its own, as `tmcp start` makes it, but for the factors with the embedded ledger: everybody has
 * one there, and a proof is a text that names the terms.
 */
const config = loadConfig({});
const registration = loadRegistration(config.homeserver.registration);
const database = openConfiguredDatabase(config);
await migrate(database);
const keyRing = await openKeyRing({ path: config.security.key_ring, clock: systemClock });
const homeserver = new BridgeHomeserver({
  homeserverUrl: config.homeserver.url,
  domain: config.homeserver.domain,
  registration: { id: registration.id, url: registration.url ?? '', as_token: registration.asToken, hs_token: registration.hsToken, sender_localpart: registration.senderLocalpart },
  requestTimeoutMs: config.homeserver.request_timeout_ms,
});
const proofs = fakeProofs();
proofs.enrolled.has = () => true;
const app = buildApp({ config, registration, database, clock: systemClock, log: createLog(config.log), keyRing, homeserver, version: 'bank', ...(config.wallet.adapter === 'ledger' ? { proofs } : {}) });
await app.prepare();
createServer(app.http).listen(config.server.port, config.server.host);
await app.start();
