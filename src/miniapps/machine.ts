import { createMachine } from 'xstate';

export type MiniAppStatus = 'draft' | 'submitted' | 'under_review' | 'approved' | 'active' | 'rejected' | 'suspended' | 'retired';
export type MiniAppCommand = 'submit' | 'withdraw' | 'begin_review' | 'approve' | 'reject' | 'appeal' | 'publish' | 'suspend' | 'reinstate' | 'retire';

/** Life of a registration: specification section 9.2, with the ways back and out of decision D11. */
export const miniappMachine = createMachine({
  id: 'mini-app',
  initial: 'draft',
  states: {
    draft: { on: { submit: 'submitted', retire: 'retired' } },
    submitted: { on: { begin_review: 'under_review', withdraw: 'draft' } },
    under_review: { on: { approve: 'approved', reject: 'rejected', withdraw: 'draft' } },
    approved: { on: { publish: 'active', retire: 'retired' } },
    active: { on: { suspend: 'suspended', retire: 'retired' } },
    rejected: { on: { submit: 'submitted', appeal: 'under_review', retire: 'retired' } },
    suspended: { on: { reinstate: 'active', retire: 'retired' } },
    retired: { type: 'final' },
  },
});

/** Not yet in the store: the app works for its owners only (decision D23). */
export const unpublishedStates: readonly MiniAppStatus[] = ['draft', 'submitted', 'under_review', 'approved', 'rejected'];
export const isUnpublished = (status: MiniAppStatus): boolean => unpublishedStates.includes(status);

/** What an administrator's word means for an app, or a version of it, as it stands: it takes up what nobody has begun to look at, and publishes unless held (decision D11). */
export function approvalOf({ status }: { readonly status: string }, hold = false): readonly MiniAppCommand[] {
  if (status === 'approved') return ['publish'];
  return [...(status === 'submitted' ? (['begin_review'] as const) : []), 'approve', ...(hold ? [] : (['publish'] as const))];
}
export const rejectionOf = ({ status }: { readonly status: string }): readonly MiniAppCommand[] => [...(status === 'submitted' ? (['begin_review'] as const) : []), 'reject'];
