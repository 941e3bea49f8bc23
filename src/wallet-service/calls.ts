import type { Database, Transaction } from '../database/index.ts';
import type { ApiAnswer } from '../http/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import { canonicalJson } from '../kernel/json.ts';
import type { KeyRing } from '../security/key-ring.ts';
import { answerCall, deleteCall, deleteUnanswered, findCall, insertCall, takeOverCall } from './factor-repo.ts';

/** Keeps the answer in the transaction of what it says: the two are there together, or not at all. */
export type Keep = (tx: Transaction, answer: ApiAnswer) => Promise<void>;

/** Requests that have their effect once for each `Idempotency-Key`. */
export interface Calls {
  /**
   * The first answer under this key, which `work` gives. What `work` throws leaves the key free: the request may be made again.
   * Throws DUPLICATE_TRANSACTION for another request under the same key, REQUEST_IN_PROGRESS while another process works on it.
   */
  once(key: string, request: unknown, work: (keep: Keep) => Promise<ApiAnswer>): Promise<ApiAnswer>;
}

/** Far longer than any request takes: what has run for so long died. */
const diedMs = 60_000;
const purpose = 'service-call';

const otherRequest = (): AppError => new AppError('DUPLICATE_TRANSACTION', 'Another request was made with this Idempotency-Key');
const inProgress = (): AppError => new AppError('REQUEST_IN_PROGRESS', 'The first request with this key is still running', { retryAfterMs: 1000 });

export function createCalls({ database, clock, keyRing }: { readonly database: Database; readonly clock: Clock; readonly keyRing: KeyRing }): Calls {
  /** Of this process: a repeat waits for the first one's answer. */
  const running = new Map<string, { readonly mac: string; readonly answer: Promise<ApiAnswer> }>();

  const claim = (key: string, mac: string): Promise<string | undefined> =>
    database.inTransaction(async (tx) => {
      const now = clock.now();
      if (await insertCall(tx, key, mac, now)) return undefined;
      const known = await findCall(tx, key);
      if (known?.requestMac !== mac) throw otherRequest();
      if (known.answerSealed !== undefined) return known.answerSealed;
      if (known.startedAt > now - diedMs || !(await takeOverCall(tx, key, known.startedAt, now))) throw inProgress();
      return undefined;
    });

  const sealed = (key: string, answer: ApiAnswer): string => keyRing.seal(purpose, JSON.stringify(answer), key);
  /** On SQLite this process is the only one: what has no answer died with the one before. */
  let cleared: Promise<void> | undefined;
  const clear = (): Promise<void> => (database.dialect === 'sqlite' ? deleteUnanswered(database) : Promise.resolve());

  const first = async (key: string, mac: string, work: (keep: Keep) => Promise<ApiAnswer>): Promise<ApiAnswer> => {
    await (cleared ??= clear());
    const known = await claim(key, mac);
    if (known !== undefined) return JSON.parse(keyRing.open(purpose, known, key)) as ApiAnswer;
    try {
      let kept = false;
      const answer = await work(async (tx, given) => {
        await answerCall(tx, key, sealed(key, given));
        tx.afterCommit(() => (kept = true));
      });
      if (!kept) await answerCall(database, key, sealed(key, answer));
      return answer;
    } catch (error) {
      await deleteCall(database, key);
      throw error;
    }
  };

  return {
    async once(key, request, work) {
      const mac = keyRing.mac(purpose, canonicalJson(request));
      const known = running.get(key);
      if (known !== undefined && known.mac !== mac) throw otherRequest();
      if (known !== undefined) return known.answer;
      const answer = first(key, mac, work);
      running.set(key, { mac, answer });
      try {
        return await answer;
      } finally {
        running.delete(key);
      }
    },
  };
}
