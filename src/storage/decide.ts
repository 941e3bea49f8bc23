import type { Conditions, Entry, Limits, Space } from './types.ts';

/** How far ahead of ours a client's clock is believed (decision D9). */
export const maxClockLeadMs = 60_000;

export interface Proposal {
  readonly deletes: boolean;
  /** Of key and value; 0 when it deletes. */
  readonly bytes: number;
  readonly conditions: Conditions;
  readonly clientAt: number | undefined;
}

export type Verdict = { readonly kind: 'apply'; readonly writtenAt: number } | { readonly kind: 'conflict' | 'mismatch' | 'missing' | 'over_quota' };

const hasConditions = ({ ifMatch, ifNoneMatch, baseRev }: Conditions): boolean => ifMatch !== undefined || ifNoneMatch !== undefined || baseRev !== undefined;

function holds({ ifMatch, ifNoneMatch, baseRev }: Conditions, entry: Entry | undefined): boolean {
  const live = entry !== undefined && entry.deletedAt === undefined ? entry : undefined;
  const isAmong = (revisions: readonly number[] | 'any'): boolean => live !== undefined && (revisions === 'any' || revisions.includes(live.rev));
  if (ifMatch !== undefined && !isAmong(ifMatch)) return false;
  if (ifNoneMatch !== undefined && isAmong(ifNoneMatch)) return false;
  if (baseRev === undefined || baseRev === entry?.rev) return true;
  return baseRev === 0 && live === undefined;
}

/**
 * What is to become of a write (decision D9). A precondition decides alone where there is one, and what it let through counts as
 * written now: its writer has seen what it replaces. Without one, `client_timestamp` makes the last writer win, by a
 * clock that is believed up to a minute ahead; without either the write is done. `entry` must not have expired.
 */
export function decide(proposal: Proposal, entry: Entry | undefined, space: Pick<Space, 'bytes' | 'keys'>, limits: Pick<Limits, 'maxBytes' | 'maxKeys'>, now: number): Verdict {
  const conditional = hasConditions(proposal.conditions);
  if (conditional && !holds(proposal.conditions, entry)) return { kind: 'mismatch' };
  const byClock = conditional || proposal.clientAt === undefined ? undefined : Math.min(proposal.clientAt, now + maxClockLeadMs);
  if (byClock !== undefined && entry !== undefined && entry.writtenAt > byClock) return { kind: 'conflict' };
  const isThere = entry !== undefined && entry.deletedAt === undefined;
  if (proposal.deletes) return isThere ? { kind: 'apply', writtenAt: byClock ?? now } : { kind: 'missing' };
  const growth = proposal.bytes - (isThere ? entry.bytes : 0);
  const overBytes = growth > 0 && space.bytes + growth > limits.maxBytes;
  const overKeys = !isThere && space.keys + 1 > limits.maxKeys;
  return overBytes || overKeys ? { kind: 'over_quota' } : { kind: 'apply', writtenAt: byClock ?? now };
}
