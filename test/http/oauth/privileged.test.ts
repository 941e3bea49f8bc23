import { expect } from 'chai';
import type { OAuthAudit } from '../../../src/oauth/index.ts';
import { authorizeUrl, answerOf, Browser, newPkce } from './browser.ts';
import { onEachDatabase } from './databases.ts';
import { alice, basic, bearer, call, createWorld, exchange, hour, me, postForm, secrets, type Answer, type World } from './support.ts';

type Json = Record<string, unknown>;
const claimsOf = (token: unknown): Json => JSON.parse(Buffer.from(String(token).split('.')[2]!, 'base64url').toString()) as Json;
const bank = basic('ma_bank_backend', secrets.bank);

onEachDatabase('privileged tokens (decision D3, section 16.9)', (fresh) => {
  let world: World;
  type Opened = Extract<OAuthAudit, { action: 'session.opened' | 'session.opened_privileged' }>;
  /** Privileged ones. */
  let audited: Opened[];
  let auditFails: boolean;
  beforeEach(async () => {
    audited = [];
    auditFails = false;
    const audit = (_tx: unknown, entry: OAuthAudit): Promise<void> => {
      if (auditFails) return Promise.reject(new Error('the log is full'));
      if (entry.action === 'session.opened_privileged') audited.push(entry);
      return Promise.resolve();
    };
    world = await createWorld(await fresh(), { deps: { audit } });
  });
  afterEach(() => world.close());

  const ask = (scope: string | undefined, headers: Record<string, string> = bank, more: Record<string, string> = {}): Promise<Answer> =>
    exchange(world.first, { subject_token: 'syt_alice', ...(scope === undefined ? {} : { scope }), ...more }, headers);
  /** As above, with alice's consent. */
  const agreed = async (scope: string): Promise<Answer> => {
    const { body } = await ask(scope);
    await call(world.first.url + String(body.consent_ui_endpoint), { method: 'POST', headers: { ...bearer('syt_alice'), 'content-type': 'application/json' }, body: JSON.stringify({ approved_scopes: body.consent_required_scopes }) });
    return ask(scope);
  };
  const expectRefused = ({ status, body }: Answer) => expect([status, body.error]).to.deep.equal([400, 'invalid_scope']);

  it('are given to an official app\'s backend, for an hour, after explicit consent, and are audited', async () => {
    const asked = await ask('user:read wallet:admin');
    expect([asked.status, asked.body.error, asked.body.consent_required_scopes]).to.deep.equal([403, 'consent_required', ['wallet:admin']]);
    const { status, body } = await agreed('user:read wallet:admin');
    expect(status).to.equal(200);
    expect(body).to.include({ expires_in: 3600, scope: 'user:read wallet:admin', privileged: true, user_id: alice });
    expect(body).not.to.have.property('refresh_token');
    const claims = claimsOf(body.access_token);
    expect(claims).to.include({ privileged: true, privileged_until: body.privileged_until, sub: alice, aud: 'ma_bank' });
    expect(Number(claims.exp) - Number(claims.iat)).to.equal(3600);
    expect((await me(world.first, body.access_token)).body).to.include({ privileged: true, userId: alice });
    expect(audited.map(({ clientId, userId, scopes, sessionId, how }) => ({ clientId, userId, scopes, sessionId, how }))).to.deep.equal([
      { clientId: 'ma_bank_backend', userId: alice, scopes: ['user:read', 'wallet:admin'], sessionId: claims.session_id, how: 'token_exchange' },
    ]);
    world.clock.advance(hour);
    expect((await me(world.first, body.access_token)).status).to.equal(401);
  });

  it('are not given unless they are asked for by name', async () => {
    await agreed('wallet:admin');
    const { body } = await ask(undefined);
    expect(body).to.include({ scope: 'user:read storage:read', privileged: false });
    expect(body.refresh_token).to.match(/^rt_/);
    expect(claimsOf(body.access_token)).not.to.have.property('privileged');
    expect(audited).to.have.length(1);
  });

  it('of the client itself have no user, and are audited', async () => {
    const own = (scope?: string) => postForm(`${world.first.url}/oauth2/token`, { grant_type: 'client_credentials', ...(scope === undefined ? {} : { scope }) }, bank);
    const { status, body } = await own('system:notifications');
    expect([status, body.privileged, body.expires_in]).to.deep.equal([200, true, 3600]);
    expect(claimsOf(body.access_token)).to.include({ sub: 'ma_bank_backend', privileged: true });
    expect((await me(world.first, body.access_token)).status).to.equal(401);
    expect(audited.map(({ userId, scopes }) => [userId, scopes])).to.deep.equal([[undefined, ['system:notifications']]]);
    expect((await own()).body).to.include({ scope: 'user:read storage:read' }).and.not.have.property('privileged');
    expect(audited).to.have.length(1);
  });

  it('that can not be audited are not given', async () => {
    await agreed('wallet:admin');
    auditFails = true;
    expect((await ask('wallet:admin')).status).to.equal(500);
    expect((await postForm(`${world.first.url}/oauth2/token`, { grant_type: 'client_credentials', scope: 'wallet:admin' }, bank)).status).to.equal(500);
    expect(await world.first.database.sql('client_session').select('*')).to.deep.equal([]);
    const without = await world.startInstance({ audit: undefined } as never);
    expectRefused(await exchange(without, { subject_token: 'syt_alice', scope: 'wallet:admin' }, bank));
  });

  it('are nothing to the public half of the same app', async () => expectRefused(await ask('wallet:admin', {}, { client_id: 'ma_bank' })));
  it('are nothing without the secret', async () => {
    const { status, body } = await ask('wallet:admin', {}, { client_id: 'ma_bank_backend' });
    expect([status, body.error]).to.deep.equal([401, 'invalid_client']);
  });

  const lacking: Record<string, object> = {
    'that a developer registered': { adminRegistered: false },
    'that is not official': { classification: 'verified' },
    'that is suspended': { active: false, owners: [alice] },
    'that did not register the scope': { registeredScopes: ['user:read'] },
  };
  for (const [what, change] of Object.entries(lacking)) {
    it(`are nothing to an app ${what}`, async () => {
      world.clients.set('ma_bank_backend', { ...world.clients.get('ma_bank_backend')!, ...change });
      expectRefused(await ask('wallet:admin'));
      expectRefused(await postForm(`${world.first.url}/oauth2/token`, { grant_type: 'client_credentials', scope: 'wallet:admin' }, bank));
      expect(audited).to.deep.equal([]);
    });
  }

  it('are not had by code or device', async () => {
    const page = await new Browser(world.issuer).go(authorizeUrl(world, newPkce(), { client_id: 'ma_bank_backend', scope: 'wallet:admin' }));
    expect(answerOf(page).error).to.equal('invalid_scope');
    expectRefused(await postForm(`${world.first.url}/oauth2/device/authorization`, { scope: 'wallet:admin' }, bank));
  });
});
