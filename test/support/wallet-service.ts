import type { RequestListener } from 'node:http';
import { migrate, openDatabase, type Database } from '../../src/database/index.ts';
import type { Clock } from '../../src/kernel/clock.ts';
import { asCurrency, type Money } from '../../src/kernel/money.ts';
import type { LevelTable } from '../../src/wallet/index.ts';
import { createWalletService } from '../../src/wallet-service/index.ts';
import { recordingLog } from './quiet-log.ts';
import { startServer } from './http-server.ts';

export const walletApiKey = 'the-key-of-the-tests';

/** The embedded ledger as a wallet service, in this process over HTTP; what goes over the wire is checked against schema/wallet-service.yaml. */
export interface WalletService {
  readonly url: string;
  readonly database: Database;
  /** Puts itself between the wire and the service: to lose answers, to be slow, to be away. Undefined: nobody does. */
  between: ((serve: RequestListener, ...parts: Parameters<RequestListener>) => void) | undefined;
  close(): Promise<void>;
}

export interface WalletServiceSettings {
  readonly databaseUrl: string;
  readonly clock: Clock;
  /** The default limits when absent. */
  readonly levels?: LevelTable;
  readonly needsAcceptance?: (money: Money) => boolean;
  readonly port?: number;
}

const basic = { transaction: 10_000, daily: 20_000, monthly: 100_000 };

export async function startWalletService({ databaseUrl, clock, levels = [basic, basic, basic], needsAcceptance = () => false, port }: WalletServiceSettings): Promise<WalletService> {
  const database = openDatabase({ url: databaseUrl, poolSize: 10, busyTimeoutMs: 5000, lockTimeoutMs: 5000 });
  await migrate(database);
  const serve: RequestListener = createWalletService({
    database,
    clock,
    log: recordingLog(),
    apiKey: walletApiKey,
    levels,
    defaultCurrency: asCurrency('USD'),
    needsAcceptance,
    checkResponses: true,
  });
  const server = await startServer((req, res) => (service.between === undefined ? serve(req, res) : service.between(serve, req, res)), port === undefined ? {} : { port });
  const service: WalletService = {
    url: server.url,
    database,
    between: undefined,
    async close() {
      await server.close();
      await database.close();
    },
  };
  return service;
}
