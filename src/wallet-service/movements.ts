import type { Database, Transaction } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import { asUserId, sha256Hex } from '../kernel/ids.ts';
import { canonicalJson } from '../kernel/json.ts';
import { isRefusal, movementFromWire, refusalOnWire, settledId, type Movement, type Wallet, type WireInstruction, type WireTerms } from '../wallet/index.ts';
import type { Proofs } from './proofs.ts';
import { claimMovement, findOutcome, insertOutcome, type Outcome } from './repo.ts';

export interface Movements {
  /** Has its effect once for each key. @throws AppError DUPLICATE_TRANSACTION for other terms under the same key */
  carryOut(key: string, instruction: WireInstruction): Promise<Outcome>;
  find(key: string): Promise<Outcome | undefined>;
}

const otherTerms = (): AppError => new AppError('DUPLICATE_TRANSACTION', 'This key names a movement on other terms');
const noHold = (key: string): AppError => new AppError('NOT_FOUND', `${key} is no hold`);

/** @throws AppError INVALID_REQUEST for ids that are none: nothing was done, and the key stays free */
function readMovement(terms: WireTerms): Movement {
  try {
    return movementFromWire(terms);
  } catch (error) {
    throw new AppError('INVALID_REQUEST', error instanceof Error ? error.message : 'The terms could not be read');
  }
}

/** Users whom the movement concerned. */
export const usersIn = (instruction: WireInstruction) => ('hold' in instruction ? [] : [instruction.from, instruction.to].flatMap((party) => ('user_id' in party ? [asUserId(party.user_id)] : [])));

export function createMovements({ database, clock, wallet, proofs }: { readonly database: Database; readonly clock: Clock; readonly wallet: Wallet; readonly proofs: Proofs }): Movements {
  const act = async (tx: Transaction, key: string, instruction: WireInstruction): Promise<string> => {
    if (!('hold' in instruction)) {
      const movement = readMovement(instruction);
      await proofs.spend(tx, key, instruction);
      return settledId(await wallet[instruction.kind](tx, movement));
    }
    const hold = await findOutcome(tx, instruction.hold);
    if (hold?.kind !== 'hold' || hold.txnId === undefined) throw noHold(instruction.hold);
    return settledId(await (instruction.kind === 'capture' ? wallet.capture(tx, hold.txnId) : wallet.release(tx, hold.txnId, instruction.outcome ?? 'cancelled')));
  };

  /** In one transaction: what is known of the key, or what `decide` makes of it. */
  const once = (key: string, termsHash: string, decide: (tx: Transaction) => Promise<Omit<Outcome, 'key' | 'termsHash'>>): Promise<Outcome> =>
    database.inTransaction(async (tx) => {
      await claimMovement(tx, key);
      const known = await findOutcome(tx, key);
      if (known !== undefined && known.termsHash !== termsHash) throw otherTerms();
      if (known !== undefined) return known;
      const outcome: Outcome = { key, termsHash, ...(await decide(tx)) };
      await insertOutcome(tx, outcome, clock.now());
      return outcome;
    });

  return {
    find: (key) => findOutcome(database, key),
    async carryOut(key, instruction) {
      const termsHash = sha256Hex(canonicalJson(instruction));
      const { kind } = instruction;
      try {
        return await once(key, termsHash, async (tx) => ({ kind, status: 'done', txnId: await act(tx, key, instruction), refusal: undefined }));
      } catch (error) {
        if (!isRefusal(error)) throw error;
        // The refusal undid its transaction: it is written by one of its own, unless the key has come to an outcome meanwhile.
        return once(key, termsHash, () => Promise.resolve({ kind, status: 'refused', txnId: undefined, refusal: JSON.stringify(refusalOnWire(error)) }));
      }
    },
  };
}
