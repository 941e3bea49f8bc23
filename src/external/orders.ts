import type { Database, Queryable, Transaction } from '../database/index.ts';
import type { JobQueue } from '../jobs/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError, invalidField } from '../kernel/errors.ts';
import type { UserId } from '../kernel/ids.ts';
import type { Money } from '../kernel/money.ts';
import { mfaRequired, requireProof, type JudgedProof, type MoneyTerms, type TermsProof, type Wallet } from '../wallet/index.ts';
import { findAccount, lockAccount } from './account-repo.ts';
import { requireProvider } from './accounts.ts';
import { findOrder, type listOrders } from './order-repo.ts';
import type { PaymentProvider } from './provider.ts';
import type { ExternalRecord } from './record.ts';
import type { ExternalAccount, Order } from './types.ts';

export interface OrderPolicy {
  readonly confirmMs: number;
  /** Whole units: above it a withdrawal waits for administrators; and for how many of them, and how long. */
  readonly approvalAbove: number;
  readonly approvalsNeeded: number;
  readonly approvalMs: number;
}

export interface OrdersDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly queue: JobQueue;
  readonly wallet: Wallet;
  readonly proofs: TermsProof;
  readonly provider: PaymentProvider | undefined;
  readonly record: ExternalRecord;
  readonly policy: OrderPolicy;
}

export type AuthProof = Readonly<Record<string, unknown>> | undefined;

export interface OrderRequest extends Money {
  readonly userId: UserId;
  readonly accountId: string;
  readonly note: string | undefined;
}

/** What was asked before an order is written down. Without a proof it waits to be confirmed. */
export interface OrderPreparation {
  readonly proof: JudgedProof | undefined;
  readonly methods: readonly string[];
}

type OfKind<Kind extends Order['kind']> = Extract<Order, { kind: Kind }>;
/** How a page is asked for. */
export interface PageRequest {
  readonly limit: number;
  /** Id of the last one of the page before. */
  readonly before: string | undefined;
}

const noAccount = (): AppError => new AppError('NOT_FOUND', 'No such external account');
export const noOrder = (kind: Order['kind'], neverWas = false): AppError => new AppError('NOT_FOUND', `No such ${kind}`, { neverWas });

export const isOver = ({ expiresAt }: Order, now: number): boolean => expiresAt !== undefined && now >= expiresAt;

/** Of the user's own, verified, in that currency, and looked after by the provider that there is. @throws AppError NOT_FOUND, INVALID_STATE_TRANSITION, INVALID_REQUEST */
function requireUsable(account: ExternalAccount | undefined, { userId, currency }: Pick<OrderRequest, 'userId' | 'currency'>, provider: PaymentProvider): ExternalAccount {
  if (account?.userId !== userId) throw noAccount();
  if (account.status !== 'verified') throw new AppError('INVALID_STATE_TRANSITION', 'This external account is not verified', { details: { external_account_id: account.id, state: account.status } });
  if (account.provider !== provider.name) throw new AppError('INVALID_STATE_TRANSITION', 'This external account belongs to a provider that is not there any more', { details: { external_account_id: account.id, state: account.status } });
  if (account.currency !== currency) throw invalidField('currency', `is not that of the external account, ${account.currency}`);
  return account;
}

/** What both ways of money have in common: whose account, whose hand. */
export class OrderDesk<Kind extends Order['kind']> {
  readonly #deps: OrdersDependencies;
  readonly #kind: Kind;
  readonly #list: typeof listOrders;
  constructor(deps: OrdersDependencies, kind: Kind, list: typeof listOrders) {
    this.#deps = deps;
    this.#kind = kind;
    this.#list = list;
  }

  /** The account, held as it is until the transaction ends. @throws AppError as `requireUsable` */
  async holdAccount(tx: Transaction, { accountId, ...request }: Pick<OrderRequest, 'userId' | 'currency' | 'accountId'>): Promise<ExternalAccount> {
    return requireUsable(await lockAccount(tx, accountId), request, requireProvider(this.#deps.provider));
  }

  /** Outside of a transaction; `proofId` is what a proof on creation must name. */
  async prepare(request: OrderRequest, proofId: string, authProof: AuthProof): Promise<OrderPreparation> {
    const { database, proofs, provider } = this.#deps;
    requireUsable(await findAccount(database, request.accountId), request, requireProvider(provider));
    if (authProof === undefined) return { proof: undefined, methods: await requireProof(proofs, request.userId) };
    return { proof: await proofs.prove(request.userId, termsOf(proofId, request), authProof), methods: [] };
  }

  /** Judges the proof of a confirmation. @throws AppError MFA_REQUIRED, what the proof throws */
  async prove(order: OfKind<Kind>, authProof: AuthProof): Promise<JudgedProof> {
    const { proofs } = this.#deps;
    if (authProof === undefined) throw mfaRequired(await requireProof(proofs, order.userId), { [`${this.#kind}_id`]: order.id, status: order.status });
    return proofs.prove(order.userId, termsOf(order.id, order), authProof);
  }

  /** Whoever has no part in it learns nothing, not even that it exists (decision D21). */
  requireOwn(order: OfKind<Kind> | undefined, userId: UserId): OfKind<Kind> {
    if (order?.userId !== userId) throw noOrder(this.#kind, order === undefined);
    return order;
  }

  async get(userId: UserId, id: string): Promise<OfKind<Kind>> {
    return this.requireOwn((await findOrder(this.#deps.database, this.#kind, id)), userId);
  }

  async list(userId: UserId, { limit, before }: PageRequest): Promise<OfKind<Kind>[]> {
    const last = before === undefined ? undefined : await findOrder(this.#deps.database, this.#kind, before);
    if (before !== undefined && last?.userId !== userId) throw invalidField('before', `is no ${this.#kind} of yours`);
    return this.#list(this.#deps.database, this.#kind, userId, { limit, before: last });
  }
}

/** What a user confirms: how much, and to or from which account. */
const termsOf = (id: string, { amountMinor, currency, accountId }: Pick<OrderRequest, 'amountMinor' | 'currency' | 'accountId'>): MoneyTerms => ({ id, amountMinor, currency, recipient: accountId });

/** The account of an order. It is there as long as there are orders. */
export async function accountOf(db: Queryable, { accountId }: Order): Promise<ExternalAccount> {
  const account = await findAccount(db, accountId);
  if (account === undefined) throw new Error(`external account ${accountId} is gone`);
  return account;
}
