import type * as Argon2 from '@node-rs/argon2';
import type { Database, Queryable, Transaction } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError, invalidField } from '../kernel/errors.ts';
import { sha256Hex, type UserId } from '../kernel/ids.ts';
import type { KeyRing } from '../security/key-ring.ts';
import { findPinHash, holdPin, savePin } from './pin-repo.ts';
import { createWeakDigests, weaknessOf } from './weak-pins.ts';

export interface PinsDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly keyRing: KeyRing;
  readonly minLength: number;
}

/** What makes a right proof good in the transaction that uses it; throws when it no longer is. */
export type Spend = (tx: Transaction) => Promise<void>;

/** Who judges guesses at a user's factor: how to spend a right one, undefined for a wrong one. Throws when the user lacks the factor. */
export type JudgeOf = (userId: UserId) => Promise<(guess: string) => Promise<Spend | undefined>>;

export interface Pins {
  /**
   * The SHA-256 digest, in hex, of a PIN that may be set; given as digits or, by `hashed_pin` or as 64 hex digits, as that digest
   * (decision D7). Throws INVALID_REQUEST naming the field, `field` where it has another name, for one that is too short, a run or a
   * repeat, in whatever form.
   */
  acceptable(given: GivenPin, field?: string): Promise<string>;
  /** What is stored of a PIN: argon2id, with a salt of its own, over the digest keyed with the ring. */
  hash(userId: UserId, digest: string): Promise<string>;
  /** Of digests. */
  readonly judgeOf: JudgeOf;
  save(tx: Transaction, userId: UserId, storedHash: string): Promise<void>;
  has(db: Queryable, userId: UserId): Promise<boolean>;
}

export interface GivenPin {
  readonly pin?: string;
  readonly hashed_pin?: string;
}

/** Loaded when the first PIN is used. */
const loadArgon2 = (): Promise<typeof Argon2> => import('@node-rs/argon2');

const digestForm = /^[0-9a-f]{64}$/i;

/** The digest of a PIN in either form, weak or not; undefined when it is neither. */
export function pinDigest(text: string): string | undefined {
  if (digestForm.test(text)) return text.toLowerCase();
  return /^\d{1,64}$/.test(text) ? sha256Hex(text) : undefined;
}

/** Says that a user lacks the factor that was shown. They know their own factors: nothing is told to a stranger. */
export const notEnrolled = (what: string): AppError => new AppError('INVALID_MFA_CREDENTIALS', `This user has no ${what}`);

const changedMeanwhile = (): AppError => new AppError('INVALID_MFA_CREDENTIALS', 'The PIN was changed meanwhile');

export function createPins({ database, clock, keyRing, minLength }: PinsDependencies): Pins {
  const isWeakDigest = createWeakDigests(minLength);
  /** Bound to the user: a row that somebody copies into another's is worth nothing there. */
  const keyed = (userId: UserId, digest: string): string => keyRing.mac('mfa-pin', JSON.stringify([userId, digest]));

  return {
    async acceptable({ pin, hashed_pin: hashedPin }, named) {
      if ((pin === undefined) === (hashedPin === undefined)) throw invalidField('pin', 'exactly one of pin and hashed_pin is required');
      const field = named ?? (pin === undefined ? 'hashed_pin' : 'pin');
      const text = pin ?? hashedPin ?? '';
      if (!digestForm.test(text)) {
        const weakness = pin === undefined ? 'must be the SHA-256 of the PIN as 64 hex digits' : weaknessOf(text, minLength);
        if (weakness !== undefined) throw invalidField(field, weakness);
        return sha256Hex(text);
      }
      const digest = text.toLowerCase();
      if (await isWeakDigest(digest)) throw invalidField(field, `is of a PIN that is too short, a run or a repeat; it must have at least ${minLength} digits`);
      return digest;
    },
    async hash(userId, digest) {
      const { hash } = await loadArgon2();
      return hash(keyed(userId, digest));
    },
    async judgeOf(userId) {
      const stored = await findPinHash(database, userId);
      if (stored === undefined) throw notEnrolled('PIN');
      const { verify } = await loadArgon2();
      return async (digest) => {
        if (!(await verify(stored, keyed(userId, digest)))) return undefined;
        return async (tx) => {
          if (!(await holdPin(tx, userId, stored))) throw changedMeanwhile();
        };
      };
    },
    save: (tx, userId, storedHash) => savePin(tx, userId, storedHash, clock.now()),
    has: async (db, userId) => (await findPinHash(db, userId)) !== undefined,
  };
}
