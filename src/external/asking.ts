import type { Database, Transaction } from '../database/index.ts';
import { Unavailable, type JobQueue } from '../jobs/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { errorText } from '../kernel/errors.ts';
import type { ExternalAccounts } from './accounts.ts';
import type { Fundings } from './fundings.ts';
import { askingJob, type OrderJob } from './jobs.ts';
import { findOrder, lockOrder, moveOrder } from './order-repo.ts';
import { accountOf } from './orders.ts';
import { within, type PaymentProvider, type ProviderAnswer } from './provider.ts';
import type { ExternalAccount, Order } from './types.ts';
import type { Withdrawals } from './withdrawals.ts';

export interface AskingDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly queue: JobQueue;
  readonly provider: PaymentProvider | undefined;
  readonly accounts: Pick<ExternalAccounts, 'atProvider'>;
  readonly fundings: Pick<Fundings, 'settle'>;
  readonly withdrawals: Pick<Withdrawals, 'settle' | 'mayAsk'>;
  readonly policy: { readonly timeoutMs: number; readonly askAgainMs: number };
}

/**
 * A job's work: asks the provider to move the money of an order in `processing`, outside of any transaction and with the order's id as
 * the provider's idempotency key. That it was asked is committed before, its answer afterwards, with the end of the job. A process
 * that dies anywhere between, and an answer that does not come, lead to the same question again.
 */
export function createAsking(deps: AskingDependencies): (job: OrderJob) => Promise<((tx: Transaction) => Promise<void>) | undefined> {
  const { database, clock, queue, accounts, fundings, withdrawals, policy } = deps;

  /** Undefined when it is not to be asked about. */
  const beginAsking = ({ kind, orderId }: OrderJob): Promise<Order | undefined> =>
    database.inTransaction(async (tx) => {
      if (kind === 'withdrawal' && !(await withdrawals.mayAsk(tx, orderId))) return undefined;
      const order = await lockOrder(tx, kind, orderId);
      if (order?.status !== 'processing' || order.askedAt !== undefined) return order;
      const asked: Order = { ...order, askedAt: clock.now() };
      await moveOrder(tx, order.status, asked);
      return asked;
    });

  const ask = async (order: Order, account: ExternalAccount): Promise<ProviderAnswer> => {
    const { provider } = deps;
    if (provider?.name !== account.provider) throw new Unavailable(`the payment provider ${account.provider} is not configured`);
    const { id, amountMinor, currency, confirmedAt = order.createdAt } = order;
    const request = { id, amountMinor, currency, confirmedAt, account: accounts.atProvider(account) };
    try {
      return await within(policy.timeoutMs, (signal) => (order.kind === 'withdrawal' ? provider.payOut(request, signal) : provider.collect(request, signal)));
    } catch (error) {
      // Unknown, and so neither a yes nor a no.
      throw new Unavailable(errorText(error));
    }
  };

  return async (job) => {
    const seen = await findOrder(database, job.kind, job.orderId);
    if (seen?.status !== 'processing') return undefined;
    const order = await beginAsking(job);
    if (order?.status !== 'processing') return undefined;
    const answer = await ask(order, await accountOf(database, order));
    return async (tx) => {
      if (answer.outcome === 'pending') queue.enqueue(tx, askingJob(order, clock.now() + policy.askAgainMs));
      else if (order.kind === 'withdrawal') await withdrawals.settle(tx, order.id, answer);
      else await fundings.settle(tx, order.id, answer);
    };
  };
}
