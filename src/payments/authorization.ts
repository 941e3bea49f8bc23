import type { Database, Transaction } from '../database/index.ts';
import { isoTime, type Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import { exponentOf } from '../kernel/money.ts';
import { nothingEnrolled, readEvidence, type ChallengeAnswer, type ChallengeOnWire, type Mfa, type PaymentTerms, type Proof } from '../mfa/index.ts';
import { requireConcerned, requireMaySpend, type PayerSession } from './gate.ts';
import { next, type PaymentRecord } from './record.ts';
import { findPayment, hasPaid, lockPayment } from './repo.ts';
import { sandboxOutcome } from './sandbox.ts';
import { isRefusal, refusalOf } from '../wallet/index.ts';
import type { Settlement } from './settlement.ts';
import type { Payment } from './types.ts';

export interface AuthorizationDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly factors: Pick<Mfa, 'proveTerms' | 'challenges'>;
  readonly record: PaymentRecord;
  readonly settlement: Settlement;
  readonly isConfidential: (clientId: string) => Promise<boolean>;
}

/** Body of `authorize` (section 7.3.2). */
export interface Signature {
  readonly signature: string;
  readonly device_id: string;
  readonly timestamp: string;
}

/** The payment went on, or waits for another proof. */
export interface Authorized {
  readonly payment: Payment;
  readonly challenge: ChallengeOnWire | undefined;
}

export interface Authorization {
  /**
   * Takes the signature of a registered device over the stored terms (decision D6). Without one, from a device that is not registered,
   * or where the policy wants more, a challenge is opened.
   * @throws AppError PAYMENT_NOT_FOUND, INSUFFICIENT_PERMISSIONS, PAYMENT_EXPIRED, INVALID_STATE_TRANSITION, INVALID_SIGNATURE, MFA_LOCKED, DEVICE_NOT_REGISTERED, and
   * what the wallet refuses, which ends the payment as failed
   */
  authorize(session: PayerSession, id: string, signature: Signature | undefined): Promise<Authorized>;
  /** Another challenge, in place of one that is over. @throws AppError as `authorize` */
  challenge(session: PayerSession, id: string): Promise<Authorized>;
  /** @throws AppError as `authorize`, and what `Challenges.verify` throws */
  verify(session: PayerSession, id: string, answer: ChallengeAnswer): Promise<Payment>;
  /** By the payer, before the money went. @throws AppError PAYMENT_NOT_FOUND, PAYMENT_EXPIRED, INVALID_STATE_TRANSITION */
  cancel(session: PayerSession, id: string): Promise<Payment>;
  /** Part of a job: ends a payment whose time is over, and does nothing to any other. */
  expire(tx: Transaction, id: string): Promise<void>;
}

const expired = (): AppError => new AppError('PAYMENT_EXPIRED', 'The time for this payment is over');
const theClock = { kind: 'system', id: 'expiry' };

const termsOf = ({ id, amountMinor, currency, miniappId }: Payment): PaymentTerms => ({ kind: 'payment', id, amountMinor, currency, exponent: exponentOf(currency), recipient: miniappId });

/** What the payment ended with. Without what the wallet said of balance and limits: the paying app may see this answer. */
const refusedWith = ({ id, status, error, endedAt, createdAt }: Payment): AppError => refusalOf(error!, { payment_id: id, status, failed_at: isoTime(endedAt ?? createdAt) });

class AuthorizationDesk implements Authorization {
  readonly #deps: AuthorizationDependencies;
  constructor(deps: AuthorizationDependencies) {
    this.#deps = deps;
  }

