import { expect } from 'chai';
import { call, exchange, firstPartyToken } from '../../support/api.ts';
import { onBothDatabases } from '../../support/databases.ts';
import type { WholeServer } from '../../support/whole-server.ts';
import { claimsOf, community, foundWith, idOf, outcome, signIn, startPlatform } from './support.ts';

type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';

/** Every endpoint of the platform, and whose it is. */
const endpoints: readonly (readonly [Method, string, 'developer' | 'admin' | 'both'])[] = [
  ['POST', '/organizations/v1/create', 'developer'],
  ['POST', '/organizations/v1/ORG/members', 'developer'],
  ['PATCH', '/organizations/v1/ORG/members/@erin:example.org', 'developer'],
  ['DELETE', '/organizations/v1/ORG/members/@erin:example.org', 'developer'],
  ['POST', '/organizations/v1/invitations/inv_x/accept', 'developer'],
  ['POST', '/mini-apps/v1/register', 'both'],
  ['GET', '/mini-apps/v1/ma_x/status', 'both'],
  ['GET', '/mini-apps/v1/ma_x/webhooks/deliveries', 'both'],
  ['POST', '/mini-apps/v1/ma_x/webhooks/deliveries/evt_x/replay', 'both'],
  ['POST', '/mini-apps/v1/ma_x/webhooks/test', 'both'],
  ['POST', '/mini-apps/v1/ma_x/secrets/rotate', 'both'],
  ['GET', '/admin/v1/audit', 'admin'],
  ['GET', '/admin/developers/whitelist', 'admin'],
  ['POST', '/admin/developers/whitelist', 'admin'],
  ['DELETE', '/admin/developers/@erin:example.org', 'admin'],
  ['POST', '/admin/v1/developers/@erin:example.org/revoke', 'admin'],
  ['POST', '/admin/v1/mini-apps/ma_x/approve', 'admin'],
];

onBothDatabases('endpoints of the platform', (databases) => {
  let server: WholeServer;
  let orgId: string;
  let credentials: Record<'tep' | 'firstParty' | 'staleTep' | 'basic' | 'wrongBasic' | 'developer' | 'revoked' | 'removed' | 'expired' | 'matrix' | 'admin', string>;

  before(async () => {
    server = await startPlatform(databases, ['dana', 'erin', 'frank', 'grace'], { TMCP_DEVELOPERS_ACCESS_TOKEN_SECONDS: '3600' });
    const expired = (await signIn(server, 'dana')).access;
    server.clock.advance(3_600_000);
    const dana = await signIn(server, 'dana');
    orgId = await foundWith(server, dana, { erin: { tokens: await signIn(server, 'erin'), role: 'viewer' } });
    const registered = await call(server.url, 'POST', '/mini-apps/v1/register', { token: server.adminToken, body: { ...community, miniapp_id: 'ma_backend', technical: { ...community.technical, client_type: 'confidential' } } });
    await call(server.url, 'POST', '/admin/v1/mini-apps/ma_backend/approve', { token: server.adminToken, body: {} });
    const secret = registered.body.credentials.client_secret as string;
    const tep = async (): Promise<string> => (await exchange(server.url, 'syt_dana', { client_id: 'ma_backend', client_secret: secret })).body.access_token as string;
    const staleTep = await tep();
    const revoked = (await signIn(server, 'frank')).access;
    await call(server.url, 'POST', `/admin/v1/developers/${idOf('frank')}/revoke`, { token: server.adminToken, body: {} });
    const removed = (await signIn(server, 'grace')).access;
    await call(server.url, 'DELETE', `/admin/developers/${idOf('grace')}`, { token: server.adminToken });
    const encode = (pair: string): string => `Basic ${Buffer.from(pair).toString('base64')}`;
    credentials = {
      tep: `Bearer ${await tep()}`,
      firstParty: `Bearer ${await firstPartyToken(server.url, 'syt_dana', 'tmcp_store')}`,
      staleTep: `Bearer ${staleTep}`,
      basic: encode(`ma_backend:${secret}`),
      wrongBasic: encode(`ma_backend:${secret}x`),
      developer: `Bearer ${dana.access}`,
      revoked: `Bearer ${revoked}`,
      removed: `Bearer ${removed}`,
      expired: `Bearer ${expired}`,
      matrix: 'Bearer syt_dana',
      admin: `Bearer ${server.adminToken}`,
    };
    expect(claimsOf(staleTep).session_id).not.to.equal(claimsOf(credentials.tep).session_id);
  });
  after(() => server.close());

  for (const [method, path, whose] of endpoints) {
    describe(`${method} ${path}`, () => {
      const as = async (authorization?: string) =>
        outcome(await call(server.url, method, path.replace('ORG', orgId), { headers: { ...(authorization === undefined ? {} : { authorization }) }, ...(method === 'GET' || method === 'DELETE' ? {} : { body: { nonsense: true } }) }));

      it('wants to know who calls', async () => expect(await as()).to.deep.equal([401, 'INVALID_TOKEN']));
      it("is closed to a mini-app's tokens and secrets", async () => {
        for (const which of ['tep', 'firstParty', 'basic'] as const) expect(await as(credentials[which]), which).to.deep.equal([403, 'forbidden_platform_endpoint']);
      });
      it("does not tell that to a mini-app's token or secret that is not good", async () => {
        for (const which of ['staleTep', 'wrongBasic'] as const) expect(await as(credentials[which]), which).to.deep.equal([401, 'INVALID_TOKEN']);
      });
      it('is closed to Matrix tokens', async () => expect(await as(credentials.matrix)).to.deep.equal([401, 'INVALID_TOKEN']));
      it('is closed to a developer whose token was revoked, whose time is over, or who was removed', async () => {
        const expected = whose === 'admin' ? 'INVALID_TOKEN' : 'invalid_developer_token';
        for (const which of ['revoked', 'removed', 'expired'] as const) expect(await as(credentials[which]), which).to.deep.equal([401, expected]);
      });
      if (whose === 'admin') it('is closed to developers', async () => expect(await as(credentials.developer)).to.deep.equal([401, 'INVALID_TOKEN']));
      if (whose === 'developer') it('is closed to administrators', async () => expect(await as(credentials.admin)).to.deep.equal([401, 'INVALID_TOKEN']));
    });
  }

  it('have an error that also says it in one word for deployed clients', async () => {
    const { body, headers } = await call(server.url, 'POST', '/organizations/v1/create', { headers: { authorization: credentials.revoked }, body: { name: 'x' } });
    expect(body.error_description).to.equal('Developer token is invalid or expired');
    expect(headers.get('www-authenticate')).to.equal('Bearer error="invalid_token"');
  });

  it('tell a method that is none of theirs, in the form of their neighbourhood', async () => {
    expect(outcome(await call(server.url, 'GET', '/organizations/v1/create'))).to.deep.equal([405, 'METHOD_NOT_ALLOWED']);
    expect(outcome(await call(server.url, 'GET', '/oauth2/developer/token'))).to.deep.equal([405, 'invalid_request']);
  });

  it('hold a form to what the document says, where it names JSON only', async () => {
    const response = await fetch(`${server.url}/organizations/v1/create`, { method: 'POST', headers: { authorization: credentials.developer }, body: new URLSearchParams({ title: 'x' }) });
    expect(response.status).to.equal(400);
    const founded = await fetch(`${server.url}/organizations/v1/create`, { method: 'POST', headers: { authorization: credentials.developer }, body: new URLSearchParams({ name: 'By form' }) });
    expect(founded.status).to.equal(201);
  });
});
