import type { Config } from './config/index.ts';
import type { Database, Queryable, Transaction } from './database/index.ts';
import type { Order, PaymentProvider } from './external/index.ts';
import { createGifts, giftJobs, giftRoutes, type Gifts } from './gifts/index.ts';
import type { Routes } from './http/index.ts';
import { createIdempotency } from './idempotency/index.ts';
import type { JobKind, JobQueue } from './jobs/index.ts';
import type { Log } from './kernel/log.ts';
import type { Clock } from './kernel/clock.ts';
import { newId, serverNameOf, type UserId } from './kernel/ids.ts';
import { asCurrency } from './kernel/money.ts';
import type { OwnNames } from './matrix/index.ts';
import type { RoomCommand, RoomEvents, SharedRooms } from './matrix/port.ts';
import { requesterOfSession, type Mfa } from './mfa/index.ts';
import type { MiniApps } from './miniapps/index.ts';
import type { Notices } from './notices/index.ts';
import { appsGranted, usersWhoGranted } from './oauth/index.ts';
import { buildExternal } from './outside.ts';
import { createPayments, paymentJobs, paymentRequestCommand, paymentRoutes, type Payments, type PaymentStatus } from './payments/index.ts';
import type { Audit } from './security/audit/index.ts';
import type { KeyRing } from './security/key-ring.ts';
import { createTransfers, transferJobs, transferRoutes, type TransferPolicy, type Transfers } from './transfers/index.ts';
import { buildWallet, type WalletAdapter, type WalletObserver, type WalletServiceCalls } from './wallet-adapter.ts';
import { activationPage, balanceScope, callbackRoutes, createActivationNotice, createResolution, createWalletChanges, reserveWalletId, walletChangeJobs, walletRoutes, type MovementCode, type RecordWalletChange, type TakeAnswer, type TermsProof, type Wallet, type WalletChanges } from './wallet/index.ts';
import type { Webhooks } from './webhooks/index.ts';

export interface MoneyDependencies {
  readonly config: Config;
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly keyRing: Pick<KeyRing, 'seal' | 'open' | 'mac'>;
  readonly queue: JobQueue;
  readonly events: RoomEvents;
  readonly names: OwnNames;
  readonly sharedRooms: SharedRooms;
  readonly proofs: TermsProof;
  /** As the wallet asks: less than 1 for a while after a factor was changed. */
  readonly limitShareOf: (userId: UserId, db: Queryable) => Promise<number>;
  readonly audit: Pick<Audit, 'record'>;
  /** Payments take the signatures of registered devices, and challenges; an activation may bring the first PIN. */
  readonly mfa: Pick<Mfa, 'proveTerms' | 'challenges' | 'pins'>;
  readonly miniapps: MiniApps;
  readonly webhooks: Pick<Webhooks, 'send'>;
  readonly botOf: (miniappId: string) => Promise<UserId | undefined>;
  readonly onPayment: (status: PaymentStatus) => void;
  readonly notices: Pick<Notices, 'publish' | 'publishToApp'>;
  /** Who moves money between wallets and accounts outside, in place of the configured one. */
  readonly provider?: PaymentProvider | undefined;
  readonly onOrder: (kind: Order['kind'], status: Order['status']) => void;
  readonly walletObserver: () => WalletObserver;
  readonly calls: WalletServiceCalls | undefined;
}

/** The features that move money, put together. */
export interface Money extends Pick<WalletAdapter, 'breakers' | 'openInstructions'> {
  readonly wallet: Wallet;
  /** To be told of what becomes of wallets elsewhere. */
  readonly changes: WalletChanges;
  readonly routes: Routes;
  readonly jobs: Readonly<Record<string, JobKind>>;
  /** Asked for by posting events in rooms. */
  readonly commands: readonly RoomCommand[];
  readonly chores: readonly ((tx: Transaction, now: number) => Promise<unknown>)[];
}

const hourMs = 3_600_000;

const transferPolicy = (section: Config['transfers']): TransferPolicy => ({
  acceptance: section.recipient_acceptance,
  acceptanceAbove: section.acceptance_above,
  confirmMs: section.confirm_seconds * 1000,
  acceptanceMs: section.acceptance_seconds * 1000,
  secondEvent: section.send_second_event,
});

const buildPayments = (deps: MoneyDependencies, wallet: Wallet, mayHaveWallet: (userId: UserId) => boolean) =>
  createPayments({
    ...deps,
    wallet,
    mayHaveWallet,
    factors: deps.mfa,
    audit: deps.audit.record,
    isConfidential: async (clientId) => (await deps.miniapps.findClient(clientId))?.kind === 'confidential',
    tellMerchant: (tx, message) => deps.webhooks.send(tx, message),
    webhookUrlOf: async (tx, miniappId) => (await deps.miniapps.webhookOf(miniappId, tx))?.url,
    onMoved: deps.onPayment,
    authorizeMs: deps.config.payments.authorize_seconds * 1000,
    sentAfterMs: deps.config.wallet.remote?.answer_wait_ms ?? 0,
  });

