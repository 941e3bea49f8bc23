import type { Database, Transaction } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import type { UserId } from '../kernel/ids.ts';
import type { ChangeLog } from './change-log.ts';
import type { AllowedBy } from './events.ts';
import { listEnrolled, lockUser } from './factor-repo.ts';
import type { Prover } from './prover.ts';
import { expectedFor } from './terms.ts';
import { methodOf, type ActionTerms, type Enrolled, type Evidence, type Method, type Requester } from './types.ts';

export interface ChangesDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly prover: Prover;
  readonly log: ChangeLog;
  /** Age up to which a session's proof by Matrix token counts (decision D20). */
  readonly freshSignInMs: number;
}

/** That a user may change their factors now. */
export interface Permission {
  readonly allowedBy: AllowedBy;
  /** First in the transaction of the change: locks the user's factors and spends the proof. Throws when it no longer holds. */
  use(tx: Transaction): Promise<void>;
}

/** Changes of factors (decision D20): what allows them, and what they have in their train. */
export interface Changes extends ChangeLog {
  /** Throws FRESH_SIGN_IN_REQUIRED (403) unless a Matrix token proved this session a moment ago. */
  requireFresh(requester: Requester): void;
  /**
   * The first factor needs a fresh sign-in, any later change a proof by one that is there. Throws FRESH_SIGN_IN_REQUIRED,
   * MFA_REQUIRED (402, naming the methods and what a device key signs), and what judging a proof throws.
   */
  permit(requester: Requester, terms: ActionTerms, evidence: Evidence | undefined): Promise<Permission>;
  /** A permission that was given earlier, when an enrolment began: it must still be one. */
  permitEarlier(userId: UserId, allowedBy: string): Permission;
}

const methodOfKind: Readonly<Record<Enrolled['kind'], Method>> = { pin: methodOf.pin, totp: methodOf.totp, device: methodOf.biometric, passkey: methodOf.biometric };

/** The methods that a user has, each once. */
export const methodsAmong = (enrolled: readonly Enrolled[]): Method[] => [...new Set(enrolled.map(({ kind }) => methodOfKind[kind]))];

export function mfaRequired(methods: readonly Method[], terms: ActionTerms): AppError {
  return new AppError('MFA_REQUIRED', 'Confirm this with a factor that you have: send auth_proof', {
    details: { methods, sign: `${terms.action}:${terms.subject}:{timestamp}` },
  });
}

const outdated = (): AppError => new AppError('MFA_REQUIRED', 'Another factor was enrolled meanwhile: begin again, with a proof by it');

export function createChanges(deps: ChangesDependencies): Changes {
  const { database, clock, prover, log } = deps;

  const requireFresh = ({ matrixProvenAt }: Requester): void => {
    if (matrixProvenAt !== undefined && clock.now() - matrixProvenAt <= deps.freshSignInMs) return;
    throw new AppError('FRESH_SIGN_IN_REQUIRED', `Exchange the Matrix access token again first: it must have proven this session at most ${deps.freshSignInMs / 1000} seconds ago`);
  };
  const permitFirst = (userId: UserId): Permission => ({
    allowedBy: 'fresh_sign_in',
    async use(tx) {
      await lockUser(tx, userId);
      if ((await listEnrolled(tx, userId)).length > 0) throw outdated();
    },
  });
  const permitLater = (userId: UserId, allowedBy: AllowedBy, spend: (tx: Transaction) => Promise<void>): Permission => ({
    allowedBy,
    async use(tx) {
      await lockUser(tx, userId);
      await spend(tx);
    },
  });

  return {
    requireFresh,
    async permit(requester, terms, evidence) {
      const { userId } = requester;
      const enrolled = await listEnrolled(database, userId);
      if (enrolled.length === 0) {
        requireFresh(requester);
        return permitFirst(userId);
      }
      if (evidence === undefined) throw mfaRequired(methodsAmong(enrolled), terms);
      const proof = await prover.prove(userId, expectedFor(terms), evidence);
      return permitLater(userId, proof.method, (tx) => proof.spend(tx));
    },
    permitEarlier: (userId, allowedBy) => (allowedBy === 'fresh_sign_in' ? permitFirst(userId) : permitLater(userId, allowedBy as AllowedBy, () => Promise.resolve())),
    record: (tx, change) => log.record(tx, change),
  };
}
