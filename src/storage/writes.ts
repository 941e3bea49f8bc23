import type { Database, Transaction } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { applyWrite, type Prepared, type Turn } from './apply.ts';
import { noteKey } from './key-repo.ts';
import { findAnswer, keepAnswer, trimAnswers } from './mutation-repo.ts';
import { buryExpired, lockSpace, saveSpace } from './repo.ts';
import type { Answered, Caller, Change, Limits, Outcome, Owner, Told, Write } from './types.ts';
import type { Vault } from './vault.ts';

export interface WriterDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly vault: Vault;
  readonly limits: Limits;
  /** Throws unless the session lives, and keeps it alive until the end of the transaction: else a write could be committed behind the uninstall that ended it. */
  readonly requireSession: (tx: Transaction, sessionId: string) => Promise<void>;
  /** In each transaction that changes something. */
  readonly tell: (tx: Transaction, told: Told) => void;
}

export interface Writer {
  /**
   * Does writes in order, in one transaction, and tells what became of each. `atomic`: all of them or none; those that could
   * have been done are then `aborted`.
   * @throws AppError INVALID_TOKEN, SERVICE_UNAVAILABLE (a value that must be shown can't be decrypted)
   */
  write(caller: Caller, writes: readonly Write[], atomic: boolean): Promise<Answered[]>;
}

/** Answers that are kept for each user and mini-app, and how often and from which size on they are trimmed to that. */
const keptAnswers = 1000;
const trimEvery = 64;
const largeAnswerBytes = 4096;

/** Ends a transaction of an atomic batch that can't be done whole. */
class Abandoned extends Error {
  readonly outcomes: readonly Answered[];
  constructor(outcomes: readonly Answered[]) {
    super('an atomic batch was abandoned');
    this.outcomes = outcomes;
  }
}

/** The state that was asked for holds now: also where there was nothing to delete. */
export const isDone = ({ kind }: Outcome): boolean => kind === 'written' || kind === 'deleted' || kind === 'missing';

const changeOf = (outcome: Answered): Change[] => (!outcome.replayed && (outcome.kind === 'written' || outcome.kind === 'deleted') ? [{ key: outcome.key, rev: outcome.rev, deleted: outcome.kind === 'deleted' }] : []);

export function createWriter(deps: WriterDependencies): Writer {
  const { database, clock, vault, limits } = deps;
  const notedKeys = new Set<string>();

  const note = async (tx: Transaction, keyId: string, now: number): Promise<void> => {
    if (notedKeys.has(keyId)) return;
    await noteKey(tx, keyId, now);
    tx.afterCommit(() => notedKeys.add(keyId));
  };

  const prepare = (owner: Owner, write: Write): Prepared => ({
    ...write,
    sealed: write.value === undefined ? undefined : vault.seal(owner, write.key, write.value.json),
    fingerprint: write.mutationId === undefined ? undefined : vault.fingerprint(JSON.stringify([write.key, write.value?.json, write.ttlMs, write.contentType, write.conditions, write.clientAt])),
  });

  /** A write that came before gets its first answer; one that was refused for lack of room may come again. */
  const writeOnce = async (turn: Turn, write: Prepared): Promise<Answered> => {
    const { tx, owner, space, now } = turn;
    const { mutationId } = write;
    if (mutationId === undefined) return { ...(await applyWrite(turn, write)), replayed: false };
    const known = await findAnswer(tx, space.id, mutationId);
    if (known !== undefined) {
      const first = JSON.parse(vault.openAnswer(owner, mutationId, known)) as { fingerprint: string; outcome: Outcome };
      return first.fingerprint === write.fingerprint ? { ...first.outcome, replayed: true } : { kind: 'reused_id', key: write.key, replayed: false };
    }
    const outcome = await applyWrite(turn, write);
    if (outcome.kind === 'over_quota') return { ...outcome, replayed: false };
    space.mutations += 1;
    const answer = vault.sealAnswer(owner, mutationId, JSON.stringify({ fingerprint: write.fingerprint, outcome }));
    await note(tx, answer.keyId, now);
    await keepAnswer(tx, space.id, { mutationId, seq: space.mutations, at: now, answer });
    if (space.mutations % trimEvery === 0 || answer.sealed.length > largeAnswerBytes) await trimAnswers(tx, space.id, keptAnswers, limits.maxBytes);
    return { ...outcome, replayed: false };
  };

  const writeAll = async (tx: Transaction, caller: Caller, writes: readonly Prepared[], atomic: boolean): Promise<Answered[]> => {
    const owner: Owner = { userId: caller.userId, namespace: caller.namespace };
    await deps.requireSession(tx, caller.sessionId);
    const space = await lockSpace(tx, owner);
    const now = clock.now();
    const before = { ...space };
    const buried = space.nextExpiryAt !== undefined && space.nextExpiryAt <= now ? await buryExpired(tx, space, now) : [];
    for (const keyId of new Set(writes.flatMap(({ sealed }) => sealed?.keyId ?? []))) await note(tx, keyId, now);
    const outcomes: Answered[] = [];
    for (const write of writes) outcomes.push(await writeOnce({ tx, owner, space, now, vault, limits }, write));
    if (atomic && !outcomes.every(isDone)) throw new Abandoned(outcomes);
    if (space.rev !== before.rev || space.mutations !== before.mutations || space.nextExpiryAt !== before.nextExpiryAt) await saveSpace(tx, space);
    if (space.rev !== before.rev) deps.tell(tx, { owner, changes: [...buried, ...outcomes.flatMap(changeOf)], rev: space.rev, bySession: buried.length > 0 ? undefined : caller.sessionId });
    return outcomes;
  };

  return {
    async write(caller, writes, atomic) {
      const prepared = writes.map((write) => prepare(caller, write));
      try {
        return await database.inTransaction((tx) => writeAll(tx, caller, prepared, atomic));
      } catch (error) {
        if (!(error instanceof Abandoned)) throw error;
        return error.outcomes.map((outcome) => (isDone(outcome) ? { kind: 'aborted', key: outcome.key, replayed: false } : outcome));
      }
    },
  };
}
