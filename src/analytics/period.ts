import { isoTime } from '../kernel/clock.ts';
import { invalidField } from '../kernel/errors.ts';

/** Days since 1970 in UTC. */
type Day = number;

export interface Period {
  readonly from: Day;
  /** The last day of it. */
  readonly to: Day;
}

export interface PeriodQuery {
  /** `2026-11-28`. */
  readonly from?: string;
  readonly to?: string;
  readonly days?: number;
}

const dayMs = 86_400_000;
export const maxPeriodDays = 366;
const usualDays = 30;

export const startOf = (day: Day): number => day * dayMs;
export const dateOf = (day: Day): string => isoTime(startOf(day)).slice(0, 10);

function dayOfDate(text: string, field: string): Day {
  const day = Date.parse(`${text}T00:00:00Z`) / dayMs;
  // What is no date of the calendar is read as one of the next month.
  if (!Number.isSafeInteger(day) || dateOf(day) !== text) throw invalidField(field, 'is not a date such as 2026-11-28');
  return day;
}

/**
 * Complete days only: what is told of a day is told once it is over, so that looking twice tells nothing of who came in between.
 * @throws AppError INVALID_REQUEST
 */
export function readPeriod({ from, to, days }: PeriodQuery, today: Day, keptDays: number): Period {
  if (from !== undefined && days !== undefined) throw invalidField('days', 'and from exclude each other');
  const last = to === undefined ? today - 1 : dayOfDate(to, 'to');
  if (last >= today) throw invalidField('to', `is not over yet: the last complete day is ${dateOf(today - 1)} (UTC)`);
  const first = from === undefined ? last - (days ?? usualDays) + 1 : dayOfDate(from, 'from');
  if (first > last) throw invalidField('from', `is after ${to === undefined ? `the last complete day, ${dateOf(last)} (UTC)` : 'to'}`);
  if (last - first >= maxPeriodDays) throw invalidField('from', `a period has ${maxPeriodDays} days at most`);
  if (first < today - keptDays) throw invalidField(from === undefined ? 'to' : 'from', `counters are kept for ${keptDays} days: the first that there are is ${dateOf(today - keptDays)}`);
  return { from: first, to: last };
}
