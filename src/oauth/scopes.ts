import type { OAuthClient, ReservedAudience } from './clients.ts';

export type Sensitivity = 'low' | 'medium' | 'high' | 'critical' | 'privileged';

export interface ScopeDefinition {
  /** Plain words, for whoever is asked to agree. */
  readonly description: string;
  readonly sensitivity: Sensitivity;
  /** Granted without asking (the "No" of the table in section 5.2). */
  readonly preApproved: boolean;
}

const asked = (sensitivity: Sensitivity, description: string): ScopeDefinition => ({ description, sensitivity, preApproved: false });
const silent = (description: string): ScopeDefinition => ({ description, sensitivity: 'low', preApproved: true });

/** Specification sections 5.2 and 16.7. What is not here is no scope. */
export const scopeDefinitions: Readonly<Record<string, ScopeDefinition>> = {
  'user:read': asked('low', 'See your name and picture'),
  'user:read:extended': asked('medium', 'See your status and profile text'),
  'user:read:contacts': asked('high', 'See who your contacts are'),
  'wallet:balance': asked('high', 'See how much money you have'),
  'wallet:pay': asked('critical', 'Ask you to confirm payments'),
  'wallet:history': asked('high', 'See your past payments'),
  'wallet:request': asked('high', 'Request payments from people'),
  'messaging:send': asked('high', 'Send messages to rooms'),
  'messaging:read': asked('high', 'Read messages in rooms'),
  'storage:read': silent('Read what it stored for you'),
  'storage:write': silent('Store its own data for you'),
  'webhook:send': asked('medium', 'Be told about events that concern you'),
  'room:create': asked('high', 'Create rooms'),
  'room:invite': asked('high', 'Invite people to rooms'),
  'system:notifications': asked('privileged', 'Show system notifications'),
  'wallet:admin': asked('privileged', 'Administer wallets'),
  'messaging:broadcast': asked('privileged', 'Send messages to everyone'),
  'analytics:detailed': asked('privileged', 'See detailed statistics'),
};

/** Granted silently to official apps as well (section 16.9). */
const officialBasics: ReadonlySet<string> = new Set(['user:read', 'storage:read', 'storage:write']);

const storage = ['storage:read', 'storage:write'];
const wallet = ['wallet:balance', 'wallet:pay', 'wallet:history', 'wallet:request'];

/** What each first-party audience holds (decision D2). */
export const firstPartyScopes: Readonly<Record<ReservedAudience, readonly string[]>> = {
  tmcp_store: ['user:read', ...storage],
  tmcp_p2p: ['user:read', ...storage, ...wallet],
  tmcp_wallet: ['user:read', ...storage, ...wallet],
};

/** The scopes of a space-separated list, each once, in order. */
export const parseScopes = (text: string | undefined): string[] => [...new Set((text ?? '').split(' ').filter((scope) => scope !== ''))];

/** `storage:*` and `wallet:*` as first-party clients write them. */
export const expandWildcards = (requested: readonly string[], held: readonly string[]): string[] => [
  ...new Set(requested.flatMap((scope) => (scope.endsWith(':*') && held.some((one) => one.startsWith(scope.slice(0, -1))) ? held.filter((one) => one.startsWith(scope.slice(0, -1))) : [scope]))),
];

/** What this client can ask for at all. Privileged scopes need a grant of their own (decision D3) and are never part of it. */
export const obtainableScopes = (client: Pick<OAuthClient, 'registeredScopes'>): string[] =>
  client.registeredScopes.filter((scope) => Object.hasOwn(scopeDefinitions, scope) && scopeDefinitions[scope]!.sensitivity !== 'privileged');

/** Scopes that only an official app's own backend gets, when it asks for them by name (decision D3, section 16.7). */
export const isPrivileged = (scope: string): boolean => Object.hasOwn(scopeDefinitions, scope) && scopeDefinitions[scope]!.sensitivity === 'privileged';

/** The client must be confidential, so that it authenticates with its secret, of an official app, and registered by an administrator. */
export const privilegedScopes = (client: Pick<OAuthClient, 'registeredScopes' | 'kind' | 'classification' | 'adminRegistered' | 'active'>): string[] =>
  client.kind === 'confidential' && client.classification === 'official' && client.adminRegistered && client.active ? client.registeredScopes.filter(isPrivileged) : [];

export const isPreApproved = (client: Pick<OAuthClient, 'classification'>, scope: string): boolean =>
  scopeDefinitions[scope]?.preApproved === true || (client.classification === 'official' && officialBasics.has(scope));

export interface ScopeDecision {
  /** Obtainable now, because pre-approved or granted before. */
  readonly held: readonly string[];
  /** The user must be asked. */
  readonly consentRequired: readonly string[];
}

/**
 * Decides on requested scopes that are all obtainable (section 5.5, decision D4). Without a request: what needs no consent and
 * what was granted already, never an error.
 */
export function decideScopes(client: OAuthClient, requested: readonly string[] | undefined, granted: ReadonlySet<string>): ScopeDecision {
  const isHeld = (scope: string): boolean => isPreApproved(client, scope) || granted.has(scope);
  const wanted = requested ?? obtainableScopes(client).filter(isHeld);
  return { held: wanted.filter(isHeld), consentRequired: wanted.filter((scope) => !isHeld(scope)) };
}
