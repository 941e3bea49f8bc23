import { createMachine } from 'xstate';

export type VersionState = 'draft' | 'submitted' | 'under_review' | 'approved' | 'released' | 'rejected' | 'withdrawn' | 'revoked';
export type VersionCommand = 'submit' | 'withdraw' | 'begin_review' | 'approve' | 'reject' | 'appeal' | 'publish' | 'revoke';

/** Life of one version of a mini-app; until the app is active, its newest version goes with the app's own machine. */
export const versionMachine = createMachine({
  id: 'version',
  initial: 'draft',
  states: {
    draft: { on: { submit: 'submitted', withdraw: 'withdrawn' } },
    submitted: { on: { begin_review: 'under_review', withdraw: 'withdrawn' } },
    under_review: { on: { approve: 'approved', reject: 'rejected', withdraw: 'withdrawn' } },
    approved: { on: { publish: 'released', withdraw: 'withdrawn' } },
    rejected: { on: { submit: 'submitted', appeal: 'under_review', withdraw: 'withdrawn' } },
    withdrawn: { on: { submit: 'submitted' } },
    released: { on: { revoke: 'revoked' } },
    revoked: { type: 'final' },
  },
});

export const versionCommands: readonly string[] = ['submit', 'withdraw', 'begin_review', 'approve', 'reject', 'appeal', 'publish'] satisfies VersionCommand[];

/** Not in users' hands, and perhaps never to be. */
export const isCandidate = (state: VersionState): boolean => state !== 'released' && state !== 'revoked';
/** In somebody else's hands: nothing else is submitted beside it. */
export const isPending = (state: VersionState): boolean => state === 'submitted' || state === 'under_review' || state === 'approved';
