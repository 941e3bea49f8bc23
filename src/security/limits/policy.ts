/** How requests are counted: specification section 11.4.2, or 11.4.3. */
export type Algorithm = 'token_bucket' | 'sliding_window';

/** So many requests in a window, and so many more at once. */
export interface Policy {
  readonly algorithm: Algorithm;
  readonly limit: number;
  readonly windowMs: number;
  /** Beyond the limit, spent after it. */
  readonly burst: number;
}

/** What became of one request, and what is left. */
export interface Verdict {
  readonly allowed: boolean;
  readonly limit: number;
  readonly burst: number;
  readonly windowMs: number;
  readonly remaining: number;
  readonly burstRemaining: number;
  /** Until everything is there again; when refused, until the next request is let in. */
  readonly resetMs: number;
}

/** So many in any such time. */
export const exactly = (limit: number, windowMs: number): Policy => ({ algorithm: 'sliding_window', limit, windowMs, burst: 0 });

/** A number with a unit: `20/1m+5` is twenty in a minute and five at once beyond. */
const spelling = /^(\d{1,9})\/(\d{1,6})([smhd])(?:\+(\d{1,9}))?$/;
const unitMs = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Reads a limit as the configuration spells it. Throws a TypeError for anything else. */
export function readPolicy(text: string, algorithm: Algorithm): Policy {
  const [, limit = '', count = '', unit = 's', burst = '0'] = spelling.exec(text) ?? [];
  const policy: Policy = { algorithm, limit: Number(limit), windowMs: Number(count) * unitMs[unit as keyof typeof unitMs], burst: Number(burst) };
  if (policy.limit < 1 || policy.windowMs < 1) throw new TypeError(`${JSON.stringify(text)} is no limit`);
  return policy;
}

const words = [
  [86_400_000, 'day'],
  [3_600_000, 'hour'],
  [60_000, 'minute'],
] as const;

/** `1 minute`, as the answer of section 11.4.4 has it. */
export function windowText(windowMs: number): string {
  const [unit, word] = words.find(([ms]) => windowMs % ms === 0) ?? [1000, 'second'];
  const count = windowMs / unit;
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}

/** Rounding must not refuse who has waited for exactly as long as was said. */
const epsilon = 1e-6;

export const capacityOf = ({ limit, burst }: Policy): number => limit + burst;
/** Tokens a millisecond. */
export const rateOf = ({ limit, windowMs }: Policy): number => limit / windowMs;

function verdict(policy: Policy, allowed: boolean, left: number, resetMs: number): Verdict {
  const { limit, burst, windowMs } = policy;
  const whole = Math.max(0, Math.floor(left + epsilon));
  return { allowed, limit, burst, windowMs, remaining: Math.max(0, whole - burst), burstRemaining: Math.min(burst, whole), resetMs: Math.max(0, Math.ceil(resetMs - epsilon)) };
}

/** Tokens of a bucket that had `tokens` at the time `at`; none that moves backwards counts. */
export const refilled = (policy: Policy, tokens: number, at: number, now: number): number => Math.min(capacityOf(policy), tokens + Math.max(0, now - at) * rateOf(policy));

export const hasToken = (tokens: number): boolean => tokens >= 1 - epsilon;

/** `tokens`: what is left, after the request when it was let in. */
export const bucketVerdict = (policy: Policy, allowed: boolean, tokens: number): Verdict => verdict(policy, allowed, tokens, (allowed ? capacityOf(policy) - tokens : 1 - tokens) / rateOf(policy));

/** `count`: requests in the window, with this one when it was let in. `oldest` and `newest`: when the first and last of them came, undefined without any. */
export function windowVerdict(policy: Policy, allowed: boolean, count: number, span: { readonly oldest: number; readonly newest: number } | undefined, now: number): Verdict {
  const until = span === undefined ? now : (allowed ? span.newest : span.oldest) + policy.windowMs;
  return verdict(policy, allowed, capacityOf(policy) - count, until - now);
}

/** Whole seconds to wait, at least one: `Retry-After`. */
export const secondsOf = (ms: number): number => Math.max(1, Math.ceil(ms / 1000));

/** The headers of section 11.4.4, their names small, as Node keeps them. */
export function limitHeaders({ allowed, limit, burst, remaining, burstRemaining, resetMs }: Verdict, now: number): Record<string, string> {
  const after = allowed ? Math.ceil(resetMs / 1000) : secondsOf(resetMs);
  return {
    'x-ratelimit-limit': String(limit),
    'x-ratelimit-remaining': String(remaining),
    'x-ratelimit-reset': String(Math.ceil(now / 1000) + after),
    'x-ratelimit-reset-after': String(after),
    'x-ratelimit-burst': String(burst),
    'x-ratelimit-burst-remaining': String(burstRemaining),
    ...(allowed ? {} : { 'retry-after': String(after) }),
  };
}
