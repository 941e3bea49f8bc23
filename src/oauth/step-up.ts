import type { UserId } from '../kernel/ids.ts';
import { scopeDefinitions } from './scopes.ts';

/** Proof beyond being signed in, before a user gives away what is critical (issue "OAuth": the factors come with the payments). */
export interface StepUp {
  /** The factors that the user has enrolled. Without one there is nothing to ask for. */
  factorsOf(userId: UserId): Promise<readonly string[]>;
  /** Whether the user has shown one of them a moment ago. */
  isFresh(userId: UserId): Promise<boolean>;
}

/** Nobody has a factor. */
export const noStepUp: StepUp = { factorsOf: () => Promise.resolve([]), isFresh: () => Promise.resolve(false) };

const needsStepUp = (scope: string): boolean => ['critical', 'privileged'].includes(scopeDefinitions[scope]?.sensitivity ?? 'privileged');

/** What stands in the way of approving these scopes, in words; undefined when nothing does. */
export async function assertStepUp(stepUp: StepUp, userId: UserId, approved: readonly string[]): Promise<string | undefined> {
  if (!approved.some(needsStepUp)) return undefined;
  if ((await stepUp.factorsOf(userId)).length === 0 || (await stepUp.isFresh(userId))) return undefined;
  return 'Confirm with your second factor first.';
}
