import type { Transaction } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import type { MiniAppId, UserId } from '../kernel/ids.ts';
import { dayOf, maxSessionsPerDay, type Day } from './ranking.ts';
import { addToDay, addToStats, lockUse, saveUse, seqOf, type DayCounter, type Use } from './usage-repo.ts';

/** Counts what people do with an app, in the transaction in which they do it (decision D17). */
export interface Usage {
  /** A session has begun. `isInstalled` is asked once the user's row is locked, so that an installation at the same moment is seen by one of the two. */
  opened(tx: Transaction, miniappId: MiniAppId, userId: UserId, isInstalled: () => Promise<boolean>): Promise<void>;
  installed(tx: Transaction, miniappId: MiniAppId, userId: UserId): Promise<void>;
  removed(tx: Transaction, miniappId: MiniAppId, userId: UserId): Promise<void>;
}

interface Change {
  readonly use: Use;
  readonly qualified: number;
  readonly days: readonly (readonly [Day, Partial<Record<DayCounter, number>>])[];
}

/** Among the qualified installs from now on. The week's growth counts each person once, however often they come back. */
function qualify(use: Use, today: Day): { use: Use; qualified: number; installs: number } {
  if (use.counted) return { use, qualified: 0, installs: 0 };
  return { use: { ...use, counted: true, qualifiedDay: use.qualifiedDay ?? today }, qualified: 1, installs: use.qualifiedDay === undefined ? 1 : 0 };
}

/** What a session on `today` changes. A clock that went back counts for the last day that was seen. */
function afterSession(use: Use, now: Day, isInstalled: boolean): Change {
  const today = Math.max(now, use.lastDay);
  const isNewDay = today > use.lastDay;
  const sessions = isNewDay ? 1 : use.sessionsOnLastDay + 1;
  const opened: Use = { ...use, activeDays: use.activeDays + (isNewDay ? 1 : 0), lastDay: today, sessionsOnLastDay: Math.min(sessions, maxSessionsPerDay) };
  const { use: next, qualified, installs } = isInstalled ? qualify(opened, today) : { use: opened, qualified: 0, installs: 0 };
  const before: Change['days'] = isNewDay && use.activeDays > 0 ? [[use.lastDay, { last_active: -1 }]] : [];
  return { use: next, qualified, days: [...before, [today, { installs, sessions: sessions <= maxSessionsPerDay ? 1 : 0, user_days: isNewDay ? 1 : 0, last_active: isNewDay ? 1 : 0 }]] };
}

export function createUsage({ clock }: { readonly clock: Clock }): Usage {
  const write = async (tx: Transaction, seq: number, userId: UserId, { use, qualified, days }: Change): Promise<void> => {
    await saveUse(tx, seq, userId, use);
    for (const [day, changes] of days) await addToDay(tx, seq, day, changes);
    await addToStats(tx, seq, { qualified });
  };
  return {
    async opened(tx, miniappId, userId, isInstalled) {
      const seq = await seqOf(tx, miniappId);
      const use = await lockUse(tx, seq, userId, true);
      if (use !== undefined) await write(tx, seq, userId, afterSession(use, dayOf(clock.now()), await isInstalled()));
    },
    async installed(tx, miniappId, userId) {
      const seq = await seqOf(tx, miniappId);
      const use = await lockUse(tx, seq, userId, true);
      const today = dayOf(clock.now());
      if (use === undefined || use.activeDays === 0) return addToDay(tx, seq, today, { installations: 1 });
      const { use: next, qualified, installs } = qualify(use, today);
      await write(tx, seq, userId, { use: next, qualified, days: [[today, { installs, installations: 1 }]] });
    },
    async removed(tx, miniappId, userId) {
      const seq = await seqOf(tx, miniappId);
      const use = await lockUse(tx, seq, userId, false);
      const removed: Change['days'] = [[dayOf(clock.now()), { removals: 1 }]];
      if (use?.counted === true) return write(tx, seq, userId, { use: { ...use, counted: false }, qualified: -1, days: removed });
      for (const [day, changes] of removed) await addToDay(tx, seq, day, changes);
    },
  };
}
