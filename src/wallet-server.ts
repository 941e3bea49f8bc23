import { loadConfig } from './config/index.ts';
import { mfaOptionsOf } from './factors.ts';
import { createListener } from './http/index.ts';
import { systemClock } from './kernel/clock.ts';
import { asCurrency, exponentOf } from './kernel/money.ts';
import { createLog } from './operations/index.ts';
import { closeServer, listen, listenerOptions, openStore, stopOnSignal, surviveStrays } from './process.ts';
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
  const { database, keyRing, close: closeStore } = await openStore(config);
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
  const server = createListener(service, listenerOptions(config));
  stopOnSignal(log, async () => {
    await closeServer(server, config.server.shutdown_grace_seconds * 1000);
    await closeStore();
  });
  const listening = await listen(server, port, host);
  log.info({}, `ready: wallet service at http://${host}:${listening}`);
}
