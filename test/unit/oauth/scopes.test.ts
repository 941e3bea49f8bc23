import { expect } from 'chai';
import { decideScopes, isPreApproved, obtainableScopes, privilegedScopes, scopeDefinitions } from '../../../src/oauth/scopes.ts';
import type { OAuthClient } from '../../../src/oauth/clients.ts';

/** The tables of specification sections 5.2 and 16.7, as they stand there: sensitivity, and whether the user is asked. */
const specified: Readonly<Record<string, readonly [string, 'asked' | 'silent']>> = {
  'user:read': ['low', 'asked'],
  'user:read:extended': ['medium', 'asked'],
  'user:read:contacts': ['high', 'asked'],
  'wallet:balance': ['high', 'asked'],
  'wallet:pay': ['critical', 'asked'],
  'wallet:history': ['high', 'asked'],
  'wallet:request': ['high', 'asked'],
  'messaging:send': ['high', 'asked'],
  'messaging:read': ['high', 'asked'],
  'storage:read': ['low', 'silent'],
  'storage:write': ['low', 'silent'],
  'webhook:send': ['medium', 'asked'],
  'room:create': ['high', 'asked'],
  'room:invite': ['high', 'asked'],
  'system:notifications': ['privileged', 'asked'],
  'wallet:admin': ['privileged', 'asked'],
  'messaging:broadcast': ['privileged', 'asked'],
  'analytics:detailed': ['privileged', 'asked'],
};

const client = (fields: Partial<OAuthClient>): OAuthClient => ({ clientId: 'ma_x', miniappId: 'ma_x', kind: 'confidential', secretHashes: [], redirectUris: [], registeredScopes: Object.keys(specified), classification: 'community', name: 'X', adminRegistered: true, active: true, owners: [], ...fields });

describe('the scopes', () => {
  it('are those of the specification, as sensitive as it says, and asked for where it says so', () => {
    const ours = Object.fromEntries(Object.entries(scopeDefinitions).map(([scope, { sensitivity, preApproved }]) => [scope, [sensitivity, preApproved ? 'silent' : 'asked']]));
    expect(ours).to.deep.equal(specified);
  });

  it('are named as section 5.1 wants', () => {
    for (const scope of Object.keys(scopeDefinitions)) expect(scope).to.match(/^[a-z]+:[a-z]+(:[a-z]+)?$/);
  });

  it('of official apps need no asking where section 16.9 says so, and nowhere else', () => {
    const silent = (classification: OAuthClient['classification']): string[] => Object.keys(specified).filter((scope) => isPreApproved({ classification }, scope));
    expect(silent('official')).to.deep.equal(['user:read', 'storage:read', 'storage:write']);
    for (const classification of ['verified', 'community', 'beta'] as const) expect(silent(classification), classification).to.deep.equal(['storage:read', 'storage:write']);
  });

  it('that are privileged are for one kind of client', () => {
    const official = client({ classification: 'official' });
    expect(privilegedScopes(official)).to.deep.equal(['system:notifications', 'wallet:admin', 'messaging:broadcast', 'analytics:detailed']);
    for (const other of [{ kind: 'public' }, { classification: 'verified' }, { adminRegistered: false }, { active: false }] as const) expect(privilegedScopes({ ...official, ...other }), JSON.stringify(other)).to.deep.equal([]);
    expect(obtainableScopes(official).some((scope) => specified[scope]![0] === 'privileged')).to.equal(false);
  });

  it('that the prototype of an object has are none', () => {
    const tricky = client({ registeredScopes: ['constructor', '__proto__', 'toString', 'storage:read'] });
    expect(obtainableScopes(tricky)).to.deep.equal(['storage:read']);
    expect(privilegedScopes({ ...tricky, classification: 'official' })).to.deep.equal([]);
  });

  it('without a request are what needs no asking and what was granted, never more than is registered', () => {
    const app = client({ registeredScopes: ['storage:read', 'user:read', 'wallet:pay'] });
    expect(decideScopes(app, undefined, new Set(['user:read', 'messaging:send']))).to.deep.equal({ held: ['storage:read', 'user:read'], consentRequired: [] });
    expect(decideScopes(app, ['storage:read', 'wallet:pay'], new Set())).to.deep.equal({ held: ['storage:read'], consentRequired: ['wallet:pay'] });
  });
});
