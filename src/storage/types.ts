import type { UserId } from '../kernel/ids.ts';

/** Whose entries: always from the access token, never from what a request says. */
export interface Owner {
  readonly userId: UserId;
  /** The mini-app's id, or the reserved audience of the host client. */
  readonly namespace: string;
}

/** Who asks: the session must still live when the write commits. */
export interface Caller extends Owner {
  readonly sessionId: string;
}

/** Limits of specification section 10.3.3 and 10.3.4, as configured. */
export interface Limits {
  readonly maxBytes: number;
  readonly maxValueBytes: number;
  readonly maxKeyBytes: number;
  readonly maxKeys: number;
  readonly maxTtlMs: number;
}

/** A JSON value to be stored: its text, and the bytes that it counts (a string's own, other JSON's compact text: decision D9). */
export interface NewValue {
  readonly json: string;
  readonly bytes: number;
}

/** The counters of one user's entries of one mini-app; the row that every write locks first. */
export interface Space {
  readonly id: number;
  bytes: number;
  keys: number;
  rev: number;
  floor: number;
  nextExpiryAt: number | undefined;
  mutations: number;
}

/** What is known of a key without its value. Times are milliseconds since the epoch. */
export interface Entry {
  readonly key: string;
  readonly rev: number;
  /** The time by which the last writer wins: the server's, or a client's as far as it is believed. */
  readonly writtenAt: number;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly expiresAt: number | undefined;
  /** Defined: a tombstone. */
  readonly deletedAt: number | undefined;
  /** UTF-8 bytes of key and value. */
  readonly bytes: number;
  readonly contentType: string | undefined;
}

/** That a key changed, without what it holds now. */
export interface Change {
  readonly key: string;
  readonly rev: number;
  readonly deleted: boolean;
}

/** What a transaction changed, for the user's devices: `rev` is the space's last. */
export interface Told {
  readonly owner: Owner;
  readonly changes: readonly Change[];
  readonly rev: number;
  /** The session that wrote, which knows already. */
  readonly bySession: string | undefined;
}

export interface SealedValue {
  readonly keyId: string;
  readonly sealed: Buffer;
}

export type SealedEntry = Entry & { readonly value: SealedValue | undefined };
/** `json` is undefined for a tombstone. */
export type OpenEntry = Entry & { readonly json: string | undefined };

/** HTTP preconditions (RFC 9110 section 13.1) and `base_rev`. */
export interface Conditions {
  /** Revisions of `If-Match`; `any` for `*`. */
  readonly ifMatch?: readonly number[] | 'any';
  readonly ifNoneMatch?: readonly number[] | 'any';
  /** The revision that the writer last saw, also that of a deletion; 0: none. */
  readonly baseRev?: number;
}

/** One write: without a value it deletes. */
export interface Write {
  readonly key: string;
  readonly value: NewValue | undefined;
  readonly ttlMs: number | undefined;
  readonly contentType: string | undefined;
  readonly conditions: Conditions;
  /** `client_timestamp`, milliseconds since the epoch. */
  readonly clientAt: number | undefined;
  readonly mutationId: string | undefined;
}

/** What became of a write. Revisions and values are those that hold after it. */
export type Outcome =
  | { readonly kind: 'written'; readonly key: string; readonly rev: number; readonly createdAt: number; readonly updatedAt: number; readonly expiresAt: number | undefined; readonly valueBytes: number; readonly contentType: string | undefined }
  | { readonly kind: 'deleted'; readonly key: string; readonly rev: number }
  /** A newer write stands (last writer wins). */
  | ({ readonly kind: 'conflict' } & Standing)
  /** A precondition does not hold. */
  | ({ readonly kind: 'mismatch' } & Standing)
  /** There is nothing to delete. */
  | { readonly kind: 'missing'; readonly key: string }
  | { readonly kind: 'over_quota'; readonly key: string; readonly usedBytes: number; readonly usedKeys: number }
  /** Another write had this `mutation_id`. */
  | { readonly kind: 'reused_id'; readonly key: string }
  /** Others of an atomic batch could not be done. */
  | { readonly kind: 'aborted'; readonly key: string };

/** What the server has for a key: revision 0 and no value when it never had any. */
export interface Standing {
  readonly key: string;
  readonly rev: number;
  /** JSON text; undefined when there is no value. */
  readonly json: string | undefined;
  readonly updatedAt: number | undefined;
}

export type Answered = Outcome & { readonly replayed: boolean };
