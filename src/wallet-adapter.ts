import type { Config } from './config/index.ts';
import type { Database, Queryable } from './database/index.ts';
import type { JobKind, JobQueue } from './jobs/index.ts';
import type { Clock } from './kernel/clock.ts';
import type { UserId } from './kernel/ids.ts';
import type { Log } from './kernel/log.ts';
import { asCurrency } from './kernel/money.ts';
import { HttpConnections } from './security/http-request.ts';
import { countOpen, createAccounts, createHistory, createInstructions, createRemoteAccounts, createRemoteHistory, createRemoteWallet, createWallet, instructionJobKind, levelsOf, WalletServiceClient, type Accounts, type BreakerReport, type CallbackOutcome, type CallOutcome, type History, type Instructions, type MovementCode, type RecordWalletChange, type TakeAnswer, type Wallet, type WalletChanges } from './wallet/index.ts';

/** For the metrics. */
export interface WalletObserver {
  onWalletCall(kind: string, outcome: CallOutcome): void;
  onInstruction(kind: string, outcome: 'done' | 'refused'): void;
  onCallback(outcome: CallbackOutcome): void;
}

/** The calls to a wallet service, which money and factors share. Undefined with the embedded ledger. */
export interface WalletServiceCalls {
  readonly client: WalletServiceClient;
  close(): Promise<void>;
}

export function callWalletService(deps: { readonly config: Pick<Config, 'wallet'>; readonly clock: Clock; readonly log: Log; readonly observer: () => Pick<WalletObserver, 'onWalletCall'> }): WalletServiceCalls | undefined {
  const { adapter, remote } = deps.config.wallet;
  if (adapter === 'ledger' || remote === undefined) return undefined;
  const connections = new HttpConnections();
  const breaker = { failures: remote.breaker_failures, window: remote.breaker_window, openMs: remote.breaker_open_seconds * 1000, probeMs: remote.breaker_probe_seconds * 1000 };
  const client = new WalletServiceClient({ ...deps, connections, options: { url: remote.url, apiKey: remote.api_key, timeoutMs: remote.timeout_ms, breaker }, onCall: (kind, outcome) => deps.observer().onWalletCall(kind, outcome) });
  return { client, close: () => connections.close() };
}

export interface WalletAdapterDependencies {
  readonly config: Config;
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly queue: JobQueue;
  readonly limitShareOf: (userId: UserId, db: Queryable) => Promise<number>;
  readonly record: RecordWalletChange;
  /** Of the embedded ledger: what a wallet service does to its wallets is not known here. */
  readonly changes: WalletChanges;
  /** Of the features, which are built over the wallet. */
  readonly answers: (code: MovementCode) => TakeAnswer;
  readonly observer: () => WalletObserver;
  /** Undefined with the embedded ledger. */
  readonly calls: WalletServiceCalls | undefined;
}

/** Where money is kept, as `wallet.adapter` says. */
export interface WalletAdapter {
  readonly wallet: Wallet;
  readonly accounts: Accounts;
  readonly history: History;
  /** Undefined with the embedded ledger. */
  readonly instructions: Instructions | undefined;
  readonly jobs: Readonly<Record<string, JobKind>>;
  /** Empty with the embedded ledger: nobody is called. */
  breakers(): Readonly<Record<string, BreakerReport>>;
  /** Instructions that the wallet service has not answered; undefined with the embedded ledger. */
  openInstructions(): Promise<{ readonly count: number; readonly oldestAt: number | undefined } | undefined>;
}

export function buildWallet(deps: WalletAdapterDependencies): WalletAdapter {
  const { config, database, calls } = deps;
  const { remote } = config.wallet;
  const defaultCurrency = asCurrency(config.wallet.default_currency);
  const ledger = createWallet({ ...deps, levels: levelsOf(config.wallet), defaultCurrency });
  if (calls === undefined || remote === undefined) {
    return { wallet: ledger, accounts: createAccounts({ ...deps, wallet: ledger, defaultCurrency }), history: createHistory(database), instructions: undefined, jobs: {}, breakers: () => ({}), openInstructions: () => Promise.resolve(undefined) };
  }
  const { client } = calls;
  const instructions = createInstructions({ ...deps, client, waitMs: remote.answer_wait_ms, onDecided: (kind, outcome) => deps.observer().onInstruction(kind, outcome) });
  return {
    wallet: createRemoteWallet({ ...deps, client, instructions, ledger, defaultCurrency }),
    accounts: createRemoteAccounts({ ...deps, client, defaultCurrency }),
    history: createRemoteHistory(client),
    instructions,
    jobs: { [instructionJobKind]: instructions.job },
    breakers: () => client.reports(),
    openInstructions: () => countOpen(database),
  };
}
