import { generateKeyPairSync, sign } from 'node:crypto';
import { expect } from 'chai';
import { AppError } from '../../../src/kernel/errors.ts';
import { asUserId } from '../../../src/kernel/ids.ts';
import { createAccessTokens } from '../../../src/oauth/access-tokens.ts';
import { createJwts, createSignedTokens } from '../../../src/oauth/jwt.ts';
import type { Session } from '../../../src/oauth/session-repo.ts';

/** Tokens whose signature is right and whose content is not: what a bug or another use of the key could bring about. */
describe('a validly signed token', () => {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const now = 1_800_000_000_000;
  const issuer = 'https://tmcp.example';
  const session: Session = {
    id: 'ses_1',
    userId: asUserId('@alice:example.org'),
    clientId: 'ma_game',
    audience: 'ma_game',
    scopes: ['storage:read'],
    context: undefined,
    walletId: 'tw_1',
    origin: 'token_exchange',
    provenBy: 'whoami',
    provenAt: now,
    deviceId: undefined,
    privilegedUntil: undefined,
    createdAt: now,
    expiresAt: now + 1_000_000,
  };
  const clock = { now: () => now };
  const signedTokens = createSignedTokens(createJwts({
    issuer,
    clock,
    keys: {
      prepare: () => Promise.resolve(),
      signer: () => Promise.resolve({ kid: 'k1', privateKey }),
      findPublicKey: (kid) => Promise.resolve(kid === 'k1' ? publicKey : undefined),
      publicJwks: () => Promise.resolve({ keys: [] }),
      rotate: () => Promise.resolve('k1'),
      rotateIfDue: () => Promise.resolve(false),
    },
  }));
  const tokens = createAccessTokens({
    issuer,
    clock,
    tokens: signedTokens,
    sessions: { find: (id) => Promise.resolve(id === 'ses_1' ? session : undefined), findFresh: () => Promise.resolve(undefined), forget: () => undefined, clear: () => undefined },
  });

  const seconds = now / 1000;
  const header = { alg: 'RS256', typ: 'JWT', kid: 'k1' };
  const claims = { iss: issuer, sub: '@alice:example.org', aud: 'ma_game', exp: seconds + 100, iat: seconds, nbf: seconds, jti: 'at_1', token_type: 'tep_access_token', client_id: 'ma_game', azp: 'ma_game', scope: 'storage:read', wallet_id: 'tw_1', session_id: 'ses_1' };
  const segment = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = (head: unknown, payload: unknown): string => {
    const input = `${segment(head)}.${segment(payload)}`;
    return `tep.${input}.${sign('RSA-SHA256', Buffer.from(input), privateKey).toString('base64url')}`;
  };
  const outcome = (token: string): Promise<string> =>
    tokens.verify(token).then(
      () => 'accepted',
      (error: unknown) => (error instanceof AppError ? error.code : String(error)),
    );

  it('is accepted when all is right', async () => {
    expect(await outcome(signed(header, claims))).to.equal('accepted');
    expect(await outcome(await tokens.sign({ session, scopes: session.scopes, lifetimeMs: 60_000, facts: {} }))).to.equal('accepted');
  });

  const badClaims: Record<string, object> = {
    'another issuer': { iss: 'https://tmcp.example.evil' },
    'another audience': { aud: 'ma_other' },
    'several audiences': { aud: ['ma_game', 'ma_other'] },
    'another subject': { sub: '@bob:example.org' },
    'another client': { client_id: 'ma_other' },
    'another authorized party': { azp: 'ma_other' },
    'another token_type': { token_type: 'developer_token' },
    'no token_type': { token_type: undefined },
    'an end that has come': { exp: seconds },
    'no end': { exp: undefined },
    'an end that is a text': { exp: String(seconds + 100) },
    'an end in infinity': { exp: 1e400 },
    'a beginning that has not come': { nbf: seconds + 6 },
    'no beginning': { nbf: undefined },
    'an issue in the future': { iat: seconds + 6 },
    'an unknown session': { session_id: 'ses_2' },
    'no session': { session_id: undefined },
  };
  for (const [what, change] of Object.entries(badClaims)) {
    it(`is refused with ${what}`, async () => expect(await outcome(signed(header, { ...claims, ...change }))).to.equal('INVALID_TOKEN'));
  }

  const badHeaders: Record<string, object> = { 'alg none': { alg: 'none' }, 'alg HS256': { alg: 'HS256' }, 'alg PS256': { alg: 'PS256' }, 'no alg': { alg: undefined }, 'another typ': { typ: 'at+jwt' }, 'an unknown kid': { kid: 'k2' }, 'no kid': { kid: undefined }, 'critical extensions': { crit: ['b64'], b64: false } };
  for (const [what, change] of Object.entries(badHeaders)) {
    it(`is refused with ${what} in its header`, async () => expect(await outcome(signed({ ...header, ...change }, claims))).to.equal('INVALID_TOKEN'));
  }

  it('is refused when it is not about an object', async () => {
    for (const payload of [null, [], 'text', 1]) expect(await outcome(signed(header, payload))).to.equal('INVALID_TOKEN');
    for (const head of [null, [], 'text', 1]) expect(await outcome(signed(head, claims))).to.equal('INVALID_TOKEN');
  });
});
