import { setTimeout as delay } from 'node:timers/promises';
import type { Database, Transaction } from '../../database/index.ts';
import { Park, Unavailable, type JobKind, type JobQueue } from '../../jobs/index.ts';
import type { Clock } from '../../kernel/clock.ts';
import { AppError, errorText } from '../../kernel/errors.ts';
import { newId } from '../../kernel/ids.ts';
import type { Log } from '../../kernel/log.ts';
import type { Moved, MovementCode, TakeAnswer } from '../port.ts';
import { UnexpectedAnswer, type WalletServiceClient } from './client.ts';
import { decideInstruction, findInstruction, insertInstruction, lockInstruction, type Instruction } from './instruction-repo.ts';
import { mirrorAccount } from './mirror-repo.ts';
import { refusalFromWire, type WireInstruction, type WireMovement } from './wire.ts';

export const instructionJobKind = 'wallet.instruction';

/** An order to move money, as the feature gives it. */
export interface Order {
  readonly kind: Instruction['kind'];
  readonly code: MovementCode;
  readonly ref: string;
  readonly terms: WireInstruction;
  readonly holdId?: string;
  readonly secured: boolean;
}

/** What became of an answer: taken, of no more interest because another was faster, or not an outcome. */
export type Taken = 'taken' | 'known' | 'pending';

export interface Instructions {
  /** Writes it, with a job that sees it through, in the caller's transaction. @throws AppError INVALID_STATE_TRANSITION when the hold that it ends is being ended */
  order(tx: Transaction, order: Order): Promise<Moved>;
  /** Has it carried out, and takes the answer. @throws AppError SERVICE_UNAVAILABLE, UnexpectedAnswer; Park when the service refuses what it may not */
  carryOut(id: string): Promise<void>;
  /** The same for several, for so long at most; what goes wrong is left to the job. */
  finish(ids: readonly string[]): Promise<void>;
  /** Takes an answer that came by itself or was asked for: once, in the transaction that tells the feature. @throws Park */
  take(tx: Transaction, id: string, answer: WireMovement): Promise<Taken>;
  readonly job: JobKind;
}

export interface InstructionsDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly queue: JobQueue;
  readonly client: WalletServiceClient;
  /** Of the features, by what movements are for. */
  readonly answers: (code: MovementCode) => TakeAnswer;
  /** How long a request waits for an answer; the job begins afterwards. */
  readonly waitMs: number;
  /** After the commit: for the metrics. */
  readonly onDecided: (kind: Instruction['kind'], outcome: 'done' | 'refused') => void;
}

const refusedSecured = (kind: string, code: string): Park => new Park(`the wallet service refuses a ${kind} that was secured before (${code}): settle it there, then replay this job`);

export function createInstructions(deps: InstructionsDependencies): Instructions {
  const { database, clock, log, queue, client, answers, waitMs, onDecided } = deps;

  const take = async (tx: Transaction, id: string, answer: WireMovement): Promise<Taken> => {
    const instruction = await lockInstruction(tx, id);
    if (instruction === undefined) throw new Error(`there is no instruction ${id}`);
    if (instruction.state !== 'open') return 'known';
    if (answer.status === 'pending') return 'pending';
    for (const account of answer.accounts ?? []) await mirrorAccount(tx, account, clock.now());
    const { kind, code, ref, secured } = instruction;
    const outcome = outcomeOf(answer);
    if ('refused' in outcome && secured) throw refusedSecured(kind, outcome.refused.code);
    await decideInstruction(tx, id, 'refused' in outcome ? outcome.refused : outcome, clock.now());
    await answers(code)(tx, { instructionId: id, kind, code, ref, outcome });
    tx.afterCommit(() => onDecided(kind, 'refused' in outcome ? 'refused' : 'done'));
    return 'taken';
  };

  /** Undefined when it was decided already. */
  const ask = async (id: string): Promise<WireMovement | undefined> => {
    const instruction = await findInstruction(database, id);
    if (instruction === undefined) throw new Error(`there is no instruction ${id}`);
    return instruction.state === 'open' ? client.putMovement(id, instruction.terms) : undefined;
  };

  const carryOut = async (id: string): Promise<void> => {
    const answer = await ask(id);
    if (answer !== undefined) await database.inTransaction((tx) => take(tx, id, answer));
  };

  return {
    take,
    carryOut,
    async order(tx, { kind, code, ref, terms, holdId, secured }) {
      const id = newId('wi');
      const isNew = await insertInstruction(tx, { id, kind, code, ref, terms, holdId, secured, state: 'open', txnId: undefined, createdAt: clock.now() });
      if (!isNew) throw new AppError('INVALID_STATE_TRANSITION', 'This hold has ended already');
      // The request that gave it carries it out at once; this is for when it can't.
      queue.enqueue(tx, { id: `${instructionJobKind}:${id}`, stream: `wallet:${id}`, kind: instructionJobKind, body: { instructionId: id }, runAt: clock.now() + waitMs });
      return { settled: false, instructionId: id };
    },
    async finish(ids) {
      const all = ids.map((id) => carryOut(id).catch((error: unknown) => log.warn({ instruction: id, error: errorText(error) }, 'an instruction to the wallet service waits for its job')));
      const done = new AbortController();
      await Promise.race([Promise.all(all), delay(waitMs, undefined, { ref: false, signal: done.signal }).catch(() => undefined)]);
      done.abort();
    },
    job: {
      async run({ body }) {
        const { instructionId } = body as { instructionId: string };
        const answer = await ask(instructionId).catch((error: unknown) => {
          if (error instanceof AppError && error.code === 'SERVICE_UNAVAILABLE') throw new Unavailable(error.message);
          throw error instanceof UnexpectedAnswer ? new Park(error.message) : error;
        });
        if (answer === undefined) return;
        if (answer.status === 'pending') throw new Unavailable('the wallet service has no outcome yet');
        if (answer.status === 'refused' && (await findInstruction(database, instructionId))?.secured === true) throw refusedSecured('movement', answer.refusal?.code ?? '');
        return async (tx) => void (await take(tx, instructionId, answer));
      },
    },
  };
}

/** @throws UnexpectedAnswer for a movement that was done and has no name */
function outcomeOf({ status, transaction_id: txnId, refusal }: WireMovement): { readonly txnId: string } | { readonly refused: AppError } {
  if (status === 'refused') return { refused: refusalFromWire(refusal ?? { code: 'PAYMENT_FAILED', message: 'The wallet declined the payment' }) };
  if (txnId === undefined) throw new UnexpectedAnswer('the wallet service carried out a movement and does not say its transaction_id');
  return { txnId };
}
