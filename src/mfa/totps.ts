import type * as Otp from 'otplib';
import type { Database, Transaction } from '../database/index.ts';
import { unixSeconds, type Clock } from '../kernel/clock.ts';
import { AppError, invalidField } from '../kernel/errors.ts';
import { newId, randomSuffix, type UserId } from '../kernel/ids.ts';
import type { KeyRing } from '../security/key-ring.ts';
import type { ChangeLog } from './change-log.ts';
import { notEnrolled, type JudgeOf } from './pins.ts';
import { activateTotp, findTotp, isRecoveryCode, replaceRecoveryCodes, savePendingTotp, spendStep, useRecoveryCode, type Totp } from './totp-repo.ts';

export interface TotpsDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly keyRing: KeyRing;
  /** What the authenticator app shows. */
  readonly issuerName: string;
  readonly log: ChangeLog;
}

/** What an authenticator app needs, shown once. */
export interface TotpEnrolment {
  readonly secret: string;
  readonly otpauthUri: string;
  /** PNG as a `data:` URL. */
  readonly qrCode: string;
  readonly expiresAt: number;
}

export interface Totps {
  /** A new secret; what is to be written of it is left to the caller's transaction. */
  draft(userId: UserId): Promise<{ readonly enrolment: TotpEnrolment; save(tx: Transaction, allowedBy: string): Promise<void> }>;
  /** Judges a code against the enrolment that waits to be confirmed. Throws INVALID_MFA_CREDENTIALS, or NOT_FOUND when none waits. */
  confirmation(userId: UserId, code: string): Promise<{ readonly allowedBy: string; activate(tx: Transaction): Promise<readonly string[]> }>;
  readonly judgeOf: JudgeOf;
  readonly judgeRecoveryOf: JudgeOf;
}

/** Loaded when the first authenticator is used, as the library for its picture is. */
const loadOtp = (): Promise<typeof Otp> => import('otplib');

const periodSeconds = 30;
const digits = 6;
const recoveryCodes = 10;
const recoveryLetters = 16;
const enrolmentMs = 15 * 60_000;

const spentAlready = (): AppError => new AppError('INVALID_MFA_CREDENTIALS', 'This code was used already');

/** `abcd-efgh-ijkl-mnop`: 80 random bits. */
const spelt = (code: string): string => code.replace(/(.{4})(?=.)/g, '$1-');

export function createTotps({ database, clock, keyRing, issuerName, log }: TotpsDependencies): Totps {
  const open = (totp: Totp): string => keyRing.open('mfa-totp', totp.secretSealed, totp.id);
  const hashOf = (userId: UserId, code: string): string => keyRing.mac('mfa-recovery-code', JSON.stringify([userId, code]));

  /** The time step of a right code: now, or one step to either side, and none that was spent (RFC 6238 section 5.2). */
  const stepOf = async (totp: Totp, code: string): Promise<number | undefined> => {
    const epoch = unixSeconds(clock.now());
    const { verify } = await loadOtp();
    const result = await verify({ secret: open(totp), token: code, epoch, epochTolerance: periodSeconds, period: periodSeconds, digits });
    if (!result.valid) return undefined;
    const step = Math.floor(epoch / periodSeconds) + result.delta;
    return totp.lastStep === undefined || step > totp.lastStep ? step : undefined;
  };

  return {
    async draft(userId) {
      const { generateSecret, generateURI } = await loadOtp();
      const { default: picture } = await import('qrcode');
      const secret = generateSecret();
      const otpauthUri = generateURI({ issuer: issuerName, label: userId, secret, period: periodSeconds, digits });
      const now = clock.now();
      const id = newId('totp');
      const enrolment = { secret, otpauthUri, qrCode: await picture.toDataURL(otpauthUri), expiresAt: now + enrolmentMs };
      return { enrolment, save: (tx, allowedBy) => savePendingTotp(tx, userId, { id, secretSealed: keyRing.seal('mfa-totp', secret, id), allowedBy, createdAt: now }) };
    },
    async confirmation(userId, code) {
      const pending = await findTotp(database, userId, 'pending');
      if (pending === undefined || pending.createdAt + enrolmentMs <= clock.now()) throw new AppError('NOT_FOUND', 'No authenticator waits to be confirmed: enrol one first');
      if (!/^\d{6}$/.test(code)) throw invalidField('code', 'must be six digits');
      const step = await stepOf(pending, code);
      if (step === undefined) throw new AppError('INVALID_MFA_CREDENTIALS', 'This is not the code that the authenticator shows now');
      return {
        allowedBy: pending.allowedBy,
        async activate(tx) {
          if (!(await activateTotp(tx, userId, pending.id, step, clock.now()))) throw new AppError('NOT_FOUND', 'Another enrolment took the place of this one');
          const codes = Array.from({ length: recoveryCodes }, () => randomSuffix(recoveryLetters));
          await replaceRecoveryCodes(tx, userId, codes.map((one) => hashOf(userId, one)));
          return codes.map(spelt);
        },
      };
    },
    async judgeOf(userId) {
      const totp = await findTotp(database, userId, 'active');
      if (totp === undefined) throw notEnrolled('authenticator');
      return async (code) => {
        const step = await stepOf(totp, code);
        if (step === undefined) return undefined;
        return async (tx) => {
          if (!(await spendStep(tx, totp.id, step))) throw spentAlready();
        };
      };
    },
    async judgeRecoveryOf(userId) {
      if ((await findTotp(database, userId, 'active')) === undefined) throw notEnrolled('authenticator');
      return async (code) => {
        const hash = hashOf(userId, code);
        if (!(await isRecoveryCode(database, userId, hash))) return undefined;
        return async (tx) => {
          if (!(await useRecoveryCode(tx, userId, hash, clock.now()))) throw spentAlready();
          await log.record(tx, { userId, factor: 'recovery_code', change: 'used', allowedBy: 'totp' });
        };
      };
    },
  };
}
