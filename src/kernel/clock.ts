/** The only source of time in the server. Times are milliseconds since the Unix epoch. */
export interface Clock {
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };

/** RFC 3339 in UTC, the form of every timestamp on the wire except JWT claims. */
export const isoTime = (timeMs: number): string => new Date(timeMs).toISOString();

/** Whole seconds since the epoch: JWT `NumericDate` (RFC 7519 section 2). */
export const unixSeconds = (timeMs: number): number => Math.floor(timeMs / 1000);
