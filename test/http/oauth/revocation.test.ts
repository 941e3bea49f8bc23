import { expect } from 'chai';
import { loadEventSchemas } from '../../../src/http/index.ts';
import { asUserId } from '../../../src/kernel/ids.ts';
import type { RevokedScopes } from '../../../src/oauth/index.ts';
import { onEachDatabase } from './databases.ts';
import { alice, basic, bearer, bob, call, createWorld, exchange, me, postForm, secrets, type Answer, type World } from './support.ts';

const checkContent = loadEventSchemas(new URL('../../../schema/events/', import.meta.url));

onEachDatabase('withdrawing what was granted (section 5.6)', (fresh) => {
  let world: World;
  let told: RevokedScopes[];
  beforeEach(async () => {
    told = [];
    world = await createWorld(await fresh(), {
      deps: {
        onScopesRevoked: (_tx, revocation) => {
          told.push(revocation);
          return Promise.resolve(['urn:matrix:org.matrix.msc2967.client:api:*']);
        },
      },
    });
  });
  afterEach(() => world.close());

  const all = 'user:read wallet:pay storage:read';
  const post = (path: string, token: string, body: object): Promise<Answer> =>
    call(`${world.first.url}/api/v1/auth/${path}`, { method: 'POST', headers: { ...bearer(token), 'content-type': 'application/json' }, body: JSON.stringify(body) });
  /** Alice, or whose token it is, uses the app with these scopes, agreeing to what she is asked. */
  const open = async (client_id = 'ma_game', subject_token = 'syt_alice', scope = all): Promise<Record<string, string>> => {
    const asked = await exchange(world.first, { client_id, subject_token, scope });
    if (asked.status === 200) return asked.body as Record<string, string>;
    await call(world.first.url + String(asked.body.consent_ui_endpoint), { method: 'POST', headers: { ...bearer(subject_token), 'content-type': 'application/json' }, body: JSON.stringify({ approved_scopes: asked.body.consent_required_scopes }) });
    const granted = await exchange(world.first, { client_id, subject_token, scope });
    expect(granted.status).to.equal(200);
    return granted.body as Record<string, string>;
  };
  const alive = async (token: unknown): Promise<boolean> => (await me(world.first, token)).status === 200;
  const refresh = (refresh_token: string | undefined) => postForm(`${world.first.url}/oauth2/token`, { grant_type: 'refresh_token', client_id: 'ma_game', refresh_token: String(refresh_token) });
  const events = async (): Promise<Record<string, unknown>[]> => {
    const bodies = await world.first.database.sql('job').where({ kind: 'matrix.event' }).orderBy('pos').pluck<string[]>('body');
    return bodies.map((body) => (JSON.parse(body) as { event: Record<string, unknown> }).event);
  };
  const code = ({ status, body }: Answer): unknown[] => [status, (body.error as { code?: string } | undefined)?.code];

  it('leaves no token that holds what was withdrawn, when exchanges run at the same moment on another instance', async () => {
    const rival = await world.startRival();
    for (let round = 0; round < 12; round += 1) {
      await open();
      const subjects = ['syt_alice', 'syt_alice_2'];
      const [withdrawn, ...exchanged] = await Promise.all([
        post('revoke', 'syt_alice', { miniapp_id: 'ma_game', scopes: ['wallet:pay'] }),
        ...subjects.map((subject_token) => exchange(rival, { client_id: 'ma_game', subject_token, scope: all })),
      ]);
      expect(withdrawn.status).to.equal(200);
      for (const { status, body } of exchanged) expect(body.error).to.equal(status === 200 ? undefined : 'consent_required');
      world.clock.advance(1000);
      for (const { body } of exchanged) {
        const { status, body: principal } = await me(rival, body.access_token ?? 'none');
        expect(status === 401 || !(principal.scopes as string[]).includes('wallet:pay'), `round ${round}`).to.equal(true);
      }
    }
  });

  it('as a whole ends every session of that user and app at once; others live on', async () => {
    const mine = [await open(), await open('ma_game', 'syt_alice_2')];
    const others = [await open('ma_other'), await open('ma_game', 'syt_bob')];
    const { status, body } = await post('revoke', 'syt_alice', { miniapp_id: 'ma_game' });
    expect(status).to.equal(200);
    expect(body).to.deep.include({ miniapp_id: 'ma_game', revoked_scopes: ['storage:read', 'user:read', 'wallet:pay'], remaining_scopes: [], sessions_ended: 2 });
    for (const { access_token: token, refresh_token } of mine) {
      expect(await alive(token)).to.equal(false);
      expect((await refresh(refresh_token)).body.error).to.equal('invalid_grant');
    }
    for (const { access_token: token } of others) expect(await alive(token)).to.equal(true);
    expect((await exchange(world.first, { client_id: 'ma_game', subject_token: 'syt_alice', scope: all })).body.consent_required_scopes).to.deep.equal(['user:read', 'wallet:pay']);
  });

  it('in part ends the tokens that hold a withdrawn scope, here and within a second elsewhere', async () => {
    const other = await world.startInstance();
    const wide = await open();
    const narrow = (await postForm(`${world.first.url}/oauth2/token`, { grant_type: 'refresh_token', client_id: 'ma_game', refresh_token: wide.refresh_token!, scope: 'storage:read' })).body as Record<string, string>;
    expect((await me(other, wide.access_token)).status).to.equal(200);
    const { body } = await post('revoke', 'syt_alice', { miniapp_id: 'ma_game', scopes: ['wallet:pay'] });
    expect(body).to.deep.include({ revoked_scopes: ['wallet:pay'], remaining_scopes: ['storage:read', 'user:read'], sessions_ended: 0 });
    expect(await alive(wide.access_token)).to.equal(false);
    world.clock.advance(1_000);
    expect((await me(other, wide.access_token)).status).to.equal(401);
    expect(await alive(narrow.access_token)).to.equal(true);
    const refreshed = await refresh(narrow.refresh_token);
    expect([refreshed.status, refreshed.body.scope]).to.deep.equal([200, 'user:read storage:read']);
  });

  it('of everything a session has ends it', async () => {
    const { access_token: token } = await open('ma_game', 'syt_alice', 'storage:read');
    const { body } = await post('revoke', 'syt_alice', { miniapp_id: 'ma_game', scopes: ['storage:read'] });
    expect(body.sessions_ended).to.equal(1);
    expect(await alive(token)).to.equal(false);
  });

  it('is told in the notice room as state, and to whoever else must hear of it', async () => {
    await open();
    await post('revoke', 'syt_alice', { miniapp_id: 'ma_game', scopes: ['wallet:pay'] });
    const [event, ...more] = await events();
    expect(more).to.deep.equal([]);
    expect(event).to.deep.include({ place: { noticesOf: alice }, speaker: 'bot', type: 'm.room.tween.authorization', stateKey: 'ma_game' });
    expect(event!.content).to.deep.include({ authorized: false, revoked_scopes: ['wallet:pay'], tmcp_scopes: ['wallet:pay'], matrix_scopes: ['urn:matrix:org.matrix.msc2967.client:api:*'], remaining_scopes: ['storage:read', 'user:read'], reason: 'user_initiated', sender: alice });
    expect(checkContent('m.room.tween.authorization', { ...(event!.content as object), delivery_id: 'job_1' })).to.deep.equal([]);
    expect(told.map(({ userId, miniappId, revokedScopes }) => [userId, miniappId, revokedScopes])).to.deep.equal([[alice, 'ma_game', ['wallet:pay']]]);
  });

  it('is told once: where nothing is left to withdraw nothing is said', async () => {
    await open();
    await post('revoke', 'syt_alice', { miniapp_id: 'ma_game' });
    const again = await post('revoke', 'syt_alice', { miniapp_id: 'ma_game' });
    expect([again.status, again.body.revoked_scopes, again.body.sessions_ended]).to.deep.equal([200, [], 0]);
    expect([(await events()).length, told.length]).to.deep.equal([1, 1]);
  });

  it('changes nothing when the transaction fails', async () => {
    const failing = await world.startInstance({ onScopesRevoked: () => Promise.reject(new Error('no webhook could be written')) });
    const { access_token: token } = await open();
    const answer = await call(`${failing.url}/api/v1/auth/revoke`, { method: 'POST', headers: { ...bearer('syt_alice'), 'content-type': 'application/json' }, body: JSON.stringify({ miniapp_id: 'ma_game' }) });
    expect(code(answer)).to.deep.equal([500, 'INTERNAL_ERROR']);
    expect(await alive(token)).to.equal(true);
    expect(await events()).to.deep.equal([]);
  });

  describe('by a mini-app', () => {
    it('is for its own app only (decision D21)', async () => {
      const { access_token: game } = await open();
      const { access_token: other } = await open('ma_other');
      expect(code(await post('revoke', game!, { miniapp_id: 'ma_other' }))).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
      expect(await alive(other)).to.equal(true);
      expect((await post('revoke', game!, { miniapp_id: 'ma_game' })).status).to.equal(200);
      expect(await alive(game)).to.equal(false);
    });

    it('reaches its own user only', async () => {
      const { access_token: hers } = await open();
      const { access_token: his } = await open('ma_game', 'syt_bob');
      await post('revoke', his!, { miniapp_id: 'ma_game' });
      expect(await alive(hers)).to.equal(true);
    });

    it('is not for its backend, which has no user', async () => {
      const { access_token: token } = (await postForm(`${world.first.url}/oauth2/token`, { grant_type: 'client_credentials' }, basic('ma_server', secrets.server))).body;
      expect(code(await post('revoke', String(token), { miniapp_id: 'ma_server' }))).to.deep.equal([401, 'INVALID_TOKEN']);
    });
  });

  it('by the host client reaches every app of its user', async () => {
    const { access_token: token } = await open();
    const host = (await exchange(world.first, { audience: 'tmcp_store', subject_token: 'syt_alice_2' })).body.access_token;
    expect((await post('revoke', String(host), { miniapp_id: 'ma_game' })).status).to.equal(200);
    expect(await alive(token)).to.equal(false);
    expect(await alive(host)).to.equal(true);
  });

  const refused: Record<string, [string, object, unknown[]]> = {
    'an unknown app': ['syt_alice', { miniapp_id: 'ma_nobody' }, [404, 'MINIAPP_NOT_FOUND']],
    'an unknown scope': ['syt_alice', { miniapp_id: 'ma_game', scopes: ['nonsense'] }, [400, 'INVALID_SCOPE']],
    'no app': ['syt_alice', {}, [400, 'INVALID_REQUEST']],
    'a bad Matrix token': ['syt_nobody', { miniapp_id: 'ma_game' }, [401, 'INVALID_TOKEN']],
  };
  for (const [what, [token, body, expected]] of Object.entries(refused)) {
    it(`refuses ${what}`, async () => {
      expect(code(await post('revoke', token, body))).to.deep.equal(expected);
    });
  }

  describe('listing', () => {
    it('shows every answer and what is held now, of that user', async () => {
      await open();
      await open('ma_other', 'syt_bob');
      await post('revoke', 'syt_alice', { miniapp_id: 'ma_game', scopes: ['wallet:pay'] });
      const { status, body } = await call(`${world.first.url}/api/v1/auth/grants`, { headers: bearer('syt_alice') });
      expect(status).to.equal(200);
      const grants = body.grants as { miniapp_id: string; name: string; sessions: number; held_scopes: string[]; scopes: Record<string, unknown>[] }[];
      expect(grants.map(({ miniapp_id, name, sessions, held_scopes }) => ({ miniapp_id, name, sessions, held_scopes }))).to.deep.equal([{ miniapp_id: 'ma_game', name: 'A mini-app', sessions: 1, held_scopes: ['storage:read', 'user:read'] }]);
      expect(grants[0]!.scopes.map(({ scope, state, approval_method }) => [scope, state, approval_method])).to.deep.equal([
        ['user:read', 'granted', 'user_consent'],
        ['wallet:pay', 'revoked', 'user_initiated'],
      ]);
      expect(grants[0]!.scopes[1]).to.include.keys('granted_at', 'revoked_at');
    });

    it('is for the user\'s own hand, not for a mini-app', async () => {
      const { access_token: token } = await open();
      expect(code(await call(`${world.first.url}/api/v1/auth/grants`, { headers: bearer(token!) }))).to.deep.equal([401, 'INVALID_TOKEN']);
      expect((await call(`${world.first.url}/api/v1/auth/grants`, { headers: bearer('syt_bob') })).body).to.deep.equal({ grants: [] });
    });
  });

  describe('validating scopes (section 5.5)', () => {
    const asked = { scopes: ['user:read', 'storage:write', 'wallet:pay', 'wallet:history', 'nonsense', 'wallet:admin'] };
    const unregistered = ['wallet:history', 'nonsense', 'wallet:admin'].map((scope) => ({ scope, reason: 'not_registered' }));

    it('tells a mini-app what its user approved', async () => {
      const { access_token: token } = await open('ma_game', 'syt_alice', 'user:read');
      const { body } = await post('scopes/validate', token!, asked);
      expect(body).to.deep.equal({ valid: ['user:read', 'storage:write'], denied: [{ scope: 'wallet:pay', reason: 'user_approval_required' }, ...unregistered], consent_required: ['wallet:pay'] });
      expect((await post('scopes/validate', token!, { scope: 'user:read nonsense' })).body).to.deep.equal({ valid: ['user:read'], denied: [{ scope: 'nonsense', reason: 'not_registered' }], consent_required: [] });
    });

    it('tells a backend, by its secret or its own token, what would have to be asked', async () => {
      const { access_token: token } = (await postForm(`${world.first.url}/oauth2/token`, { grant_type: 'client_credentials' }, basic('ma_server', secrets.server))).body;
      for (const headers of [basic('ma_server', secrets.server), bearer(String(token))]) {
        const { status, body } = await call(`${world.first.url}/api/v1/auth/scopes/validate`, { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(asked) });
        expect(status).to.equal(200);
        expect(body.valid).to.deep.equal(['storage:write']);
        expect(body.consent_required).to.deep.equal(['user:read', 'wallet:pay']);
      }
    });

    it('is not for users, nor for the host client', async () => {
      const host = (await exchange(world.first, { audience: 'tmcp_store', subject_token: 'syt_alice' })).body.access_token;
      expect(code(await post('scopes/validate', 'syt_alice', asked))).to.deep.equal([401, 'INVALID_TOKEN']);
      expect(code(await post('scopes/validate', String(host), asked))).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
    });
  });

  it('withdrawn by removing the app is told with that reason', async () => {
    await open();
    await world.first.database.inTransaction((tx) => world.first.oauth.withdraw(tx, { userId: asUserId(alice), miniappId: 'ma_game' }, 'uninstall'));
    expect(told.map(({ reason }) => reason)).to.deep.equal(['uninstall']);
    expect(await world.first.database.sql('scope_grant').where({ user_id: bob }).select('*')).to.deep.equal([]);
  });
});
