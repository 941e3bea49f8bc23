import type { Database } from '../database/index.ts';
import type { UserId } from '../kernel/ids.ts';
import { refused, type Attempts } from './attempts.ts';
import type { DeviceSignatures } from './devices.ts';
import type { Passkeys } from './passkeys.ts';
import type { JudgeOf, Pins, Spend } from './pins.ts';
import type { Expected } from './terms.ts';
import type { Totps } from './totps.ts';
import { methodOf, type Evidence, type Factor, type Proof } from './types.ts';

export interface ProverDependencies {
  readonly database: Database;
  readonly attempts: Attempts;
  readonly pins: Pins;
  readonly totps: Totps;
  readonly devices: DeviceSignatures;
  readonly passkeys: Passkeys;
}

/**
 * Judges what a user shows. Throws INVALID_MFA_CREDENTIALS, INVALID_SIGNATURE (both 401), MFA_LOCKED (429), DEVICE_NOT_REGISTERED
 * (400). Call it outside of a transaction; then spend the proof in the one of what it allows.
 */
export interface Prover {
  prove(userId: UserId, expected: Expected, evidence: Evidence): Promise<Proof>;
  /** A passkey's assertion, whatever it is bound to, for a proof that is presented elsewhere. Throws INVALID_SIGNATURE, MFA_LOCKED. */
  takeAssertion(userId: UserId, response: unknown): Promise<{ readonly proof: string; readonly expiresAt: number }>;
}

export function createProver({ database, attempts, pins, totps, devices, passkeys }: ProverDependencies): Prover {
  /** What can be guessed is counted, and that committed, before it is judged: who asks fifty times at once is answered three times. */
  const guessed = async (userId: UserId, factor: Factor, judgeOf: JudgeOf, guess: string): Promise<Proof> => {
    const judge = await judgeOf(userId);
    const attempt = await attempts.begin(userId, factor);
    const spend = await judge(guess);
    if (spend === undefined) throw refused(factor, attempt, 'INVALID_MFA_CREDENTIALS', 'Invalid credentials provided');
    // Here and not in `spend`: a right PIN is no guess, whatever becomes of what it was for.
    await attempts.succeed(database, userId, factor);
    return { userId, method: methodOf[factor], spend };
  };

  /** Nobody guesses a signature: only wrong ones are counted, and right ones cost no transaction of their own. */
  const judged = async <Good>(userId: UserId, judge: () => Promise<Good | undefined>): Promise<Good> => {
    await attempts.assertOpen(userId, 'biometric');
    const good = await judge();
    if (good === undefined) throw refused('biometric', await attempts.begin(userId, 'biometric'), 'INVALID_SIGNATURE', 'Not signed by this key over these terms');
    return good;
  };
  const signed = async (userId: UserId, judge: () => Promise<{ readonly spend: Spend; readonly deviceId?: string } | undefined>): Promise<Proof> => {
    const { spend, deviceId } = await judged(userId, judge);
    return {
      userId,
      method: methodOf.biometric,
      ...(deviceId === undefined ? {} : { deviceId }),
      async spend(tx) {
        await spend(tx);
        await attempts.succeed(tx, userId, 'biometric');
      },
    };
  };

  return {
    async prove(userId, expected, evidence) {
      switch (evidence.kind) {
        case 'pin':
          return guessed(userId, 'pin', pins.judgeOf, evidence.digest);
        case 'code':
          return guessed(userId, 'totp', totps.judgeOf, evidence.code);
        case 'recovery_code':
          return guessed(userId, 'totp', totps.judgeRecoveryOf, evidence.code);
        case 'signature':
          return signed(userId, () => devices.judge(userId, expected, evidence));
        case 'assertion':
          return signed(userId, () => passkeys.judge(userId, expected.boundTexts, evidence.response));
        case 'ceremony_proof':
          return signed(userId, () => passkeys.judgeProof(userId, expected.boundTexts, evidence.proof));
      }
    },
    async takeAssertion(userId, response) {
      const { proof, expiresAt, save } = await judged(userId, () => passkeys.answer(userId, response));
      await database.inTransaction(async (tx) => {
        await save(tx);
        await attempts.succeed(tx, userId, 'biometric');
      });
      return { proof, expiresAt };
    },
  };
}
