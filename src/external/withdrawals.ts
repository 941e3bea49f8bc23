import type { Transaction } from '../database/index.ts';
import { advance } from '../kernel/advance.ts';
import { AppError } from '../kernel/errors.ts';
import { newId, type UserId } from '../kernel/ids.ts';
import { exponentOf, type Money } from '../kernel/money.ts';
import { settledId } from '../wallet/index.ts';
import { askingJob, orderExpiryJob } from './jobs.ts';
import { withdrawalMachine, type WithdrawalCommand, type WithdrawalStatus } from './machines.ts';
import { findOrder, listOrders, lockOrder } from './order-repo.ts';
import { accountOf, isOver, OrderDesk, type AuthProof, type OrderPreparation, type OrderRequest, type OrdersDependencies, type PageRequest } from './orders.ts';
import type { ProviderAnswer } from './provider.ts';
import { byProvider, byUser, theClock, type Actor } from './record.ts';
import type { ExternalAccount, Withdrawal } from './types.ts';

/** Money from wallets to their owners' accounts outside (section 6.6). It is held from the confirmation on. */
export interface Withdrawals {
  /** Outside of a transaction. @throws AppError NOT_FOUND, INVALID_STATE_TRANSITION, INVALID_REQUEST, DEVICE_NOT_REGISTERED, what the proof throws */
  prepare(request: OrderRequest, proofId: string, authProof: AuthProof): Promise<OrderPreparation>;
  /** Writes the terms; with a proof the money is held at once. @throws AppError as `prepare`, Wallet.requireMaySend and INSUFFICIENT_FUNDS */
  create(tx: Transaction, request: OrderRequest, preparation: OrderPreparation): Promise<Withdrawal>;
  /** @throws AppError NOT_FOUND, INVALID_STATE_TRANSITION, MFA_REQUIRED, what the proof and the wallet throw */
  confirm(userId: UserId, id: string, authProof: AuthProof): Promise<Withdrawal>;
  /** By the user, as long as the provider can't have been asked. @throws AppError NOT_FOUND, INVALID_STATE_TRANSITION */
  cancel(userId: UserId, id: string): Promise<Withdrawal>;
  /** @throws AppError NOT_FOUND */
  get(userId: UserId, id: string): Promise<Withdrawal>;
  list(userId: UserId, page: PageRequest): Promise<Withdrawal[]>;
  /** Part of a job: ends one that was not confirmed or approved in time. */
  expire(tx: Transaction, id: string): Promise<void>;
  /** Part of a job, before the provider is first asked: false when it is not to be asked at all. */
  mayAsk(tx: Transaction, id: string): Promise<boolean>;
  /** Part of a job: the provider's answer, for good. Does nothing to one that is not in `processing`. */
  settle(tx: Transaction, id: string, answer: Exclude<ProviderAnswer, { outcome: 'pending' }>): Promise<void>;
}

/** Where a withdrawal ends without money having gone out, and how that is called in the wallet's history. */
const releases = { cancelled: 'cancelled', expired: 'expired', failed: 'rejected' } as const;
type Unpaid = keyof typeof releases;

const overdue = (state: string, command: string): AppError => new AppError('INVALID_STATE_TRANSITION', 'The time for this withdrawal is over', { details: { state, command } });

/** The state that `command` leads to. @throws AppError INVALID_STATE_TRANSITION */
export function nextWithdrawal(withdrawal: Withdrawal, command: WithdrawalCommand, now: number): WithdrawalStatus {
  const status = advance<WithdrawalStatus>(withdrawalMachine, withdrawal.status, command);
  if (command !== 'expire' && isOver(withdrawal, now)) throw overdue(withdrawal.status, command);
  return status;
}

type Ending = Pick<OrdersDependencies, 'clock' | 'wallet' | 'record'>;

/** Ends a withdrawal without money; what was held is the user's again. The withdrawal is locked. */
export async function endUnpaid({ clock, wallet, record }: Ending, tx: Transaction, withdrawal: Withdrawal, command: WithdrawalCommand, by: Actor, error?: Withdrawal['error']): Promise<Withdrawal> {
  const now = clock.now();
  const status = nextWithdrawal(withdrawal, command, now) as Unpaid;
  if (withdrawal.txnId !== undefined) await wallet.release(tx, withdrawal.txnId, releases[status]);
  const ended: Withdrawal = { ...withdrawal, status, error, expiresAt: undefined, endedAt: now };
  await record.moveOrder(tx, withdrawal, ended, await accountOf(tx, withdrawal), by);
  return ended;
}

class WithdrawalDesk implements Withdrawals {
  readonly #deps: OrdersDependencies;
  readonly #desk: OrderDesk<'withdrawal'>;
  constructor(deps: OrdersDependencies) {
    this.#deps = deps;
    this.#desk = new OrderDesk(deps, 'withdrawal', listOrders);
  }

  prepare(request: OrderRequest, proofId: string, authProof: AuthProof): Promise<OrderPreparation> {
    return this.#desk.prepare(request, proofId, authProof);
  }

