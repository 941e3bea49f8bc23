import { expect } from 'chai';
import { call, exchange } from '../../support/api.ts';
import { onBothDatabases } from '../../support/databases.ts';
import { startWholeServer, type WholeServer } from '../../support/whole-server.ts';

const alice = '@alice:example.org';
const bob = '@bob:example.org';
const bot = '@_tmcp:example.org';
const roomId = '!chat:example.org';
const scopes = ['user:read', 'messaging:send', 'storage:read'];

type Claims = Record<string, unknown>;

onBothDatabases('what access tokens say, in the whole server (sections 3.1.2, 4.10 and 5.7)', (databases) => {
  let server: WholeServer;
  let miniappId: string;
  before(async () => {
    server = await startWholeServer(databases);
    for (const [token, user_id] of [['syt_alice', alice], ['syt_bob', bob]] as const) server.identity.whoami.set(token, { user_id, device_id: 'GHTYAJCE', is_guest: false });
    server.identity.profiles.set(alice, { displayname: 'Alice', avatar_url: 'mxc://example.org/avatar123' });
    const registered = await call(server.url, 'POST', '/mini-apps/v1/register', { token: server.adminToken, body: { name: 'Chat', technical: { entry_url: 'https://chat.example', redirect_uris: ['https://chat.example/cb'], scopes_requested: scopes } } });
    miniappId = registered.body.miniapp_id as string;
    expect((await call(server.url, 'POST', `/admin/v1/mini-apps/${miniappId}/approve`, { token: server.adminToken, body: {} })).status).to.equal(200);
  });
  after(() => server.close());
  beforeEach(() => {
    server.identity.rooms.set(roomId, { members: new Set([alice, bob, bot]), powerLevels: { users: { [alice]: 50 }, events_default: 0, invite: 50, redact: 50 } });
  });

  const claimsOf = (token: unknown): Claims => JSON.parse(Buffer.from(String(token).split('.')[2]!, 'base64url').toString()) as Claims;
  const launch = async (token: string, more: Record<string, string> = {}) => {
    const asked = { client_id: miniappId, scope: scopes.join(' '), miniapp_context: JSON.stringify({ room_id: roomId, launch_source: 'chat_bubble' }), ...more };
    const first = await exchange(server.url, token, asked);
    if (first.status === 200) return first.body as Record<string, string>;
    expect(first.body.error).to.equal('consent_required');
    expect((await call(server.url, 'POST', first.body.consent_ui_endpoint as string, { token, body: { approved_scopes: first.body.consent_required_scopes } })).status).to.equal(200);
    const { status, body } = await exchange(server.url, token, asked);
    expect(status).to.equal(200);
    return body as Record<string, string>;
  };

  it('has every claim, with the user, the room of the launch, and what was agreed to when', async () => {
    const agreed = server.clock.now();
    const body = await launch('syt_alice');
    expect(body).to.include({ token_type: 'Bearer', expires_in: 86_400, scope: scopes.join(' '), user_id: alice, delegated_session: true });
    const { exp, iat, nbf, jti, session_id, approval_history, ...claims } = claimsOf(body.access_token);
    expect(claims).to.deep.equal({
      iss: server.url,
      sub: alice,
      aud: miniappId,
      token_type: 'tep_access_token',
      client_id: miniappId,
      azp: miniappId,
      scope: scopes.join(' '),
      wallet_id: body.wallet_id,
      user_context: { display_name: 'Alice', avatar_url: 'mxc://example.org/avatar123' },
      miniapp_context: { room_id: roomId, launch_source: 'chat_bubble' },
      authorization_context: { room_id: roomId, roles: ['moderator'], permissions: { can_send_messages: true, can_invite_users: true, can_edit_messages: true } },
      mas_session: { active: false },
      delegated_from: 'matrix_session',
      matrix_session_ref: { device_id: 'GHTYAJCE' },
    });
    expect([(exp as number) - (iat as number), nbf]).to.deep.equal([86_400, iat]);
    for (const id of [jti, session_id]) expect(id).to.match(/^\w{20,}$/);
    const history = approval_history as { scope: string; approved_at: string; approval_method: string }[];
    expect(history.map(({ scope, approval_method }) => [scope, approval_method])).to.deep.equal([['messaging:send', 'user_consent'], ['user:read', 'user_consent']]);
    for (const { approved_at } of history) expect(Date.parse(approved_at)).to.be.within(Math.floor(agreed / 1000) * 1000, server.clock.now());
  });

  it('says the same after a refresh, as far as the token still holds it', async () => {
    const { refresh_token, access_token } = await launch('syt_alice');
    const response = await fetch(`${server.url}/oauth2/token`, { method: 'POST', body: new URLSearchParams({ grant_type: 'refresh_token', client_id: miniappId, refresh_token: refresh_token!, scope: 'user:read' }) });
    const claims = claimsOf(((await response.json()) as Claims).access_token);
    const before = claimsOf(access_token);
    for (const same of ['authorization_context', 'user_context', 'session_id', 'sub', 'aud']) expect(claims[same], same).to.deep.equal(before[same]);
    expect((claims.approval_history as { scope: string }[]).map(({ scope }) => scope)).to.deep.equal(['user:read']);
  });

  it('tells of a plain member what the room lets plain members do', async () => {
    const { access_token } = await launch('syt_bob');
    expect(claimsOf(access_token).authorization_context).to.deep.equal({ room_id: roomId, roles: ['member'], permissions: { can_send_messages: true, can_invite_users: false, can_edit_messages: false } });
    expect(claimsOf(access_token).user_context).to.equal(undefined);
  });

  it('has no history of what nobody is asked for, and no room where none was named', async () => {
    const { body } = await exchange(server.url, 'syt_alice', { client_id: miniappId, scope: 'storage:read' });
    expect(claimsOf(body.access_token)).not.to.have.any.keys('approval_history', 'authorization_context', 'user_context');
  });

  it('comes without what the homeserver does not say quickly', async () => {
    const silent = '!silent:example.org';
    server.identity.rooms.set(silent, { members: new Set([alice, bot]) });
    const body = await launch('syt_alice', { miniapp_context: JSON.stringify({ room_id: silent }) });
    expect(claimsOf(body.access_token)).not.to.have.property('authorization_context');
  });
});
