import type { Database } from '../../database/index.ts';
import type { KeyRing } from '../key-ring.ts';
import { chainMac } from './audit.ts';
import { genesis, hashOf } from './entry.ts';
import { countUnsealedSince, findChain, listSealed } from './repo.ts';

/** An end of the chain as the log told it: the chain must still go through it. */
export interface KnownHead {
  readonly seq: number;
  readonly hash: string;
}

export interface AuditVerdict {
  /** What is wrong, the first break of the chain first; empty when nothing is. */
  readonly problems: readonly string[];
  readonly first: number;
  readonly last: number;
  readonly hash: string;
}

const batch = 1000;
/** Entries get their place within seconds while a worker runs. */
const unsealedForMs = 10 * 60_000;

/** Goes through the whole chain: every hash, every number, both ends, and where it was known to have been. */
export async function verifyAudit(database: Database, keyRing: Pick<KeyRing, 'mac'>, now: number, known?: KnownHead): Promise<AuditVerdict> {
  const chain = await findChain(database);
  const problems: string[] = [];
  if (chain !== undefined && chainMac(keyRing, chain) !== chain.mac) problems.push('the ends of the chain are not authenticated by this key ring: they were written by somebody else');
  const start = { seq: chain?.prunedSeq ?? genesis.seq, hash: chain?.prunedHash ?? genesis.hash };
  let { seq, hash } = start;
  let knownSeen = known === undefined || known.seq <= seq;
  walk: for (let entries = await listSealed(database, seq, batch); entries.length > 0; entries = await listSealed(database, seq, batch)) {
    for (const entry of entries) {
      if (entry.seq !== seq + 1) {
        problems.push(entry.seq === seq + 2 ? `entry ${seq + 1} is missing` : `entries ${seq + 1} to ${entry.seq - 1} are missing`);
        break walk;
      }
      if (hashOf(hash, entry.seq, entry) !== entry.hash) {
        problems.push(`entry ${entry.seq} (${entry.id}) was altered`);
        break walk;
      }
      ({ seq, hash } = entry);
      if (seq === known?.seq) {
        knownSeen = true;
        if (hash !== known.hash) problems.push(`entry ${seq} is not the one that the chain ended with once: the chain was rebuilt`);
      }
    }
  }
  if (problems.length === 0 && chain !== undefined && (seq !== chain.seq || hash !== chain.hash)) problems.push(seq < chain.seq ? `entries ${seq + 1} to ${chain.seq} are missing` : `entry ${chain.seq + 1} is behind the end of the chain`);
  if (problems.length === 0 && !knownSeen) problems.push(`the chain ends at ${seq}, before entry ${known!.seq}, which it once had`);
  const unsealed = await countUnsealedSince(database, now - unsealedForMs);
  if (unsealed > 0) problems.push(`${unsealed} entries have waited for more than ten minutes for their place in the chain: does a worker run?`);
  return { problems, first: start.seq + 1, last: seq, hash };
}