  async authorize(session: PayerSession, id: string, signature: Signature | undefined): Promise<Authorized> {
    const payment = await this.#findPayable(session, id);
    const proof = signature === undefined ? undefined : await this.#judge(payment, signature);
    const requirement = await this.#requirement(payment, proof);
    if (proof === undefined || requirement.reasons.length > 0 || sandboxOutcome(payment) === 'require_mfa') return this.#openChallenge(session, payment, proof, requirement.excludedDevice);
    return { payment: await this.#settle(session, payment, proof), challenge: undefined };
  }

  async challenge(session: PayerSession, id: string): Promise<Authorized> {
    return this.#openChallenge(session, await this.#findPayable(session, id), undefined, undefined);
  }

  async verify(session: PayerSession, id: string, answer: ChallengeAnswer): Promise<Payment> {
    const payment = await this.#findPayable(session, id);
    if (payment.status !== 'mfa_required') throw new AppError('INVALID_STATE_TRANSITION', 'This payment has no challenge: authorize it', { details: { state: payment.status, command: 'verify' } });
    return this.#settle(session, payment, await this.#deps.factors.challenges.verify(session.userId, id, answer));
  }

  async cancel(session: PayerSession, id: string): Promise<Payment> {
    const { database, clock, record } = this.#deps;
    return database.inTransaction(async (tx) => {
      const payment = this.#requireWaiting(requireConcerned(await lockPayment(tx, id), session), 'cancel');
      const cancelled: Payment = { ...payment, status: next(payment, 'cancel'), endedAt: clock.now() };
      await record.move(tx, payment, cancelled, { kind: 'user', id: session.userId });
      await record.announce(tx, 'cancelled', cancelled);
      return cancelled;
    });
  }

  async expire(tx: Transaction, id: string): Promise<void> {
    const { clock, record } = this.#deps;
    const payment = await lockPayment(tx, id);
    if (payment === undefined || !['pending_authorization', 'mfa_required'].includes(payment.status) || clock.now() < payment.expiresAt) return;
    const over: Payment = { ...payment, status: next(payment, 'expire'), endedAt: clock.now() };
    await record.move(tx, payment, over, theClock);
    await record.announce(tx, 'expired', over);
  }

  async #findPayable(session: PayerSession, id: string): Promise<Payment> {
    const { database, isConfidential } = this.#deps;
    const payment = requireConcerned(await findPayment(database, id), session);
    await requireMaySpend(session, isConfidential);
    return this.#requireWaiting(payment, 'authorize');
  }

  /** @throws AppError PAYMENT_EXPIRED, INVALID_STATE_TRANSITION */
  #requireWaiting(payment: Payment, command: 'authorize' | 'cancel'): Payment {
    if (payment.status === 'expired') throw expired();
    next(payment, command);
    if (this.#deps.clock.now() >= payment.expiresAt) throw expired();
    return payment;
  }

  /** Undefined for a device that has no key here: the user may prove it otherwise (decision D6). */
  async #judge(payment: Payment, signature: Signature): Promise<Proof | undefined> {
    const { evidence } = readEvidence('biometric', signature, 'body');
    try {
      return await this.#deps.factors.proveTerms({ userId: payment.payer, terms: termsOf(payment), evidence });
    } catch (error) {
      if (error instanceof AppError && error.code === 'DEVICE_NOT_REGISTERED') return undefined;
      throw error;
    }
  }

  async #requirement(payment: Payment, proof: Proof | undefined) {
    const { database, factors } = this.#deps;
    return factors.challenges.requirementFor({ userId: payment.payer, terms: termsOf(payment), deviceId: proof?.deviceId, isFirstToPayee: !(await hasPaid(database, payment)) });
  }

  async #openChallenge(session: PayerSession, known: Payment, proof: Proof | undefined, newDevice: string | undefined): Promise<Authorized> {
    const { database, factors, record } = this.#deps;
    // Another challenge is no way around what the first one excluded.
    const excludedDevice = newDevice ?? known.excludedDevice;
    const draft = await factors.challenges.draft({ userId: session.userId, terms: termsOf(known), excludedDevice });
    if (draft === undefined) throw nothingEnrolled();
    return database.inTransaction(async (tx) => {
      const before = this.#requireWaiting(requireConcerned(await lockPayment(tx, known.id), session), 'authorize');
      if ((newDevice ?? before.excludedDevice) !== excludedDevice) throw new AppError('INVALID_STATE_TRANSITION', 'Another challenge was opened meanwhile: ask again', { details: { state: before.status, command: 'authorize' } });
      await proof?.spend(tx);
      const payment: Payment = { ...before, status: next(before, 'require_mfa'), excludedDevice };
      await draft.save(tx);
      await record.move(tx, before, payment, { kind: 'user', id: session.userId });
      return { payment, challenge: draft.challenge };
    });
  }

  /** Spends the proof and moves the money, or ends the payment with the reason why the wallet would not. */
  async #settle(session: PayerSession, known: Payment, proof: Proof): Promise<Payment> {
    const { database, settlement } = this.#deps;
    const locked = async (tx: Transaction): Promise<Payment> => {
      const payment = this.#requireWaiting(requireConcerned(await lockPayment(tx, known.id), session), 'authorize');
      await proof.spend(tx);
      return payment;
    };
    const begin = async (): Promise<Payment> => {
      try {
        await settlement.lookAhead(known);
        return await settlement.finish(await database.inTransaction(async (tx) => settlement.pay(tx, await locked(tx), proof.ticket)));
      } catch (error) {
        if (!isRefusal(error)) throw error;
        return database.inTransaction(async (tx) => settlement.fail(tx, await locked(tx), error));
      }
    };
    const payment = await begin();
    if (payment.error !== undefined) throw refusedWith(payment);
    return payment;
  }
}

export const createAuthorization = (deps: AuthorizationDependencies): Authorization => new AuthorizationDesk(deps);
