import { isoTime } from '../../kernel/clock.ts';
import { sha256Hex } from '../../kernel/ids.ts';

export interface AuditParty {
  /** `user`, `developer`, `administrator`, `client`, `system`, `command_line`; of targets also what there is else. */
  readonly kind: string;
  readonly id: string;
}

/** Something that was done or refused: who, what, to what, from where. */
export interface AuditEntry {
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly actor: AuditParty;
  readonly action: string;
  readonly target: AuditParty;
  readonly result: 'done' | 'refused';
  readonly address: string | undefined;
  readonly requestId: string | undefined;
  /** JSON text, kept as it was hashed. */
  readonly details: string;
}

/** With its place in the chain. */
export interface SealedEntry extends AuditEntry {
  /** From 1, without gaps. */
  readonly seq: number;
  readonly hash: string;
}

/** What the first entry is chained to. */
export const genesis = { seq: 0, hash: '0'.repeat(64) } as const;

/** SHA-256 over the hash before it and everything that the entry says, so that no entry can be changed, left out or put in unseen. */
export const hashOf = (previousHash: string, seq: number, entry: AuditEntry): string =>
  sha256Hex(
    JSON.stringify([previousHash, seq, entry.id, entry.at, entry.actor.kind, entry.actor.id, entry.action, entry.target.kind, entry.target.id, entry.result, entry.address ?? null, entry.requestId ?? null, entry.details]),
  );

/** As it is exported, and answered over HTTP. */
export const toWire = (entry: SealedEntry) => ({
  seq: entry.seq,
  id: entry.id,
  at: isoTime(entry.at),
  actor: entry.actor,
  action: entry.action,
  target: entry.target,
  result: entry.result,
  address: entry.address ?? null,
  request_id: entry.requestId ?? null,
  details: JSON.parse(entry.details) as Record<string, unknown>,
  hash: entry.hash,
});
