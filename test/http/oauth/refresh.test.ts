import { expect } from 'chai';
import { purgeExpired } from '../../../src/oauth/index.ts';
import { onEachDatabase } from './databases.ts';
import { alice, basic, createWorld, exchange, hour, me, postForm, secrets, type Answer, type Instance, type World } from './support.ts';

const day = 24 * hour;

onEachDatabase('refresh, introspection, revocation', (fresh) => {
  let world: World;
  beforeEach(async () => {
    world = await createWorld(await fresh());
  });
  afterEach(() => world.close());

  const open = async (client_id = 'ma_game', subject_token = 'syt_alice', more: Record<string, string> = {}) => (await exchange(world.first, { client_id, subject_token, ...more })).body as Record<string, string>;
  const refresh = (refresh_token: string | undefined, more: Record<string, string> = {}, instance: Instance = world.first, headers: Record<string, string> = {}): Promise<Answer> =>
    postForm(`${instance.url}/oauth2/token`, { grant_type: 'refresh_token', refresh_token: String(refresh_token), ...(headers.authorization === undefined ? { client_id: 'ma_game' } : {}), ...more }, headers);
  const introspect = (token: string | undefined, more: Record<string, string> = { client_id: 'ma_game' }, headers: Record<string, string> = {}) => postForm(`${world.first.url}/oauth2/introspect`, { token: String(token), ...more }, headers);
  const revoke = (token: string | undefined, more: Record<string, string> = { client_id: 'ma_game' }, headers: Record<string, string> = {}) => postForm(`${world.first.url}/oauth2/revoke`, { token: String(token), ...more }, headers);
  const expectInvalidGrant = ({ status, body }: Answer) => expect([status, body.error]).to.deep.equal([400, 'invalid_grant']);

  describe('refresh', () => {
    it('gives a new pair of the same session, with TMCP\'s fields', async () => {
      const first = await open();
      const { status, body } = await refresh(first.refresh_token);
      expect(status).to.equal(200);
      expect(body).to.include({ token_type: 'Bearer', expires_in: 86_400, scope: first.scope, user_id: alice, wallet_id: first.wallet_id });
      expect(body.refresh_token).to.match(/^rt_/).and.not.equal(first.refresh_token);
      const [before, after] = [(await me(world.first, first.access_token)).body, (await me(world.first, body.access_token)).body];
      expect(after).to.deep.equal(before);
    });

    describe('of a used token', () => {
      const expectDead = async (...families: Record<string, unknown>[]): Promise<void> => {
        for (const { access_token: token, refresh_token } of families) {
          expect((await me(world.first, token)).status).to.equal(401);
          expectInvalidGrant(await refresh(String(refresh_token)));
        }
      };

      it('gets the same successor within ten seconds: its answer may have been lost', async () => {
        world.clock.freeze();
        const first = await open();
        const second = (await refresh(first.refresh_token)).body;
        world.clock.advance(9_999);
        const again = await refresh(first.refresh_token);
        expect([again.status, again.body.refresh_token]).to.deep.equal([200, second.refresh_token]);
        expect(again.body.access_token).not.to.equal(second.access_token);
        for (const token of [second.access_token, again.body.access_token]) expect((await me(world.first, token)).status).to.equal(200);
        expect((await refresh(String(second.refresh_token))).status).to.equal(200);
      });

      it('gets it from another instance too', async () => {
        const other = await world.startRival();
        const first = await open();
        const second = (await refresh(first.refresh_token)).body;
        expect((await refresh(first.refresh_token, {}, other)).body.refresh_token).to.equal(second.refresh_token);
      });

      it('ends the whole family after ten seconds', async () => {
        world.clock.freeze();
        const first = await open();
        const second = (await refresh(first.refresh_token)).body;
        world.clock.advance(10_000);
        expectInvalidGrant(await refresh(first.refresh_token));
        await expectDead(first, second);
      });

      it('ends it the second time', async () => {
        const first = await open();
        const second = (await refresh(first.refresh_token)).body;
        expect((await refresh(first.refresh_token)).status).to.equal(200);
        expectInvalidGrant(await refresh(first.refresh_token));
        await expectDead(first, second);
      });

      it('ends it when the successor is in use already', async () => {
        const first = await open();
        const second = (await refresh(first.refresh_token)).body;
        const third = (await refresh(String(second.refresh_token))).body;
        expectInvalidGrant(await refresh(first.refresh_token));
        await expectDead(second, third);
      });

      it('ends it when something else is asked', async () => {
        const first = await open();
        const second = (await refresh(first.refresh_token)).body;
        expectInvalidGrant(await refresh(first.refresh_token, { scope: 'storage:read' }));
        await expectDead(second);
      });

      it('by a client that it is not of changes nothing', async () => {
        const first = await open();
        const second = (await refresh(first.refresh_token)).body;
        for (let i = 0; i < 3; i += 1) expectInvalidGrant(await refresh(first.refresh_token, { client_id: 'ma_other' }));
        expect((await refresh(String(second.refresh_token))).status).to.equal(200);
      });

      it('leaves other families alone', async () => {
        const other = await open('ma_game', 'syt_alice_2');
        const first = await open();
        for (let i = 0; i < 3; i += 1) await refresh(first.refresh_token);
        expect((await me(world.first, other.access_token)).status).to.equal(200);
        expect((await refresh(other.refresh_token)).status).to.equal(200);
      });

      it('can not be found from what the database holds', async () => {
        const first = await open();
        const second = (await refresh(first.refresh_token)).body;
        const stored = JSON.stringify(await world.first.database.sql('oidc_entry').select('*'));
        for (const secret of [first.refresh_token, second.refresh_token]) expect(stored).not.to.contain(String(secret)).and.not.to.contain(String(secret).slice(3));
      });
    });

    it('twice at once is one refresh and its repetition; they agree', async () => {
      const other = await world.startRival();
      for (let round = 0; round < 10; round += 1) {
        const first = await open();
        const answers = await Promise.all([refresh(first.refresh_token), refresh(first.refresh_token, {}, other)]);
        expect(answers.map((answer) => answer.status)).to.deep.equal([200, 200]);
        expect(answers[0].body.refresh_token).to.equal(answers[1].body.refresh_token);
        expect((await refresh(String(answers[0].body.refresh_token))).status).to.equal(200);
      }
    });

    it('many times at once yields one successor, which dies with the family', async () => {
      const other = await world.startRival();
      for (let round = 0; round < 5; round += 1) {
        const first = await open('ma_game', 'syt_alice');
        const answers = await Promise.all(Array.from({ length: 8 }, (_, i) => refresh(first.refresh_token, {}, i % 2 === 0 ? world.first : other)));
        const successors = answers.filter((answer) => answer.status === 200).map((answer) => String(answer.body.refresh_token));
        expect(new Set(successors).size).to.be.lessThan(2);
        for (const answer of answers.filter((one) => one.status !== 200)) expectInvalidGrant(answer);
        for (const successor of successors) expectInvalidGrant(await refresh(successor));
      }
    });

    it('loses nothing when the process dies in the middle of it', async () => {
      const first = await open();
      const { database } = world.first;
      let failures = 0;
      const dying = await world.startInstance({
        database: {
          ...database,
          // What a crash does to a transaction: all of its work is done, and it does not commit.
          inTransaction: (work) =>
            database.inTransaction(async (tx) => {
              await work(tx);
              failures += 1;
              throw new Error('the process died');
            }),
        },
      });
      expect((await refresh(first.refresh_token, {}, dying)).status).to.equal(500);
      expect(failures).to.equal(1);
      const after = await refresh(first.refresh_token);
      expect(after.status).to.equal(200);
      expect((await refresh(String(after.body.refresh_token))).status).to.equal(200);
    });

    it('can narrow the scope and not widen it', async () => {
      const first = await open();
      const narrowed = await refresh(first.refresh_token, { scope: 'storage:read' });
      expect(narrowed.body.scope).to.equal('storage:read');
      const widened = await refresh(String(narrowed.body.refresh_token), { scope: 'storage:read wallet:pay' });
      expect([widened.status, widened.body.error]).to.deep.equal([400, 'invalid_scope']);
    });

    it('loses the scopes that the app no longer registers', async () => {
      const first = await open();
      world.clients.set('ma_game', { ...world.clients.get('ma_game')!, registeredScopes: ['storage:read'] });
      expect((await refresh(first.refresh_token)).body.scope).to.equal('storage:read');
    });

    it('is for the client that has the token', async () => {
      const first = await open();
      expectInvalidGrant(await refresh(first.refresh_token, { client_id: 'ma_other' }));
      expect((await refresh(first.refresh_token)).status).to.equal(200);
    });

    it('of a confidential client needs its secret', async () => {
      const first = await open('ma_shop_backend', 'syt_alice', { client_secret: secrets.shop });
      const without = await refresh(first.refresh_token, { client_id: 'ma_shop_backend' });
      expect([without.status, without.body.error]).to.deep.equal([401, 'invalid_client']);
      expect((await refresh(first.refresh_token, {}, world.first, basic('ma_shop_backend', secrets.shop))).status).to.equal(200);
    });

    it('ends with the suspension of the app', async () => {
      const first = await open();
      world.clients.set('ma_game', { ...world.clients.get('ma_game')!, active: false });
      const { status, body } = await refresh(first.refresh_token);
      expect([status, body.error]).to.deep.equal([401, 'invalid_client']);
    });

    it('ends with the session', async () => {
      const first = await open();
      await world.first.database.inTransaction((tx) => world.first.oauth.revokeSessions(tx, { userId: alice }));
      expectInvalidGrant(await refresh(first.refresh_token));
    });

    describe('when another instance has just changed the session that this one remembers', () => {
      /** As another process does it, of which this one has not heard. */
      const elsewhere = (changes: object): Promise<unknown> => world.first.database.sql('tep_session').where({ client_id: 'ma_game' }).update(changes);

      it('gives no token with a scope that it has lost', async () => {
        const first = await open();
        expect((await me(world.first, first.access_token)).status).to.equal(200);
        await elsewhere({ scopes: 'storage:read' });
        const { status, body } = await refresh(first.refresh_token);
        expect([status, body.scope]).to.deep.equal([200, 'storage:read']);
        expect(JSON.parse(Buffer.from(String(body.access_token).split('.')[2]!, 'base64url').toString())).to.include({ scope: 'storage:read' });
        world.clock.advance(1000);
        expect((await me(world.first, body.access_token)).body.scopes).to.deep.equal(['storage:read']);
        expect((await refresh(String(body.refresh_token))).body.scope).to.equal('storage:read');
      });

      it('gives none when it is over, and spends nothing', async () => {
        const first = await open();
        expect((await me(world.first, first.access_token)).status).to.equal(200);
        await elsewhere({ revoked_at: world.clock.now() });
        expectInvalidGrant(await refresh(first.refresh_token));
        expect(await world.first.database.sql('oidc_entry').where({ kind: 'RefreshToken' }).pluck('consumed_at')).to.deep.equal([null]);
      });

      it('repeats a lost answer without the scope that was lost meanwhile', async () => {
        const first = await open();
        const second = (await refresh(first.refresh_token)).body;
        await elsewhere({ scopes: 'storage:read' });
        const again = await refresh(first.refresh_token);
        expect([again.status, again.body.refresh_token, again.body.scope]).to.deep.equal([200, second.refresh_token, 'storage:read']);
      });
    });

    it('beside revocations at the same moment leaves nothing that works', async () => {
      const other = await world.startRival();
      for (let round = 0; round < 8; round += 1) {
        const first = await open();
        const [refreshed] = await Promise.all([refresh(first.refresh_token), postForm(`${other.url}/oauth2/revoke`, { token: first.access_token!, client_id: 'ma_game' })]);
        world.clock.advance(1000);
        for (const token of [first.access_token, refreshed.body.access_token]) expect((await me(world.first, token)).status, `round ${round}`).to.equal(401);
        for (const token of [first.refresh_token, refreshed.body.refresh_token]) expectInvalidGrant(await refresh(String(token)));
      }
    });

    it('works for 30 days after the last one, again and again', async () => {
      let token = (await open()).refresh_token;
      for (let month = 0; month < 3; month += 1) {
        world.clock.advance(30 * day - 60_000);
        const answer = await refresh(token);
        expect(answer.status).to.equal(200);
        expect((await me(world.first, answer.body.access_token)).status).to.equal(200);
        token = String(answer.body.refresh_token);
      }
      world.clock.advance(30 * day);
      expectInvalidGrant(await refresh(token));
    });

    it('is not possible with an access token, nor the other way round', async () => {
      const first = await open();
      expectInvalidGrant(await refresh(first.access_token));
      expect((await me(world.first, first.refresh_token)).status).to.equal(401);
    });
  });

  describe('introspection', () => {
    it('tells a client about its own tokens, with and without the prefix', async () => {
      const { access_token: token, refresh_token } = await open();
      for (const spelling of [token!, token!.slice('tep.'.length)]) {
        const { status, body } = await introspect(spelling);
        expect(status).to.equal(200);
        expect(body).to.include({ active: true, sub: alice, client_id: 'ma_game', aud: 'ma_game', scope: 'storage:read storage:write', token_type: 'Bearer', iss: world.issuer });
      }
      expect((await introspect(refresh_token)).body).to.include({ active: true, sub: alice });
    });

    it('tells a backend about its own frontend\'s tokens, and no other app\'s', async () => {
      const frontend = (await open('ma_shop')).access_token;
      const game = (await open('ma_game')).access_token;
      expect((await introspect(frontend, {}, basic('ma_shop_backend', secrets.shop))).body.active).to.equal(true);
      expect((await introspect(game, {}, basic('ma_shop_backend', secrets.shop))).body).to.deep.equal({ active: false });
      expect((await introspect(frontend, {}, basic('ma_server', secrets.server))).body).to.deep.equal({ active: false });
      expect((await introspect(game, { client_id: 'ma_other' })).body).to.deep.equal({ active: false });
      const backend = (await open('ma_shop_backend', 'syt_alice', { client_secret: secrets.shop })).access_token;
      expect((await introspect(backend, { client_id: 'ma_shop' })).body).to.deep.equal({ active: false });
    });

    it('says only that a token is not active when it is over, tampered with, or unknown', async () => {
      const { access_token: token } = await open();
      for (const bad of [`${token!.slice(0, -4)}AAAA`, 'tep.x.y.z', 'rt_nothing', 'syt_alice']) expect((await introspect(bad)).body).to.deep.equal({ active: false });
      world.clock.advance(day);
      expect((await introspect(token)).body).to.deep.equal({ active: false });
    });
  });

  describe('revocation', () => {
    it('of an access token ends its refresh token too, with and without the prefix', async () => {
      for (const prefix of ['tep.', '']) {
        const { access_token: token, refresh_token } = await open();
        expect((await revoke(prefix + token!.slice('tep.'.length))).status).to.equal(200);
        expect((await me(world.first, token)).status).to.equal(401);
        expectInvalidGrant(await refresh(refresh_token));
        expect((await introspect(token)).body).to.deep.equal({ active: false });
      }
    });

    it('of a refresh token ends its access token too', async () => {
      const { access_token: token, refresh_token } = await open();
      expect((await revoke(refresh_token)).status).to.equal(200);
      expect((await me(world.first, token)).status).to.equal(401);
      expectInvalidGrant(await refresh(refresh_token));
    });

    it('is for one\'s own tokens', async () => {
      const { access_token: token, refresh_token } = await open();
      for (const mine of [token, refresh_token]) expect((await revoke(mine, { client_id: 'ma_other' })).status).to.equal(200);
      expect((await me(world.first, token)).status).to.equal(200);
      expect((await refresh(refresh_token)).status).to.equal(200);
    });

    it('lets the host client end its own session', async () => {
      const { body } = await exchange(world.first, { audience: 'tmcp_store', subject_token: 'syt_alice' });
      expect((await revoke(String(body.access_token), { client_id: 'tmcp_store' })).status).to.equal(200);
      expect((await me(world.first, body.access_token)).status).to.equal(401);
    });
  });

  it('cleans up what is over, and only that', async () => {
    const old = await open('ma_game');
    await exchange(world.first, { client_id: 'ma_game', subject_token: 'syt_alice', scope: 'wallet:pay' });
    world.identity.openId.set('oid_clean', alice);
    await exchange(world.first, { subject_token: 'oid_clean', subject_token_type: 'urn:tmcp:params:oauth:token-type:matrix-openid' }, basic('ma_server', secrets.server));
    world.clock.advance(20 * day);
    const young = await open('ma_other');
    world.clock.advance(11 * day);
    const purge = () => world.first.database.inTransaction((tx) => purgeExpired(tx, world.clock.now()));
    const count = async (table: string) => (await world.first.database.sql(table).select('*')).length;
    await purge();
    expect([await count('oidc_entry'), await count('consent_request'), await count('spent_token'), await count('tep_session')]).to.deep.equal([1, 0, 0, 3]);
    expectInvalidGrant(await refresh(old.refresh_token));
    expect((await refresh(young.refresh_token, { client_id: 'ma_other' })).status).to.equal(200);
    world.clock.advance(100 * day);
    await purge();
    expect([await count('oidc_entry'), await count('tep_session')]).to.deep.equal([0, 0]);
  });
});
