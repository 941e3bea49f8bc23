import { expect } from 'chai';
import { call, exchange, type ApiResponse } from '../support/api.ts';
import { eventually } from '../support/eventually.ts';
import type { MatrixUser } from '../support/matrix-user.ts';
import { startNeighbourhood, type Neighbourhood } from '../support/neighbourhood.ts';
import { tmcpPrints } from '../support/tmcp.ts';

const redirect = 'https://chat.example/cb';
const base = '/api/v1/matrix/_matrix/client/v3';

describe('Matrix calls of mini-apps on a real homeserver (section 4.16, decision D22)', () => {
  let town: Neighbourhood;
  let alice: MatrixUser;
  let bob: MatrixUser;
  let roomId: string;
  let miniappId: string;
  let token: string;
  before(async function () {
    town = await startNeighbourhood(this);
    [alice, bob] = await Promise.all([town.person('alice'), town.person('bob')]);
    roomId = await town.roomWithBot(alice, { invite: [bob.userId] });
    await bob.join(roomId);
    const admin = (await tmcpPrints(['admin', 'token', '--name', 'root'], { env: town.server.env })).trimEnd();
    const { body } = await call(town.server.url, 'POST', '/mini-apps/v1/register', { token: admin, body: { name: 'Chat', technical: { entry_url: 'https://chat.example', redirect_uris: [redirect], scopes_requested: ['messaging:send', 'user:read', 'storage:read'] } } });
    miniappId = body.miniapp_id as string;
    expect((await call(town.server.url, 'POST', `/admin/v1/mini-apps/${miniappId}/approve`, { token: admin, body: {} })).status).to.equal(200);
  });
  // Another launch from the same device replaces the session before it.
  beforeEach(async () => {
    token = await launched(roomId);
  });
  after(() => town?.close());

  /** Alice opens the app in a room and lets it do what it asks for. */
  async function launched(room: string, scope = 'messaging:send user:read'): Promise<string> {
    const parameters = { client_id: miniappId, scope, miniapp_context: JSON.stringify({ room_id: room }) };
    const asked = await exchange(town.server.url, alice.accessToken, parameters);
    if (asked.status === 403) {
      const answered = await call(town.server.url, 'POST', asked.body.consent_ui_endpoint as string, { token: alice.accessToken, body: { approved_scopes: asked.body.consent_required_scopes as string[] } });
      expect(answered.status).to.equal(200);
    }
    const { status, body } = asked.status === 403 ? await exchange(town.server.url, alice.accessToken, parameters) : asked;
    expect(status, JSON.stringify(body)).to.equal(200);
    return body.access_token as string;
  }
  const say = (room: string, txnId: string, body: unknown = { msgtype: 'm.text', body: 'Hello from the app' }, type = 'm.room.message', as = token): Promise<ApiResponse> =>
    call(town.server.url, 'PUT', `${base}/rooms/${encodeURIComponent(room)}/send/${type}/${txnId}`, { token: as, body });
  const code = ({ status, body }: ApiResponse): [number, string | undefined] => [status, body.error?.code as string | undefined];

  it('are sent by the app\'s own user where no token of the user\'s is held, and the answer says so', async () => {
    const { status, body } = await say(roomId, 'one');
    expect(status, JSON.stringify(body)).to.equal(200);
    expect(body).to.deep.equal({ event_id: body.event_id, sent_as: 'miniapp', sender: `@${miniappId}:hs.test` });
    const seen = await bob.waitForEvent((event) => event.eventId === body.event_id, { description: 'the message at the other member' });
    expect([seen.sender, seen.content]).to.deep.equal([`@${miniappId}:hs.test`, { msgtype: 'm.text', body: 'Hello from the app' }]);
    expect((await say(roomId, 'one')).body.event_id).to.equal(body.event_id);
  });

  it('read the name of who uses the app, and nobody else\'s', async () => {
    expect((await call(town.server.url, 'GET', `${base}/account/whoami`, { token })).body).to.deep.equal({ user_id: alice.userId, is_guest: false });
    const own = await call(town.server.url, 'GET', `${base}/profile/${encodeURIComponent(alice.userId)}`, { token });
    expect([own.status, own.body.displayname]).to.deep.equal([200, 'alice']);
    expect(code(await call(town.server.url, 'GET', `${base}/profile/${encodeURIComponent(bob.userId)}`, { token }))).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
  });

  it('name no room but the one that the app was launched in, with one answer for every reason', async () => {
    const other = await town.roomWithBot(alice);
    const notices = '!nowhere:hs.test';
    for (const room of [other, notices, 'no room']) expect(code(await say(room, 'x'))).to.deep.equal([403, 'ROOM_NOT_ALLOWED']);
    const left = await town.roomWithBot(alice);
    const there = await launched(left);
    await alice.leave(left);
    // As soon as the homeserver has told us.
    await eventually(async () => expect(code(await say(left, 'x', undefined, undefined, there))).to.deep.equal([403, 'ROOM_NOT_ALLOWED']), { description: 'the room is refused' });
  });

  it('send nothing into an encrypted room', async () => {
    const secret = await town.roomWithBot(alice, { initial_state: [{ type: 'm.room.encryption', state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } }] });
    expect(code(await say(secret, 'x', undefined, undefined, await launched(secret)))).to.deep.equal([409, 'ENCRYPTED_ROOM']);
  });

  it('are of the allowed kind only', async () => {
    for (const type of ['m.tween.miniapp.launch', 'm.room.member', 'm.reaction']) expect(code(await say(roomId, 'x', undefined, type))).to.deep.equal([404, 'NOT_FOUND']);
    for (const [method, path] of [['GET', '/sync'], ['POST', `/rooms/${encodeURIComponent(roomId)}/join`], ['PUT', `/rooms/${encodeURIComponent(roomId)}/state/m.room.name`], ['GET', '/../../../admin/v1/audit']] as const) {
      expect(code(await call(town.server.url, method, `${base}${path}`, { token, ...(method === 'GET' ? {} : { body: {} }) })), path).to.deep.equal([404, 'NOT_FOUND']);
    }
    for (const body of [{ msgtype: 'm.tween.card', body: 'x' }, { body: 'x' }, { msgtype: 'm.text' }, { msgtype: 'm.text', body: 'x', delivery_id: 'job_1' }, { msgtype: 'm.text', body: 'x'.repeat(40_000) }]) {
      expect(code(await say(roomId, 'x', body))).to.deep.equal([400, 'INVALID_REQUEST']);
    }
  });

  it('need the scope, and end with the token', async () => {
    const without = await launched(roomId, 'user:read');
    expect(code(await say(roomId, 'x', undefined, undefined, without))).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
    token = await launched(roomId);
    expect((await call(town.server.url, 'POST', '/api/v1/auth/revoke', { token: alice.accessToken, body: { miniapp_id: miniappId, scopes: ['messaging:send'] } })).status).to.equal(200);
    expect(code(await say(roomId, 'after'))).to.deep.equal([401, 'INVALID_TOKEN']);
  });
});
