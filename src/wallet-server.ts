import { loadConfig } from './config/index.ts';
import { lockSqliteForServer, migrate, openConfiguredDatabase, sqlitePathOf } from './database/index.ts';
import { mfaOptionsOf } from './factors.ts';
import { createListener } from './http/index.ts';
import { systemClock } from './kernel/clock.ts';
import { asCurrency, exponentOf } from './kernel/money.ts';
import { createLog } from './operations/index.ts';
import { closeServer, listen, stopOnSignal, surviveStrays } from './process.ts';
import { openKeyRing, ringPlaceOf } from './security/key-ring.ts';
import { requireFittingRing } from './security/ring-fit.ts';
import { levelsOf } from './wallet/index.ts';
import { createWalletService } from './wallet-service/index.ts';

/**
 * The embedded ledger as a wallet service in a process of its own: the reference for whoever builds one, and what the tests of
 * `wallet.adapter: remote` talk to. Over a database that no tmcp-server uses.
 */
export async function serveWallet(configFile: string | undefined, { host, port }: { readonly host: string; readonly port: number }): Promise<void> {
  const config = loadConfig({ file: configFile, ignoreRegistration: true });
  const apiKey = config.wallet.remote?.api_key;
  if (apiKey === undefined) throw new Error('wallet.remote.api_key is not set: it is what callers have to present');
  const log = createLog(config.log);
  surviveStrays(log);
  const database = openConfiguredDatabase(config);
  const sqlitePath = sqlitePathOf(config.database.url);
  const lock = sqlitePath === undefined ? undefined : lockSqliteForServer(sqlitePath);
  await migrate(database);
  const ringPlace = ringPlaceOf(config.security);
  await requireFittingRing(ringPlace, database);
  const keyRing = await openKeyRing({ ...ringPlace, clock: systemClock });
  const { recipient_acceptance: acceptance, acceptance_above: above } = config.transfers;
  const service = createWalletService({
    database,
    clock: systemClock,
    log,
    apiKey,
    levels: levelsOf(config.wallet),
    defaultCurrency: asCurrency(config.wallet.default_currency),
    needsAcceptance: ({ amountMinor, currency }) => acceptance === 'always' || (acceptance === 'above' && amountMinor > above * 10 ** exponentOf(currency)),
    keyRing,
    factors: mfaOptionsOf(config),
    requireProofs: true,
    loweredShare: config.mfa.lowered_limits_percent / 100,
    checkResponses: false,
  });
  const { headers_timeout_seconds, request_timeout_seconds, max_header_bytes, max_connections, shutdown_grace_seconds } = config.server;
  const server = createListener(service, { headersTimeoutMs: headers_timeout_seconds * 1000, requestTimeoutMs: request_timeout_seconds * 1000, maxHeaderBytes: max_header_bytes, maxConnections: max_connections, clock: systemClock });
  stopOnSignal(log, async () => {
    await closeServer(server, shutdown_grace_seconds * 1000);
    await database.close();
    lock?.release();
  });
  const listening = await listen(server, port, host);
  log.info({}, `ready: wallet service at http://${host}:${listening}`);
}
