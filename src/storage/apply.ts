import type { Transaction } from '../database/index.ts';
import { decide } from './decide.ts';
import { findEntry, findValue, saveEntry } from './repo.ts';
import type { Entry, Limits, Outcome, Owner, SealedValue, Space, Standing, Write } from './types.ts';
import type { Vault } from './vault.ts';

/** A write with its value sealed before the transaction begins, while nobody waits for its locks. */
export type Prepared = Write & { readonly sealed: SealedValue | undefined; readonly fingerprint: string | undefined };

/** A transaction that has locked the space, and in which nothing that has expired is left. */
export interface Turn {
  readonly tx: Transaction;
  readonly owner: Owner;
  readonly space: Space;
  readonly now: number;
  readonly vault: Vault;
  readonly limits: Limits;
}

async function standing({ tx, owner, space, vault }: Turn, key: string, entry: Entry | undefined): Promise<Standing> {
  const value = entry === undefined || entry.deletedAt !== undefined ? undefined : await findValue(tx, space.id, key);
  return { key, rev: entry?.rev ?? 0, json: value === undefined ? undefined : vault.open(owner, key, value), updatedAt: entry?.updatedAt };
}

async function put({ tx, space, now }: Turn, write: Prepared, bytes: number, entry: Entry | undefined, writtenAt: number): Promise<Outcome> {
  const live = entry?.deletedAt === undefined ? entry : undefined;
  const expiresAt = write.ttlMs === undefined ? undefined : now + write.ttlMs;
  space.rev += 1;
  space.bytes += bytes - (live?.bytes ?? 0);
  space.keys += live === undefined ? 1 : 0;
  if (expiresAt !== undefined) space.nextExpiryAt = Math.min(space.nextExpiryAt ?? expiresAt, expiresAt);
  const { key, contentType } = write;
  const createdAt = live?.createdAt ?? now;
  await saveEntry(tx, space.id, { key, rev: space.rev, writtenAt, createdAt, updatedAt: now, expiresAt, deletedAt: undefined, bytes, contentType, value: write.sealed });
  return { kind: 'written', key, rev: space.rev, createdAt, updatedAt: now, expiresAt, valueBytes: write.value!.bytes, contentType };
}

async function remove({ tx, space, now }: Turn, entry: Entry, writtenAt: number): Promise<Outcome> {
  space.rev += 1;
  space.bytes -= entry.bytes;
  space.keys -= 1;
  await saveEntry(tx, space.id, { ...entry, rev: space.rev, writtenAt, updatedAt: now, expiresAt: undefined, deletedAt: now, bytes: 0, contentType: undefined, value: undefined });
  return { kind: 'deleted', key: entry.key, rev: space.rev };
}

/** Does one write, or says why not. Changes the counters of the turn's space, which it does not save. */
export async function applyWrite(turn: Turn, write: Prepared): Promise<Outcome> {
  const { tx, space, now, limits } = turn;
  const { key, conditions, clientAt } = write;
  const entry = await findEntry(tx, space.id, key);
  const deletes = write.value === undefined;
  const bytes = write.value === undefined ? 0 : Buffer.byteLength(key) + write.value.bytes;
  const verdict = decide({ deletes, bytes, conditions, clientAt }, entry, space, limits, now);
  switch (verdict.kind) {
    case 'apply':
      return deletes ? remove(turn, entry!, verdict.writtenAt) : put(turn, write, bytes, entry, verdict.writtenAt);
    case 'conflict':
    case 'mismatch':
      return { kind: verdict.kind, ...(await standing(turn, key, entry)) };
    case 'missing':
      return { kind: 'missing', key };
    case 'over_quota':
      return { kind: 'over_quota', key, usedBytes: space.bytes, usedKeys: space.keys };
  }
}
