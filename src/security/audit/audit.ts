import type { Transaction } from '../../database/index.ts';
import type { JobKind, JobQueue } from '../../jobs/index.ts';
import type { Clock } from '../../kernel/clock.ts';
import { newId } from '../../kernel/ids.ts';
import type { Log } from '../../kernel/log.ts';
import { requestContext } from '../../kernel/request-context.ts';
import type { KeyRing } from '../key-ring.ts';
import { genesis, hashOf, type AuditParty } from './entry.ts';
import { deletePruned, findChain, findPrunable, insertEntry, listUnsealed, saveChain, setSealed, type Chain } from './repo.ts';

/** What is to be kept of something that was done or refused. Never a credential: what is written here stays for years. */
export interface AuditRecord {
  readonly actor: AuditParty;
  readonly action: string;
  readonly target: AuditParty;
  readonly result?: 'done' | 'refused';
  readonly details?: Readonly<Record<string, unknown>>;
}

/** In the transaction of what is recorded: one is not there without the other. Address and request id are those of the request. */
export type RecordAudit = (tx: Transaction, record: AuditRecord) => Promise<void>;

export interface Audit {
  readonly record: RecordAudit;
  /** Gives entries their places in the chain. Runs a moment after they were written: chained at once, all that is recorded would wait for each other. */
  readonly sealing: JobKind;
  /** A chore: says where the chain ends, for the keeper of the logs, and deletes what is older than is to be kept. True when there is more. */
  readonly tidyUp: (tx: Transaction, now: number) => Promise<boolean>;
}

export interface AuditDependencies {
  readonly clock: Clock;
  readonly queue: JobQueue;
  readonly keyRing: Pick<KeyRing, 'mac'>;
  readonly log: Log;
  readonly retentionMs: number;
}

export const sealingKind = 'audit.seal';
const sealEveryMs = 2000;
const batch = 2000;

/** The chain's ends, authenticated: who can write the database but has no key ring can't make another chain. */
export const chainMac = (keyRing: Pick<KeyRing, 'mac'>, { seq, hash, prunedSeq, prunedHash }: Omit<Chain, 'mac'>): string => keyRing.mac('audit-chain', JSON.stringify([seq, hash, prunedSeq, prunedHash]));

const emptyChain = { seq: genesis.seq, hash: genesis.hash, prunedSeq: genesis.seq, prunedHash: genesis.hash };

async function seal(tx: Transaction, keyRing: Pick<KeyRing, 'mac'>): Promise<boolean> {
  const chain = (await findChain(tx, { lock: true })) ?? emptyChain;
  const entries = await listUnsealed(tx, batch);
  let { seq, hash } = chain;
  for (const entry of entries) {
    seq += 1;
    hash = hashOf(hash, seq, entry);
    await setSealed(tx, entry.id, seq, hash);
  }
  const next = { ...chain, seq, hash };
  if (entries.length > 0) await saveChain(tx, { ...next, mac: chainMac(keyRing, next) });
  return entries.length === batch;
}

async function prune(tx: Transaction, keyRing: Pick<KeyRing, 'mac'>, before: number): Promise<{ readonly chain: Chain | undefined; readonly gone: number }> {
  const chain = await findChain(tx, { lock: true });
  if (chain === undefined) return { chain, gone: 0 };
  const last = await findPrunable(tx, { prunedSeq: chain.prunedSeq, before, limit: batch });
  if (last === undefined) return { chain, gone: 0 };
  const pruned = { ...chain, prunedSeq: last.seq, prunedHash: last.hash };
  await saveChain(tx, { ...pruned, mac: chainMac(keyRing, pruned) });
  await deletePruned(tx, last.seq);
  return { chain: pruned, gone: last.seq - chain.prunedSeq };
}

/** The last two seconds for which this process has a job in the queue, by queue. */
const scheduled = new WeakMap<JobQueue, number>();

/** One job for whatever is recorded within the same two seconds. */
function schedule(tx: Transaction, { clock, queue }: Pick<AuditDependencies, 'clock' | 'queue'>): void {
  const tick = Math.floor(clock.now() / sealEveryMs) + 1;
  if (scheduled.get(queue) === tick) return;
  tx.afterCommit(() => void scheduled.set(queue, tick));
  queue.enqueue(tx, { id: `${sealingKind}:${tick}`, stream: sealingKind, kind: sealingKind, body: {}, runAt: tick * sealEveryMs });
}

/** For who only records: the command line. The server's worker seals it. */
export const createAuditRecorder =
  (deps: Pick<AuditDependencies, 'clock' | 'queue'>): RecordAudit =>
  async (tx, { actor, action, target, result = 'done', details = {} }) => {
    const context = requestContext.getStore();
    await insertEntry(tx, { id: newId('aud'), at: deps.clock.now(), actor, action, target, result, address: context?.address, requestId: context?.requestId, details: JSON.stringify(details) });
    schedule(tx, deps);
  };

export function createAudit(deps: AuditDependencies): Audit {
  const { keyRing, log, retentionMs } = deps;
  return {
    record: createAuditRecorder(deps),
    sealing: {
      run: () =>
        Promise.resolve(async (tx: Transaction) => {
          if (await seal(tx, keyRing)) schedule(tx, deps);
        }),
    },
    async tidyUp(tx, now) {
      const { chain, gone } = await prune(tx, keyRing, now - retentionMs);
      if (chain !== undefined) tx.afterCommit(() => log.info({ audit_seq: chain.seq, audit_hash: chain.hash }, 'the audit chain ends here'));
      return gone === batch;
    },
  };
}
