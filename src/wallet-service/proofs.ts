import type { Database, Transaction } from '../database/index.ts';
import { answer } from '../http/index.ts';
import { isoTime, type Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import { asUserId, newId, sha256Hex, type UserId } from '../kernel/ids.ts';
import { canonicalJson } from '../kernel/json.ts';
import { factorRefusalOnWire, isFactorRefusal, proofRefusals, type PaymentTerms, type Proof, type WireVerdict } from '../mfa/index.ts';
import type { WireInstruction, WireTerms } from '../wallet/index.ts';
import type { Keep } from './calls.ts';
import { insertProof, spendProof } from './factor-repo.ts';

/** Proofs that were judged good, until the movement comes that they allow. */
export interface Proofs {
  /** What came of judging: a good proof is used up, and over a payment becomes one that a movement can spend. Throws what is no verdict on a proof. */
  verdict(userId: UserId, judge: () => Promise<Proof>, terms: PaymentTerms | undefined, keep: Keep): Promise<WireVerdict>;
  /** Part of the movement's transaction. Throws PAYMENT_FAILED, which refuses it. */
  spend(tx: Transaction, key: string, instruction: WireInstruction): Promise<void>;
}

/** Time for a movement to come, also over an outage of some minutes. */
const proofMs = 15 * 60_000;

const refused = (why: string): AppError => new AppError('PAYMENT_FAILED', why);

const hashOf = (id: string, amountMinor: number | bigint, currency: string, payee: string): string => sha256Hex(canonicalJson([id, String(amountMinor), currency, payee]));

/** What the movement says that the user proved. */
function provenIn({ to, reference, proven }: WireTerms): { readonly id: string; readonly payee: string } {
  if ('user_id' in to) return { id: reference, payee: to.user_id };
  if ('miniapp_id' in to) return { id: reference, payee: to.miniapp_id };
  if (proven === undefined) throw refused('A movement into an escrow has to say what was proven');
  return proven;
}

/** What users send themselves. Everything else was allowed with it, or is no user's money. */
const userCodes: ReadonlySet<string> = new Set(['p2p', 'gift', 'payment']);

export interface ProofsDependencies {
  readonly database: Database;
  readonly clock: Clock;
  /** Whether nothing that a user sends moves without one. */
  readonly requireProofs: boolean;
}

const attemptsIn = (details: AppError['details']): { readonly attempts_remaining?: number; readonly locked_until?: string } => {
  const { attempts_remaining, locked_until } = (Array.isArray(details) ? {} : (details ?? {})) as { attempts_remaining?: number; locked_until?: string };
  return { ...(attempts_remaining === undefined ? {} : { attempts_remaining }), ...(locked_until === undefined ? {} : { locked_until }) };
};

export function createProofs({ database, clock, requireProofs }: ProofsDependencies): Proofs {
  return {
    async verdict(userId, judge, terms, keep) {
      try {
        const proof = await judge();
        const [id, expiresAt] = [newId('mfa_pr'), clock.now() + proofMs];
        const good: WireVerdict = { verified: true, locked: false, method: proof.method, ...(proof.deviceId === undefined ? {} : { device_id: proof.deviceId }), ...(terms === undefined ? {} : { proof_id: id, expires_at: isoTime(expiresAt) }) };
        await database.inTransaction(async (tx) => {
          await proof.spend(tx);
          if (terms !== undefined) await insertProof(tx, { id, userId, termsHash: hashOf(terms.id, terms.amountMinor, terms.currency, terms.recipient), expiresAt });
          await keep(tx, answer(good));
        });
        return good;
      } catch (error) {
        if (!isFactorRefusal(error) || !proofRefusals.has(error.code)) throw error;
        const attempts = attemptsIn(error.details);
        return { verified: false, locked: attempts.locked_until !== undefined, ...attempts, refusal: factorRefusalOnWire(error) };
      }
    },
    async spend(tx, key, instruction) {
      if ('hold' in instruction || !('user_id' in instruction.from) || !userCodes.has(instruction.code)) return;
      const { proof_id: id, from, amount_minor: amountMinor, currency } = instruction;
      if (id === undefined && !requireProofs) return;
      if (id === undefined) throw refused('This needs a proof of the user');
      const { id: provenId, payee } = provenIn(instruction);
      const spent = await spendProof(tx, { id, userId: asUserId(from.user_id), termsHash: hashOf(provenId, amountMinor, currency, payee) }, key, clock.now());
      if (!spent) throw refused('The proof of the user is of other terms, over, or was used for something else');
    },
  };
}
