import { expect } from 'chai';
import { onEachDatabase } from './databases.ts';
import { alice, bearer, call, createWorld, exchange, hour, me, type World } from './support.ts';

onEachDatabase('consent (decision D4)', (fresh) => {
  let world: World;
  beforeEach(async () => {
    world = await createWorld(await fresh());
  });
  afterEach(() => world.close());

  const ask = async (scope = 'user:read wallet:pay storage:read', subject_token = 'syt_alice') => exchange(world.first, { client_id: 'ma_game', subject_token, scope });
  const endpoint = async (scope?: string): Promise<string> => `${world.first.url}${String((await ask(scope)).body.consent_ui_endpoint)}`;
  const approve = (url: string, approved_scopes: unknown, token = 'syt_alice') =>
    call(url, { method: 'POST', headers: { ...bearer(token), 'content-type': 'application/json' }, body: JSON.stringify({ approved_scopes }) });

  it('is asked for what is sensitive and not granted, with both lists', async () => {
    const { status, body } = await ask();
    expect(status).to.equal(403);
    expect(body.consent_ui_endpoint).to.match(/^\/oauth2\/consent\?session=cs_[\w-]{43}$/);
    expect(body).to.deep.include({ error: 'consent_required', error_description: 'User must approve sensitive scopes', consent_required_scopes: ['user:read', 'wallet:pay'], pre_approved_scopes: ['storage:read'] });
    expect(body).not.to.have.any.keys('access_token', 'refresh_token');
  });

  it('is told to the user in words, approved, and remembered', async () => {
    const url = await endpoint();
    const question = await call(url, { headers: bearer('syt_alice') });
    expect(question.status).to.equal(200);
    expect(question.headers.get('cache-control')).to.equal('no-store');
    expect(question.body).to.deep.include({ title: 'Allow A mini-app?', user_id: alice, app: { miniapp_id: 'ma_game', client_id: 'ma_game', name: 'A mini-app', classification: 'verified', verified: true } });
    expect(question.body.requested_scopes).to.deep.equal([
      { scope: 'user:read', description: 'See your name and picture', sensitivity: 'low' },
      { scope: 'wallet:pay', description: 'Ask you to confirm payments', sensitivity: 'critical' },
    ]);
    expect(question.body.approved_scopes).to.deep.equal([{ scope: 'storage:read', description: 'Read what it stored for you', sensitivity: 'low' }]);

    const answer = await approve(url, ['user:read', 'wallet:pay']);
    expect([answer.status, answer.body]).to.deep.equal([200, { approved_scopes: ['user:read', 'wallet:pay'], denied_scopes: [] }]);
    const granted = await ask();
    expect([granted.status, granted.body.scope]).to.deep.equal([200, 'user:read wallet:pay storage:read']);
    expect((await me(world.first, granted.body.access_token)).body.scopes).to.deep.equal(['user:read', 'wallet:pay', 'storage:read']);
  });

  it('of some scopes leaves the rest to be asked again, and grants them without being asked', async () => {
    const answer = await approve(await endpoint(), ['user:read']);
    expect(answer.body).to.deep.equal({ approved_scopes: ['user:read'], denied_scopes: ['wallet:pay'] });
    const again = await ask();
    expect(again.body).to.deep.include({ consent_required_scopes: ['wallet:pay'], pre_approved_scopes: ['user:read', 'storage:read'] });
    const without = await exchange(world.first, { client_id: 'ma_game', subject_token: 'syt_alice' });
    expect([without.status, without.body.scope]).to.deep.equal([200, 'user:read storage:read storage:write']);
    const rows = await world.first.database.sql('scope_grant').orderBy('scope').select('scope', 'state', 'method');
    expect(rows.map((row: Record<string, unknown>) => ({ ...row }))).to.deep.equal([
      { scope: 'user:read', state: 'granted', method: 'user_consent' },
      { scope: 'wallet:pay', state: 'denied', method: 'user_consent' },
    ]);
  });

  it('can be given after it was denied', async () => {
    await approve(await endpoint(), []);
    await approve(await endpoint(), ['user:read', 'wallet:pay']);
    expect((await ask()).status).to.equal(200);
  });

  it('counts for that user and that mini-app only', async () => {
    await approve(await endpoint(), ['user:read', 'wallet:pay']);
    expect((await ask(undefined, 'syt_bob')).status).to.equal(403);
    expect((await exchange(world.first, { client_id: 'ma_other', subject_token: 'syt_alice', scope: 'wallet:pay' })).status).to.equal(403);
  });

  it('is taken as a form too', async () => {
    const answer = await call(await endpoint(), { method: 'POST', headers: bearer('syt_alice'), body: new URLSearchParams({ approved_scopes: 'user:read wallet:pay' }) });
    expect([answer.status, answer.body.denied_scopes]).to.deep.equal([200, []]);
  });

  it('of another user is refused, for reading and answering', async () => {
    const url = await endpoint();
    for (const answer of [await approve(url, ['wallet:pay'], 'syt_bob'), await call(url, { headers: bearer('syt_bob') })]) {
      expect([answer.status, answer.body.error]).to.deep.equal([403, 'access_denied']);
    }
    expect((await ask()).status).to.equal(403);
  });

  it('needs more than the session id', async () => {
    const url = await endpoint();
    const nothing = await call(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"approved_scopes":["wallet:pay"]}' });
    expect(nothing.status).to.equal(401);
    expect(nothing.headers.get('www-authenticate')).to.equal('Bearer');
    expect((await ask()).status).to.equal(403);
  });

  it('can not be given with an OpenID token, a TEP, or the mini-app\'s refresh token', async () => {
    const url = await endpoint();
    world.identity.openId.set('oid_consent', alice);
    const session = (await exchange(world.first, { client_id: 'ma_game', subject_token: 'syt_alice_2' })).body;
    for (const token of ['oid_consent', String(session.access_token), String(session.refresh_token)]) {
      const answer = await approve(url, ['wallet:pay'], token);
      expect([answer.status, answer.body.error]).to.deep.equal([401, 'invalid_grant']);
    }
    expect((await ask()).status).to.equal(403);
  });

  it('can not exceed what was asked', async () => {
    const url = await endpoint('wallet:pay');
    const answer = await approve(url, ['wallet:pay', 'user:read']);
    expect([answer.status, answer.body.error, answer.body.scope]).to.deep.equal([400, 'invalid_scope', 'user:read']);
    expect((await ask('wallet:pay')).status).to.equal(403);
  });

  it('is answered once', async () => {
    const url = await endpoint();
    // Warm connections, so that the answers meet in the database.
    await Promise.all(Array.from({ length: 12 }, () => call(url, { headers: bearer('syt_alice') })));
    const answers = await Promise.all(Array.from({ length: 12 }, (_, i) => approve(url, i % 2 === 0 ? ['wallet:pay'] : [])));
    expect(answers.map((answer) => answer.status).sort()).to.deep.equal([200, ...Array.from({ length: 11 }, () => 404)]);
    expect((await call(url, { headers: bearer('syt_alice') })).status).to.equal(404);
  });

  it('waits ten minutes', async () => {
    const url = await endpoint();
    world.clock.advance(hour / 6);
    expect((await approve(url, ['wallet:pay'])).status).to.equal(404);
  });

  it('answers bad requests as such', async () => {
    const url = await endpoint();
    expect((await approve(url, 'x'.repeat(20_000))).status).to.equal(413);
    expect((await approve(url, [1])).status).to.equal(400);
    expect((await approve(`${world.first.url}/oauth2/consent?session=cs_unknown`, [])).status).to.equal(404);
    expect((await approve(`${world.first.url}/oauth2/consent`, [])).status).to.equal(400);
    const text = await call(url, { method: 'POST', headers: { ...bearer('syt_alice'), 'content-type': 'text/plain' }, body: 'x' });
    expect(text.status).to.equal(415);
    expect((await call(url, { method: 'DELETE' })).status).to.equal(405);
  });
});
