import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { migrate, openDatabase, type Database } from '../../src/database/index.ts';
import type { Clock } from '../../src/kernel/clock.ts';
import { asCurrency, type Money } from '../../src/kernel/money.ts';
import { readThresholds, type MfaOptions } from '../../src/mfa/index.ts';
import { openKeyRing } from '../../src/security/key-ring.ts';
import type { LevelTable } from '../../src/wallet/index.ts';
import { createWalletService } from '../../src/wallet-service/index.ts';
import { recordingLog } from './quiet-log.ts';
import { startServer } from './http-server.ts';
import { temporaryDirectory } from './temporary.ts';

export const walletApiKey = 'the-key-of-the-tests';

/** The embedded ledger as a wallet service, in this process over HTTP; what goes over the wire is checked against schema/wallet-service.yaml. */
export interface WalletService {
  readonly url: string;
  readonly database: Database;
  readonly log: ReturnType<typeof recordingLog>;
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
  /** As `tmcp wallet serve`: nothing that a user sends moves without a proof. */
  readonly requireProofs?: boolean;
  readonly factors?: MfaOptions;
  readonly loweredShare?: number;
}

/** As the configuration has them by default. */
export const factorOptions: MfaOptions = {
  minPinLength: 6,
  attempts: { maxAttempts: 3, lockMs: 900_000, maxLockMs: 86_400_000 },
  freshSignInMs: 300_000,
  loweredLimitsMs: 86_400_000,
  pinResetMs: 86_400_000,
  challengeMs: 120_000,
  policy: { requireOver: readThresholds(['USD:500']), requireForNewDevice: true, newDeviceMs: 86_400_000, requireForFirstPayment: true },
  issuerName: 'example.org',
  rpId: 'localhost',
  origins: [],
};

const basic = { transaction: 10_000, daily: 20_000, monthly: 100_000 };

export async function startWalletService({ databaseUrl, clock, levels = [basic, basic, basic], needsAcceptance = () => false, port, requireProofs = false, factors = factorOptions, loweredShare = 0.2 }: WalletServiceSettings): Promise<WalletService> {
  const database = openDatabase({ url: databaseUrl, poolSize: 10, busyTimeoutMs: 5000, lockTimeoutMs: 5000 });
  await migrate(database);
  const log = recordingLog();
  const serve: RequestListener = createWalletService({
    database,
    clock,
    log,
    keyRing: await openKeyRing({ path: join(temporaryDirectory('wallet-service'), 'key-ring.json'), clock }),
    factors,
    requireProofs,
    loweredShare,
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
    log,
    between: undefined,
    async close() {
      await server.close();
      await database.close();
    },
  };
  return service;
}
