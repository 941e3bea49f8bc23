import type { Principal } from './access.ts';

/** What the router asks of the limits on requests. Whoever throws has set the headers of specification section 11.4.4 already. */
export interface RequestLimits {
  /** Counts a request of this category (`x-rate-limits`). @throws AppError RATE_LIMIT_EXCEEDED, ACCOUNT_SUSPENDED */
  admit(category: string, principal: Principal): Promise<void>;
  /** Before credentials are judged that are dear to judge: refuses addresses whose credentials were refused too often. @throws AppError RATE_LIMIT_EXCEEDED */
  assertMayTry(): Promise<void>;
  /** Counts credentials that were refused. @throws AppError RATE_LIMIT_EXCEEDED */
  credentialsRefused(): Promise<void>;
  /** Looks at how a request that was let in failed: failed payments count, and ids that are nobody's (sections 11.4.1, 11.4.5). `asked`: the ids in its path. */
  failed(category: string, principal: Principal, error: unknown, asked: string): Promise<void>;
}

export const unlimited: RequestLimits = { admit: () => Promise.resolve(), assertMayTry: () => Promise.resolve(), credentialsRefused: () => Promise.resolve(), failed: () => Promise.resolve() };

/** Operations that are not limited: probes, and the homeserver, which would repeat a refused transaction for ever. */
export const exempt = 'exempt';
/** Of operations that the document puts nowhere. */
export const otherwise = 'general';