  async create(tx: Transaction, request: OrderRequest, { proof }: OrderPreparation): Promise<Withdrawal> {
    const { wallet, clock, queue, record, policy } = this.#deps;
    const account = await this.#desk.holdAccount(tx, request);
    await wallet.requireMaySend(request.userId, request, tx);
    await wallet.requireFunds(request.userId, request, tx);
    const now = clock.now();
    const withdrawal: Withdrawal = {
      ...request, kind: 'withdrawal', id: newId('wd'), status: 'pending_authorization', approvalsNeeded: 0, txnId: undefined, confirmedAt: undefined, askedAt: undefined,
      providerReference: undefined, error: undefined, createdAt: now, expiresAt: now + policy.confirmMs, endedAt: undefined,
    };
    await record.insertOrder(tx, withdrawal);
    if (proof === undefined) {
      queue.enqueue(tx, orderExpiryJob(withdrawal));
      return withdrawal;
    }
    await proof.spend(tx);
    return this.#confirmed(tx, withdrawal, account);
  }

  async confirm(userId: UserId, id: string, authProof: AuthProof): Promise<Withdrawal> {
    const { database, clock } = this.#deps;
    const offered = this.#desk.requireOwn(await findOrder(database, 'withdrawal', id), userId);
    nextWithdrawal(offered, 'confirm', clock.now());
    const proof = await this.#desk.prove(offered, authProof);
    return database.inTransaction(async (tx) => {
      const withdrawal = this.#desk.requireOwn(await lockOrder(tx, 'withdrawal', id), userId);
      nextWithdrawal(withdrawal, 'confirm', clock.now());
      const account = await this.#desk.holdAccount(tx, withdrawal);
      await proof.spend(tx);
      return this.#confirmed(tx, withdrawal, account);
    });
  }

  cancel(userId: UserId, id: string): Promise<Withdrawal> {
    return this.#deps.database.inTransaction(async (tx) => {
      const withdrawal = this.#desk.requireOwn(await lockOrder(tx, 'withdrawal', id), userId);
      return endUnpaid(this.#deps, tx, withdrawal, 'cancel', byUser(withdrawal));
    });
  }

  get(userId: UserId, id: string): Promise<Withdrawal> {
    return this.#desk.get(userId, id);
  }

  list(userId: UserId, page: PageRequest): Promise<Withdrawal[]> {
    return this.#desk.list(userId, page);
  }

  async expire(tx: Transaction, id: string): Promise<void> {
    const withdrawal = await lockOrder(tx, 'withdrawal', id);
    // Gone on meanwhile, or given a new time: its own job comes then.
    if (withdrawal === undefined || !isOver(withdrawal, this.#deps.clock.now())) return;
    await endUnpaid(this.#deps, tx, withdrawal, 'expire', theClock);
  }

  async mayAsk(tx: Transaction, id: string): Promise<boolean> {
    const { wallet } = this.#deps;
    const withdrawal = await lockOrder(tx, 'withdrawal', id);
    if (withdrawal?.status !== 'processing') return false;
    if (withdrawal.askedAt !== undefined || (await wallet.find(withdrawal.userId, tx))?.frozenAt === undefined) return true;
    // Frozen since it was confirmed: nothing goes out any more.
    await endUnpaid(this.#deps, tx, withdrawal, 'fail', { kind: 'system', id: 'wallet' }, { code: 'USER_SUSPENDED', message: 'This account is suspended' });
    return false;
  }

  async settle(tx: Transaction, id: string, answer: Exclude<ProviderAnswer, { outcome: 'pending' }>): Promise<void> {
    const { clock, wallet, record } = this.#deps;
    const withdrawal = await lockOrder(tx, 'withdrawal', id);
    if (withdrawal?.status !== 'processing' || withdrawal.txnId === undefined) return;
    const account = await accountOf(tx, withdrawal);
    if (answer.outcome === 'refused') {
      await endUnpaid(this.#deps, tx, withdrawal, 'fail', byProvider(account), { code: answer.code, message: answer.message });
      return;
    }
    const now = clock.now();
    await wallet.capture(tx, withdrawal.txnId);
    await record.moveOrder(tx, withdrawal, { ...withdrawal, status: nextWithdrawal(withdrawal, 'complete', now), providerReference: answer.reference, endedAt: now }, account, byProvider(account));
  }

  #needsApproval({ amountMinor, currency }: Money): boolean {
    return amountMinor > this.#deps.policy.approvalAbove * 10 ** exponentOf(currency);
  }

  /** The proof is spent: the money is held, and the provider may be asked, or administrators first. */
  async #confirmed(tx: Transaction, withdrawal: Withdrawal, account: ExternalAccount): Promise<Withdrawal> {
    const { wallet, clock, queue, record, policy } = this.#deps;
    const { userId, amountMinor, currency, note, id } = withdrawal;
    const now = clock.now();
    const waits = this.#needsApproval(withdrawal);
    const txnId = settledId(await wallet.hold(tx, { from: { user: userId }, to: { provider: account.provider }, amountMinor, currency, code: 'withdrawal', ref: id, note }));
    const confirmed: Withdrawal = {
      ...withdrawal,
      status: nextWithdrawal(withdrawal, waits ? 'await_approval' : 'confirm', now),
      approvalsNeeded: waits ? policy.approvalsNeeded : 0,
      txnId,
      confirmedAt: now,
      expiresAt: waits ? now + policy.approvalMs : undefined,
    };
    await record.moveOrder(tx, withdrawal, confirmed, account, byUser(withdrawal));
    queue.enqueue(tx, waits ? orderExpiryJob(confirmed) : askingJob(confirmed, now));
    return confirmed;
  }
}

export const createWithdrawals = (deps: OrdersDependencies): Withdrawals => new WithdrawalDesk(deps);
