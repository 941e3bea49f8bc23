import { expect } from 'chai';
import { databaseKinds, opener } from './databases.ts';
import { alice, basic, bob, createWorld, exchange, me, openIdTokenType, secrets, type Answer, type World } from './support.ts';

const invalidGrant = { error: 'invalid_grant', error_description: 'Matrix token is invalid or expired' };
const sqlite = async () => opener(await databaseKinds[0]!.create());

function expectRefused(answer: Answer): void {
  expect(answer.status).to.equal(401);
  expect(answer.body).to.deep.equal(invalidGrant);
}

function expectUnavailable(answer: Answer): void {
  expect(answer.status).to.equal(503);
  expect(answer.body.error).to.equal('temporarily_unavailable');
  expect(answer.headers.get('retry-after')).to.equal('5');
}

describe('proof by the homeserver (decision D1.3)', () => {
  let world: World;
  before(async () => {
    world = await createWorld(await sqlite());
  });
  after(() => world.close());
  afterEach(() => {
    world.identity.failWith = undefined;
  });
  const asGame = (subject_token: string) => exchange(world.first, { client_id: 'ma_game', subject_token });

  const accounts = {
    'a guest': { user_id: '@guest:example.org', is_guest: true },
    'a user of another server': { user_id: '@alice:elsewhere.example', is_guest: false },
    'a user whose server only ends like ours': { user_id: '@alice:evil.example.org', is_guest: false },
    'our own bot': { user_id: '@_tmcp:example.org', is_guest: false },
    'our payment user': { user_id: '@_tmcp_payments:example.org', is_guest: false },
    'a mini-app\'s user': { user_id: '@ma_shop:example.org', is_guest: false },
  };
  for (const [who, account] of Object.entries(accounts)) {
    it(`refuses ${who}`, async () => {
      world.identity.whoami.set('syt_case', account);
      expectRefused(await asGame('syt_case'));
    });
  }

  it('refuses a token that the homeserver does not know', async () => expectRefused(await asGame('syt_nobody')));

  it('asks for every exchange: a token that was ended is refused at once', async () => {
    world.identity.whoami.set('syt_ending', { user_id: bob, is_guest: false });
    expect((await asGame('syt_ending')).status).to.equal(200);
    world.identity.whoami.delete('syt_ending');
    expectRefused(await asGame('syt_ending'));
  });

  for (const token of ['two words', 'syt\r\nX-Injected: 1', 'sÿt', 'x'.repeat(5000)]) {
    it(`refuses ${JSON.stringify(token.slice(0, 20))} without asking anyone`, async () => {
      const before = world.identity.requests.length;
      expectRefused(await asGame(token));
      expect(world.identity.requests.length).to.equal(before);
    });
  }

  for (const status of [500, 502, 429, 404]) {
    it(`says "temporarily unavailable" when the homeserver answers ${status}`, async () => {
      world.identity.failWith = status;
      expectUnavailable(await asGame('syt_alice'));
    });
  }

  it('says so when nobody is there', async () => {
    const gone = await createWorld(await sqlite());
    await gone.identity.close();
    expectUnavailable(await exchange(gone.first, { client_id: 'ma_game', subject_token: 'syt_alice' }));
    await gone.close().catch(() => undefined);
  });
});

describe('proof by an OpenID token (decision D1.1)', () => {
  let world: World;
  before(async () => {
    world = await createWorld(await sqlite());
  });
  after(() => world.close());
  afterEach(() => {
    world.identity.failWith = undefined;
  });

  const asBackend = (subject_token: string, more: Record<string, string> = {}) =>
    exchange(world.first, { subject_token, subject_token_type: openIdTokenType, ...more }, basic('ma_shop_backend', secrets.shop));

  it('counts from a confidential client that authenticates, for itself', async () => {
    world.identity.openId.set('oid_1', alice);
    const { status, body } = await asBackend('oid_1');
    expect(status).to.equal(200);
    expect((await me(world.first, body.access_token)).body).to.deep.include({ userId: alice, clientId: 'ma_shop_backend', audience: 'ma_shop', provenBy: 'openid' });
  });

  it('is spent on first use, on every instance', async () => {
    world.identity.openId.set('oid_2', alice);
    expect((await asBackend('oid_2')).status).to.equal(200);
    expectRefused(await asBackend('oid_2'));
    const other = await world.startInstance();
    expectRefused(await exchange(other, { subject_token: 'oid_2', subject_token_type: openIdTokenType }, basic('ma_server', secrets.server)));
  });

  it('opens one session when it is used many times at once', async () => {
    world.identity.openId.set('oid_race', alice);
    const answers = await Promise.all(Array.from({ length: 8 }, () => asBackend('oid_race')));
    expect(answers.map((answer) => answer.status).sort()).to.deep.equal([200, ...Array.from({ length: 7 }, () => 401)]);
  });

  it('is spent even when consent is still missing', async () => {
    world.identity.openId.set('oid_3', alice);
    expect((await asBackend('oid_3', { scope: 'wallet:pay' })).status).to.equal(403);
    expectRefused(await asBackend('oid_3'));
  });

  it('is refused from a public client, before anybody is asked', async () => {
    world.identity.openId.set('oid_4', alice);
    const before = world.identity.requests.length;
    const { status, body } = await exchange(world.first, { client_id: 'ma_game', subject_token: 'oid_4', subject_token_type: openIdTokenType });
    expect([status, body.error]).to.deep.equal([400, 'unauthorized_client']);
    expect(world.identity.requests.length).to.equal(before);
    expect((await asBackend('oid_4')).status).to.equal(200);
  });

  it('does not pass for an access token, nor an access token for it', async () => {
    world.identity.openId.set('oid_5', alice);
    expectRefused(await exchange(world.first, { client_id: 'ma_game', subject_token: 'oid_5' }));
    expectRefused(await asBackend('syt_alice'));
  });

  const subjects = { 'another server': '@alice:elsewhere.example', 'our own namespace': '@ma_shop:example.org', 'no user id': 'alice' };
  for (const [what, sub] of Object.entries(subjects)) {
    it(`is refused when sub names ${what}`, async () => {
      world.identity.openId.set('oid_6', sub);
      expectRefused(await asBackend('oid_6'));
    });
  }

  for (const server of ['elsewhere.example', 'example.org:8448', 'EXAMPLE.ORG', 'accepted.example/..', 'accepted.example@elsewhere.example', '']) {
    it(`is not looked for at ${JSON.stringify(server)}`, async () => {
      world.identity.openId.set('oid_7', `@alice:${server}`);
      const before = world.identity.requests.length;
      const answer = await asBackend('oid_7', { matrix_server_name: server });
      expectRefused(answer);
      expect(world.identity.requests.length).to.equal(server === '' ? before + 1 : before);
    });
  }

  it('is not followed to a private address, even for an accepted server', async () => {
    world.identity.openId.set('oid_8', '@carol:accepted.example');
    const before = world.identity.requests.length;
    expectUnavailable(await asBackend('oid_8', { matrix_server_name: 'accepted.example' }));
    expect(world.identity.requests.length).to.equal(before);
  });

  it('is not lost when the homeserver is away', async () => {
    world.identity.openId.set('oid_9', alice);
    world.identity.failWith = 503;
    expectUnavailable(await asBackend('oid_9'));
    world.identity.failWith = undefined;
    expect((await asBackend('oid_9')).status).to.equal(200);
  });
});