/** Who takes the wallet service's answers, by what money was moved for. */
function answersOf({ payments, transfers, gifts }: { readonly payments: Payments; readonly transfers: Transfers; readonly gifts: Gifts }): Readonly<Record<MovementCode, TakeAnswer>> {
  const nobody: TakeAnswer = (_tx, { instructionId, code }) => Promise.reject(new Error(`nobody waits for the answer to ${instructionId} (${code})`));
  return {
    payment: (tx, answer) => payments.takeAnswer(tx, answer),
    refund: (tx, answer) => payments.takeRefundAnswer(tx, answer),
    p2p: (tx, answer) => transfers.takeAnswer(tx, answer),
    gift: (tx, answer) => gifts.takeAnswer(tx, answer),
    gift_share: (tx, answer) => gifts.takeAnswer(tx, answer),
    gift_return: (tx, answer) => gifts.takeAnswer(tx, answer),
    deposit: nobody,
    funding: nobody,
    withdrawal: nobody,
  };
}

export function buildMoney(deps: MoneyDependencies): Money {
  const { config, database, clock, keyRing, names } = deps;
  const defaultCurrency = asCurrency(config.wallet.default_currency);
  const changes = createWalletChanges({ queue: deps.queue, clock, haveGranted: (db, userIds) => usersWhoGranted(db, userIds, balanceScope) });
  const record: RecordWalletChange = (tx, action, userId, details) => deps.audit.record(tx, { actor: { kind: 'user', id: userId }, action, target: { kind: 'user', id: userId }, details });
  const adapter = buildWallet({ ...deps, record, changes, observer: deps.walletObserver, answers: (code) => answersOf({ payments, transfers, gifts })[code] });
  const { wallet } = adapter;
  const idempotency = createIdempotency({ database, clock, keepMs: config.wallet.idempotency_hours * hourMs });
  const mayHaveWallet = (userId: UserId): boolean => serverNameOf(userId) === names.domain && !names.isOurs(userId);
  const activationMark = (walletId: string): string => keyRing.mac('activation-url', walletId);
  const activationUrl = (walletId: string): string => `${config.server.public_url}/account/activate?${new URLSearchParams({ wallet: walletId, mark: activationMark(walletId) }).toString()}`;
  const activation = createActivationNotice({ wallet, events: deps.events, activationUrl });
  const transfers = createTransfers({ ...deps, audit: deps.audit.record, wallet, activation, mayHaveWallet, policy: transferPolicy(config.transfers) });
  const { random_algorithm: randomAlgorithm, max_count: maxCount, confirm_seconds: giftConfirm, lifetime_seconds: giftLifetime } = config.gifts;
  const gifts = createGifts({ ...deps, audit: deps.audit.record, wallet, activation, mayHaveWallet, policy: { randomAlgorithm, maxCount, confirmMs: giftConfirm * 1000, lifetimeMs: giftLifetime * 1000 } });
  const payments = buildPayments(deps, wallet, mayHaveWallet);
  const external = buildExternal({ ...deps, wallet, idempotency });
  return {
    wallet,
    changes,
    commands: [paymentRequestCommand({ ...deps, payments })],
    jobs: { ...transferJobs(transfers), ...giftJobs(gifts), ...paymentJobs(payments), ...external.jobs, ...adapter.jobs, ...walletChangeJobs({ appsOf: (db, userId) => appsGranted(db, userId, balanceScope), send: (tx, message) => deps.webhooks.send(tx, message) }) },
    breakers: () => adapter.breakers(),
    openInstructions: () => adapter.openInstructions(),
    routes: {
      ...walletRoutes({
      ...adapter,
      resolution: createResolution({ database, clock, sharedRooms: deps.sharedRooms, wallet, mayHaveWallet }),
      activationUrl,
      walletIdOf: (userId) => reserveWalletId(database, userId, newId('tw'), clock.now()),
      defaultCurrency,
      prepareFirstPin: (principal, pin, field) => deps.mfa.pins.prepareFirst(requesterOfSession(principal), pin, field),
      }),
      ...activationPage(activationMark),
      ...callbackRoutes({ ...deps, instructions: adapter.instructions, secret: config.wallet.remote?.webhook_secret, onCallback: (outcome) => deps.walletObserver().onCallback(outcome) }),
      ...transferRoutes({ transfers, wallet, idempotency }),
      ...giftRoutes({ gifts, idempotency, clock }),
      ...paymentRoutes({ database, clock, payments, wallet, idempotency }),
      ...external.routes,
    },
    chores: [(tx, now) => idempotency.purge(tx, now)],
  };
}
