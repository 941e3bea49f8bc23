import { equalSecrets, sha256Hex } from '../kernel/ids.ts';

/** An OAuth client of a mini-app: its frontend, or its backend (specification section 9.1.1). A client is not a mini-app. */
export interface OAuthClient {
  readonly clientId: string;
  readonly miniappId: string;
  readonly kind: 'public' | 'confidential';
  /** SHA-256 hex of each secret that is valid now: two while one is being replaced. */
  readonly secretHashes: readonly string[];
  readonly redirectUris: readonly string[];
  readonly registeredScopes: readonly string[];
  readonly classification: 'official' | 'verified' | 'community' | 'beta';
  readonly name: string;
  /** Whom the mini-app is of, in words that its developer can't choose freely. */
  readonly developerName?: string | undefined;
  /** Registered by an administrator, not by a developer. */
  readonly adminRegistered: boolean;
  /** Tokens for everyone: the mini-app is ACTIVE. */
  readonly active: boolean;
  /** While it is not: the users who may have tokens all the same, its owners before approval (decision D23). */
  readonly owners: readonly string[];
}

/** The registry, as the authorization server sees it. */
export interface ClientDirectory {
  findClient(clientId: string): Promise<OAuthClient | undefined>;
}

/** Whether this user may have tokens of this client now (decision D23). */
export const isAvailableTo = (client: OAuthClient, userId: string): boolean => client.active || client.owners.includes(userId);

/** Compares with each valid secret, without telling by time which one nearly fitted. */
export function isSecretOf(client: Pick<OAuthClient, 'secretHashes'>, secret: string): boolean {
  const hash = sha256Hex(secret);
  return client.secretHashes.map((valid) => equalSecrets(hash, valid)).includes(true);
}

/** The host client itself, acting for the user (decision D2): no mini-app, no secret, fixed scopes. */
export const reservedAudiences = ['tmcp_store', 'tmcp_p2p', 'tmcp_wallet'] as const;
export type ReservedAudience = (typeof reservedAudiences)[number];
export const isReservedAudience = (name: string): name is ReservedAudience => (reservedAudiences as readonly string[]).includes(name);