describe('proof by the Matrix Authentication Service (decision D1.2)', () => {
  let world: World;
  const element = '01HELEMENTWEBCLIENT0000000';
  const api = 'urn:matrix:org.matrix.msc2967.client:api:*';
  const session = (fields: Record<string, unknown> = {}) => ({
    active: true,
    scope: `openid ${api} urn:matrix:org.matrix.msc2967.client:device:AABBCCDD`,
    client_id: element,
    username: 'alice',
    token_type: 'access_token',
    exp: Math.floor(Date.now() / 1000) + 300,
    iat: Math.floor(Date.now() / 1000),
    sub: '01HULIDOFALICE000000000000',
    jti: '01HTOKEN0000000000000000000',
    ...fields,
  });

  before(async () => {
    world = await createWorld(await sqlite(), { mas: true });
  });
  after(() => world.close());
  afterEach(() => {
    world.identity.failWith = undefined;
  });
  const asGame = (fields: Record<string, unknown>) => {
    world.identity.introspection.set('mat_case', session(fields));
    return exchange(world.first, { client_id: 'ma_game', subject_token: 'mat_case' });
  };

  it('takes the user from username, not from the ULID in sub', async () => {
    const { status, body } = await asGame({});
    expect(status).to.equal(200);
    expect(body.user_id).to.equal(alice);
    expect((await me(world.first, body.access_token)).body).to.deep.include({ userId: alice, provenBy: 'mas', deviceId: 'AABBCCDD' });
  });

  it('knows both spellings of the scopes, and the device beside them', async () => {
    const { body } = await asGame({ scope: 'urn:matrix:client:api:* urn:matrix:client:device:STABLE' });
    expect((await me(world.first, body.access_token)).body.deviceId).to.equal('STABLE');
    const compatibility = await asGame({ scope: 'urn:matrix:client:api:*', device_id: 'COMPAT' });
    expect((await me(world.first, compatibility.body.access_token)).body.deviceId).to.equal('COMPAT');
  });

  it('does not ask the homeserver', async () => {
    world.identity.introspection.delete('syt_alice');
    expectRefused(await exchange(world.first, { client_id: 'ma_game', subject_token: 'syt_alice' }));
    expect(world.identity.requests.map((request) => request.path)).not.to.contain('/_matrix/client/v3/account/whoami');
  });

  const refused = {
    'an inactive token': { active: false },
    'active that is not true': { active: 'true' },
    'a relying party\'s "openid" token': { scope: 'openid email' },
    'a scope that only contains the right one': { scope: `x${api}` },
    'a token without a username: a client\'s own': { username: undefined },
    'an empty username': { username: '' },
    'a username that would name another server': { username: 'alice:elsewhere.example' },
    'a virtual user': { username: '_tmcp_payments' },
    'a token that has expired by our clock': { exp: Math.floor(Date.now() / 1000) - 1 },
    'a refresh token': { token_type: 'refresh_token' },
    'a mini-app\'s client': { client_id: 'ma_game' },
    'no client': { client_id: undefined },
  };
  for (const [what, fields] of Object.entries(refused)) {
    it(`refuses ${what}`, async () => expectRefused(await asGame(fields)));
  }

  it('says "temporarily unavailable" when MAS fails, and recovers', async () => {
    world.identity.failWith = 500;
    expectUnavailable(await asGame({}));
    world.identity.failWith = undefined;
    expect((await asGame({})).status).to.equal(200);
  });

  it('counts only the clients of mas.host_clients where that is set', async () => {
    const strict = await createWorld(await sqlite(), { mas: true, hostClients: ['01HOTHERHOST00000000000000'] });
    strict.identity.introspection.set('mat_a', session());
    strict.identity.introspection.set('mat_b', session({ client_id: '01HOTHERHOST00000000000000' }));
    expectRefused(await exchange(strict.first, { client_id: 'ma_game', subject_token: 'mat_a' }));
    expect((await exchange(strict.first, { client_id: 'ma_game', subject_token: 'mat_b' })).status).to.equal(200);
    await strict.close();
  });
});
