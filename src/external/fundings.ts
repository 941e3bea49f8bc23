import type { Transaction } from '../database/index.ts';
import { advance } from '../kernel/advance.ts';
import { AppError } from '../kernel/errors.ts';
import { newId, type UserId } from '../kernel/ids.ts';
import { settledId } from '../wallet/index.ts';
import { askingJob, orderExpiryJob } from './jobs.ts';
import { fundingMachine, type FundingCommand, type FundingStatus } from './machines.ts';
import { findOrder, listOrders, lockOrder } from './order-repo.ts';
import { accountOf, isOver, OrderDesk, type AuthProof, type OrderPreparation, type OrderRequest, type OrdersDependencies, type PageRequest } from './orders.ts';
import type { ProviderAnswer } from './provider.ts';
import { byProvider, byUser, theClock } from './record.ts';
import type { ExternalAccount, Funding } from './types.ts';

/** Money from accounts outside into their owners' wallets (section 6.5.2). It is in the wallet once the provider has said that it has it. */
export interface Fundings {
  /** Outside of a transaction. @throws AppError NOT_FOUND, INVALID_STATE_TRANSITION, INVALID_REQUEST, USER_SUSPENDED, DEVICE_NOT_REGISTERED, what the proof throws */
  prepare(request: OrderRequest, proofId: string, authProof: AuthProof): Promise<OrderPreparation>;
  /** Writes the terms; with a proof the provider is asked, by a job. @throws AppError as `prepare` */
  create(tx: Transaction, request: OrderRequest, preparation: OrderPreparation): Promise<Funding>;
  /** @throws AppError NOT_FOUND, INVALID_STATE_TRANSITION, USER_SUSPENDED, MFA_REQUIRED, what the proof throws */
  confirm(userId: UserId, id: string, authProof: AuthProof): Promise<Funding>;
  /** @throws AppError NOT_FOUND */
  get(userId: UserId, id: string): Promise<Funding>;
  list(userId: UserId, page: PageRequest): Promise<Funding[]>;
  /** Part of a job: ends one that was not confirmed in time. */
  expire(tx: Transaction, id: string): Promise<void>;
  /** Part of a job: the provider's answer, for good. Does nothing to one that is not in `processing`. */
  settle(tx: Transaction, id: string, answer: Exclude<ProviderAnswer, { outcome: 'pending' }>): Promise<void>;
}

function next(funding: Funding, command: FundingCommand, now: number): FundingStatus {
  const status = advance<FundingStatus>(fundingMachine, funding.status, command);
  if (command === 'confirm' && isOver(funding, now)) throw new AppError('INVALID_STATE_TRANSITION', 'The time for this funding is over', { details: { state: funding.status, command } });
  return status;
}

export function createFundings(deps: OrdersDependencies): Fundings {
  const { database, clock, queue, wallet, record, policy } = deps;
  const desk = new OrderDesk(deps, 'funding', listOrders);

  /** The proof is spent: the provider may be asked from now on. */
  const confirmed = async (tx: Transaction, funding: Funding, account: ExternalAccount): Promise<Funding> => {
    const now = clock.now();
    await wallet.requireMayReceive(funding.userId, tx);
    const processing: Funding = { ...funding, status: next(funding, 'confirm', now), confirmedAt: now, expiresAt: undefined };
    await record.moveOrder(tx, funding, processing, account, byUser(funding));
    queue.enqueue(tx, askingJob(processing, now));
    return processing;
  };

  return {
    async prepare(request, proofId, authProof) {
      await wallet.requireMayReceive(request.userId);
      return desk.prepare(request, proofId, authProof);
    },
    async create(tx, request, { proof }) {
      const now = clock.now();
      const account = await desk.holdAccount(tx, request);
      const funding: Funding = {
        ...request, kind: 'funding', id: newId('fund'), status: 'pending_authorization', txnId: undefined, confirmedAt: undefined, askedAt: undefined,
        providerReference: undefined, error: undefined, createdAt: now, expiresAt: now + policy.confirmMs, endedAt: undefined,
      };
      await record.insertOrder(tx, funding);
      if (proof === undefined) {
        queue.enqueue(tx, orderExpiryJob(funding));
        return funding;
      }
      await proof.spend(tx);
      return confirmed(tx, funding, account);
    },
    async confirm(userId, id, authProof) {
      const offered = desk.requireOwn(await findOrder(database, 'funding', id), userId);
      next(offered, 'confirm', clock.now());
      const proof = await desk.prove(offered, authProof);
      return database.inTransaction(async (tx) => {
        const funding = desk.requireOwn(await lockOrder(tx, 'funding', id), userId);
        next(funding, 'confirm', clock.now());
        const account = await desk.holdAccount(tx, funding);
        await proof.spend(tx);
        return confirmed(tx, funding, account);
      });
    },
    get: (userId, id) => desk.get(userId, id),
    list: (userId, page) => desk.list(userId, page),
    async expire(tx, id) {
      const funding = await lockOrder(tx, 'funding', id);
      const now = clock.now();
      // Confirmed meanwhile: it has no deadline any more.
      if (funding === undefined || !isOver(funding, now)) return;
      await record.moveOrder(tx, funding, { ...funding, status: next(funding, 'expire', now), expiresAt: undefined, endedAt: now }, await accountOf(tx, funding), theClock);
    },
    async settle(tx, id, answer) {
      const funding = await lockOrder(tx, 'funding', id);
      if (funding?.status !== 'processing') return;
      const account = await accountOf(tx, funding);
      const { userId, amountMinor, currency, note } = funding;
      const now = clock.now();
      const ended: Funding =
        answer.outcome === 'done'
          ? { ...funding, status: next(funding, 'complete', now), txnId: settledId(await wallet.transfer(tx, { from: { provider: account.provider }, to: { user: userId }, amountMinor, currency, code: 'funding', ref: id, note })), providerReference: answer.reference, endedAt: now }
          : { ...funding, status: next(funding, 'fail', now), error: { code: answer.code, message: answer.message }, endedAt: now };
      await record.moveOrder(tx, funding, ended, account, byProvider(account));
    },
  };
}
