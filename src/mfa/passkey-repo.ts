import type { Queryable, Transaction } from '../database/index.ts';
import type { UserId } from '../kernel/ids.ts';

export interface Passkey {
  readonly credentialId: string;
  readonly name: string;
  /** COSE, base64url. */
  readonly publicKey: string;
  readonly counter: number;
  readonly transports: readonly string[];
  readonly registeredAt: number;
}

interface PasskeyRow {
  credential_id: string;
  name: string;
  public_key: string;
  counter: number;
  transports: string;
  registered_at: number;
}

const passkeyFromRow = (row: PasskeyRow): Passkey => ({
  credentialId: row.credential_id,
  name: row.name,
  publicKey: row.public_key,
  counter: row.counter,
  transports: JSON.parse(row.transports) as string[],
  registeredAt: row.registered_at,
});

export async function listPasskeys(db: Queryable, userId: UserId): Promise<Passkey[]> {
  return (await db.sql('mfa_passkey').where({ user_id: userId }).orderBy(['registered_at', 'credential_id']).select<PasskeyRow[]>('*')).map(passkeyFromRow);
}

export async function findPasskey(db: Queryable, userId: UserId, credentialId: string): Promise<Passkey | undefined> {
  const row = await db.sql('mfa_passkey').where({ user_id: userId, credential_id: credentialId }).first<PasskeyRow | undefined>();
  return row === undefined ? undefined : passkeyFromRow(row);
}

/** False when somebody has registered it before. */
export async function insertPasskey(tx: Transaction, userId: UserId, passkey: Passkey): Promise<boolean> {
  const row = { credential_id: passkey.credentialId, user_id: userId, name: passkey.name, public_key: passkey.publicKey, counter: passkey.counter, transports: JSON.stringify(passkey.transports), registered_at: passkey.registeredAt };
  return (await tx.sql('mfa_passkey').insert(row).onConflict('credential_id').ignore().returning<object[]>('credential_id')).length === 1;
}

/** Moves the authenticator's own counter on; one that has none stays at 0. False when it did not rise, or the passkey is gone. */
export async function raiseCounter(tx: Transaction, userId: UserId, credentialId: string, counter: number): Promise<boolean> {
  return (
    (await tx
      .sql('mfa_passkey')
      .where({ user_id: userId, credential_id: credentialId })
      .andWhere((query) => (counter === 0 ? void query.where({ counter: 0 }) : void query.where('counter', '<', counter)))
      .update({ counter })) === 1
  );
}

export async function deletePasskey(tx: Transaction, userId: UserId, credentialId: string): Promise<boolean> {
  return (await tx.sql('mfa_passkey').where({ user_id: userId, credential_id: credentialId }).delete()) === 1;
}

/** A WebAuthn challenge that was given out. */
export interface Ceremony {
  readonly challenge: string;
  readonly kind: 'register' | 'authenticate';
  readonly boundTo: string;
  readonly allowedBy: string | undefined;
  readonly expiresAt: number;
}

interface CeremonyRow {
  challenge: string;
  kind: 'register' | 'authenticate';
  bound_to: string;
  allowed_by: string | null;
  expires_at: number;
}

export async function insertCeremony(db: Queryable, userId: UserId, ceremony: Ceremony): Promise<void> {
  await db.sql('mfa_ceremony').insert({ challenge: ceremony.challenge, user_id: userId, kind: ceremony.kind, bound_to: ceremony.boundTo, allowed_by: ceremony.allowedBy ?? null, proof_hash: null, expires_at: ceremony.expiresAt });
}

/** One that still waits for its answer (by challenge), or that was answered (by the hash of its proof). */
export async function findCeremony(db: Queryable, userId: UserId, kind: Ceremony['kind'], by: { readonly challenge: string; readonly proof_hash: null } | { readonly proof_hash: string }, now: number): Promise<Ceremony | undefined> {
  const row = await db.sql('mfa_ceremony').where({ ...by, user_id: userId, kind }).andWhere('expires_at', '>', now).first<CeremonyRow | undefined>();
  return row === undefined ? undefined : { challenge: row.challenge, kind: row.kind, boundTo: row.bound_to, allowedBy: row.allowed_by ?? undefined, expiresAt: row.expires_at };
}

/** Notes that it was answered well. False when it was before. */
export async function answerCeremony(tx: Transaction, challenge: string, proofHash: string): Promise<boolean> {
  return (await tx.sql('mfa_ceremony').where({ challenge, proof_hash: null }).update({ proof_hash: proofHash })) === 1;
}

/** False when it was spent before, or answered meanwhile for a proof that is presented elsewhere. */
export async function spendCeremony(tx: Transaction, challenge: string, proofHash: string | null): Promise<boolean> {
  return (await tx.sql('mfa_ceremony').where({ challenge, proof_hash: proofHash }).delete()) === 1;
}
