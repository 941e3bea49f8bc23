import type { UserId } from '../../kernel/ids.ts';

/** What the presented token is said to be. */
export type ProofTokenType = 'access_token' | 'openid';

/**
 * On whose behalf the token is presented. An OpenID token has no audience: every service that the user ever gave one can
 * replay it, so it counts only from a client that authenticated with its secret and from our own pages (decision D1.1).
 * `user` is the user's own hand: an approval, or a request that only they may make.
 */
export type Presenter = 'first_party' | 'public_client' | 'confidential_client' | 'host_page' | 'user';

export interface ProofRequest {
  readonly token: string;
  readonly tokenType: ProofTokenType;
  /** For OpenID tokens: the homeserver that issued it; ours when absent. */
  readonly matrixServerName?: string | undefined;
  readonly presentedBy: Presenter;
}

export interface ProvenUser {
  readonly userId: UserId;
  readonly method: 'openid' | 'whoami' | 'mas';
  readonly deviceId?: string | undefined;
  /** Milliseconds since the epoch, where the issuer tells. */
  readonly tokenExpiresAt?: number | undefined;
  /** The token is spent by this proof: its keyed hash must be stored in the transaction that acts on the proof. */
  readonly singleUse: boolean;
}

export interface UserProof {
  /** Throws ProofNotAllowed, ProofRefused or ProofUnavailable. */
  prove(request: ProofRequest): Promise<ProvenUser>;
}

/** This presenter may not use this type of token, whatever the token is. */
export class ProofNotAllowed extends Error {
  override readonly name = 'ProofNotAllowed';
}

export type RefusalReason =
  | 'unknown_token'
  | 'malformed_token'
  | 'expired'
  | 'guest'
  | 'foreign_server'
  | 'own_namespace'
  | 'not_an_access_token'
  | 'not_a_matrix_session'
  | 'client_not_allowed'
  | 'subject_mismatch';

/** The token does not prove a user. The reason is for our log; callers learn only that it was refused. */
export class ProofRefused extends Error {
  override readonly name = 'ProofRefused';
  readonly reason: RefusalReason;
  constructor(reason: RefusalReason) {
    super(`Matrix token refused: ${reason}`);
    this.reason = reason;
  }
}

/** Who would have to answer did not: nothing is known about the token. */
export class ProofUnavailable extends Error {
  override readonly name = 'ProofUnavailable';
}
