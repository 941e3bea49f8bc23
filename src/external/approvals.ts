import { AppError, invalidField } from '../kernel/errors.ts';
import { askingJob } from './jobs.ts';
import { findOrder, insertApproval, listApprovals, listWithdrawalsIn, lockOrder } from './order-repo.ts';
import { accountOf, noOrder, type OrdersDependencies, type PageRequest } from './orders.ts';
import type { Actor } from './record.ts';
import type { Approval, Withdrawal } from './types.ts';
import { endUnpaid, nextWithdrawal } from './withdrawals.ts';

export interface ApprovedWithdrawal {
  readonly withdrawal: Withdrawal;
  readonly approvals: readonly Approval[];
}

/**
 * Administrators' part in large withdrawals (`ApproveWithdrawal`, section 6.6.2): as many of them as the withdrawal needs, each once,
 * and none for themselves. One is enough to refuse it.
 */
export interface Approvals {
  /** @throws AppError NOT_FOUND, INVALID_STATE_TRANSITION, ALREADY_EXISTS by who has approved it before, INSUFFICIENT_PERMISSIONS for one's own, USER_SUSPENDED */
  approve(administrator: string, id: string, note: string | undefined): Promise<ApprovedWithdrawal>;
  /** The money goes back. @throws AppError NOT_FOUND, INVALID_STATE_TRANSITION */
  reject(administrator: string, id: string, reason: string): Promise<Withdrawal>;
  /** Those in a state, the newest first. */
  list(status: Withdrawal['status'], page: PageRequest): Promise<ApprovedWithdrawal[]>;
}

export function createApprovals(deps: OrdersDependencies): Approvals {
  const { database, clock, queue, wallet, record } = deps;
  const actor = (administrator: string): Actor => ({ kind: 'administrator', id: administrator });

  return {
    approve: (administrator, id, note) =>
      database.inTransaction(async (tx) => {
        const withdrawal = await lockOrder(tx, 'withdrawal', id);
        if (withdrawal === undefined) throw noOrder('withdrawal');
        const now = clock.now();
        const status = nextWithdrawal(withdrawal, 'approve', now);
        if (administrator === withdrawal.userId) throw new AppError('INSUFFICIENT_PERMISSIONS', 'Somebody else has to approve this withdrawal');
        // Nothing goes out of a frozen wallet, however long ago it was confirmed.
        await wallet.requireMayReceive(withdrawal.userId, tx);
        if (!(await insertApproval(tx, id, { administrator, note, approvedAt: now }))) throw new AppError('ALREADY_EXISTS', 'You have approved this withdrawal: it needs somebody else');
        const approvals = await listApprovals(tx, id);
        await record.noteOrder(tx, withdrawal, 'approved', actor(administrator), { approvals: approvals.length, approvals_needed: withdrawal.approvalsNeeded, ...(note === undefined ? {} : { note }) });
        if (approvals.length < withdrawal.approvalsNeeded) return { withdrawal, approvals };
        const processing: Withdrawal = { ...withdrawal, status, expiresAt: undefined };
        await record.moveOrder(tx, withdrawal, processing, await accountOf(tx, withdrawal), actor(administrator));
        queue.enqueue(tx, askingJob(processing, now));
        return { withdrawal: processing, approvals };
      }),
    reject: (administrator, id, reason) =>
      database.inTransaction(async (tx) => {
        const withdrawal = await lockOrder(tx, 'withdrawal', id);
        if (withdrawal === undefined) throw noOrder('withdrawal');
        return endUnpaid(deps, tx, withdrawal, 'reject', actor(administrator), { code: 'REJECTED', message: reason });
      }),
    async list(status, { limit, before }) {
      const last = before === undefined ? undefined : await findOrder(database, 'withdrawal', before);
      if (before !== undefined && last === undefined) throw invalidField('before', 'is no withdrawal');
      const withdrawals = await listWithdrawalsIn(database, status, { limit, before: last });
      return Promise.all(withdrawals.map(async (withdrawal) => ({ withdrawal, approvals: withdrawal.approvalsNeeded === 0 ? [] : await listApprovals(database, withdrawal.id) })));
    },
  };
}
