import type { Write } from '../../../../src/storage/types.ts';

/** One key as decision D9 has it, written down a second time and as plainly as can be. */
interface Slot {
  rev: number;
  /** JSON text; undefined: deleted. */
  json: string | undefined;
  writtenAt: number;
  expiresAt: number | undefined;
  bytes: number;
}

/** What a write must be answered. `json` is of the value that stands, where the answer shows it. */
export interface Answer {
  readonly kind: string;
  readonly rev?: number;
  readonly json?: string | undefined;
}

/** One line of what really happened to a key. */
interface Line {
  readonly key: string;
  readonly rev: number;
  readonly at: number;
  readonly conditional: boolean;
  /** The clock by which it won, if it won by one. */
  readonly byClock: number | undefined;
  readonly cause: 'write' | 'expiry';
}

export const quota = { maxBytes: 120, maxKeys: 5 };

/** The server of the sync test: no database, no encryption, nothing at the same time. */
export class Model {
  readonly slots = new Map<string, Slot>();
  readonly history: Line[] = [];
  readonly #answers = new Map<string, Answer>();
  rev = 0;

  live(now: number): Map<string, Slot> {
    return new Map([...this.slots].filter(([, slot]) => slot.json !== undefined && (slot.expiresAt === undefined || slot.expiresAt > now)));
  }

  usage(now: number): { bytes: number; keys: number } {
    const live = [...this.live(now).values()];
    return { bytes: live.reduce((sum, { bytes }) => sum + bytes, 0), keys: live.length };
  }

  /** What has expired becomes a deletion, in the order of its end. */
  expire(now: number): void {
    const over = [...this.slots].filter(([, slot]) => slot.json !== undefined && slot.expiresAt !== undefined && slot.expiresAt <= now);
    for (const [key, slot] of over.sort(([a, x], [b, y]) => x.expiresAt! - y.expiresAt! || (a < b ? -1 : 1))) {
      this.rev += 1;
      this.slots.set(key, { ...slot, rev: this.rev, json: undefined, expiresAt: undefined, bytes: 0 });
      this.history.push({ key, rev: this.rev, at: now, conditional: false, byClock: undefined, cause: 'expiry' });
    }
  }

  write(write: Write, now: number): Answer {
    this.expire(now);
    const known = this.#answers.get(write.mutationId!);
    if (known !== undefined) return known;
    const answer = this.#decide(write, now);
    if (answer.kind !== 'over_quota') this.#answers.set(write.mutationId!, answer);
    return answer;
  }

  #decide(write: Write, now: number): Answer {
    const { key, value, conditions, clientAt } = write;
    const slot = this.slots.get(key);
    const there = slot?.json !== undefined;
    const stands = { rev: slot?.rev ?? 0, json: slot?.json };
    const conditional = conditions.ifMatch !== undefined || conditions.baseRev !== undefined;
    if (conditions.ifMatch !== undefined && !(there && (conditions.ifMatch as readonly number[]).includes(slot.rev))) return { kind: 'mismatch', ...stands };
    if (conditions.baseRev !== undefined && conditions.baseRev !== slot?.rev && !(conditions.baseRev === 0 && !there)) return { kind: 'mismatch', ...stands };
    const byClock = conditional || clientAt === undefined ? undefined : Math.min(clientAt, now + 60_000);
    if (byClock !== undefined && slot !== undefined && slot.writtenAt > byClock) return { kind: 'conflict', ...stands };
    if (value === undefined && !there) return { kind: 'missing' };
    const bytes = value === undefined ? 0 : key.length + value.bytes;
    const used = this.usage(now);
    const growth = bytes - (slot?.bytes ?? 0);
    if (value !== undefined && ((growth > 0 && used.bytes + growth > quota.maxBytes) || (!there && used.keys === quota.maxKeys))) return { kind: 'over_quota' };
    this.rev += 1;
    const expiresAt = value === undefined || write.ttlMs === undefined ? undefined : now + write.ttlMs;
    this.slots.set(key, { rev: this.rev, json: value?.json, writtenAt: byClock ?? now, expiresAt, bytes });
    this.history.push({ key, rev: this.rev, at: now, conditional, byClock, cause: 'write' });
    return { kind: value === undefined ? 'deleted' : 'written', rev: this.rev };
  }
}
