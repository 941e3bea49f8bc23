import type { Queryable, Transaction } from '../database/index.ts';
import type { UserId } from '../kernel/ids.ts';
import type { Method, PaymentTerms } from './types.ts';

export interface Challenge {
  readonly id: string;
  readonly userId: UserId;
  readonly terms: PaymentTerms;
  readonly methods: readonly Method[];
  readonly excludedDevice: string | undefined;
  readonly state: 'open' | 'verified';
  readonly createdAt: number;
  readonly expiresAt: number;
}

interface ChallengeRow {
  id: string;
  terms: string;
  methods: string;
  excluded_device: string | null;
  state: 'open' | 'verified';
  created_at: number;
  expires_at: number;
}

/** JSON has no integers beyond 2^53: as text. */
const termsToText = (terms: PaymentTerms): string => JSON.stringify({ ...terms, amountMinor: String(terms.amountMinor) });

function termsFromText(text: string): PaymentTerms {
  const stored = JSON.parse(text) as Omit<PaymentTerms, 'amountMinor'> & { amountMinor: string };
  return { ...stored, amountMinor: BigInt(stored.amountMinor) };
}

export async function insertChallenge(tx: Transaction, challenge: Challenge): Promise<void> {
  await tx.sql('mfa_challenge').insert({
    id: challenge.id,
    user_id: challenge.userId,
    subject: challenge.terms.id,
    terms: termsToText(challenge.terms),
    methods: challenge.methods.join(' '),
    excluded_device: challenge.excludedDevice ?? null,
    state: challenge.state,
    created_at: challenge.createdAt,
    expires_at: challenge.expiresAt,
  });
}

/** A user's own challenge. */
export async function findChallenge(db: Queryable, userId: UserId, id: string): Promise<Challenge | undefined> {
  const row = await db.sql('mfa_challenge').where({ id, user_id: userId }).first<ChallengeRow | undefined>();
  if (row === undefined) return undefined;
  return {
    id: row.id,
    userId,
    terms: termsFromText(row.terms),
    methods: row.methods === '' ? [] : (row.methods.split(' ') as Method[]),
    excludedDevice: row.excluded_device ?? undefined,
    state: row.state,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
  };
}

/** False when another request was first. */
export async function markVerified(tx: Transaction, id: string): Promise<boolean> {
  return (await tx.sql('mfa_challenge').where({ id, state: 'open' }).update({ state: 'verified' })) === 1;
}

/** How long a challenge is kept after its end: whoever answers it then is told that it is over, not that there was none. */
const keptMs = 24 * 60 * 60_000;

/** A chore: deletes what is over. */
export async function purgeExpiredMfa(tx: Transaction, now: number): Promise<void> {
  await tx.sql('mfa_challenge').where('expires_at', '<', now - keptMs).delete();
  await tx.sql('mfa_ceremony').where('expires_at', '<', now).delete();
  await tx.sql('mfa_spent_signature').where('expires_at', '<', now).delete();
}
