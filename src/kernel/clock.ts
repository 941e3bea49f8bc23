/** The only source of time in the server. Times are milliseconds since the Unix epoch. */
export interface Clock {
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };

/** Beginnings of texts by the second: a batch's answer has hundreds of times, and making each anew cost a quarter of it. */
const seconds = new Map<number, string>();
const maxSeconds = 1000;

/** RFC 3339 in UTC, the form of every timestamp on the wire except JWT claims. */
export function isoTime(timeMs: number): string {
  const second = Math.floor(timeMs / 1000);
  let text = seconds.get(second);
  if (text === undefined) {
    // Without the milliseconds and the Z. Also what checks that it is a time at all.
    text = new Date(second * 1000).toISOString().slice(0, -4);
    if (seconds.size >= maxSeconds) seconds.clear();
    seconds.set(second, text);
  }
  return `${text}${String(Math.floor(timeMs) - second * 1000).padStart(3, '0')}Z`;
}

/** Whole seconds since the epoch: JWT `NumericDate` (RFC 7519 section 2). */
export const unixSeconds = (timeMs: number): number => Math.floor(timeMs / 1000);
