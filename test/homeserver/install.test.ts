import { expect } from 'chai';
import { loadEventSchemas } from '../../src/http/index.ts';
import { call, exchange, firstPartyToken } from '../support/api.ts';
import { eventually } from '../support/eventually.ts';
import type { MatrixUser, ReceivedEvent } from '../support/matrix-user.ts';
import { startNeighbourhood, type Neighbourhood } from '../support/neighbourhood.ts';
import type { ServerProcess } from '../support/server-process.ts';

const APP = 'ma_official_gifts';
const checkContent = loadEventSchemas(new URL('../../schema/events/', import.meta.url));
const expectValid = (event: ReceivedEvent): void => {
  expect(checkContent(event.type, event.content)).to.deep.equal([]);
};

describe('installing a mini-app on a real homeserver', () => {
  let town: Neighbourhood;
  let server: ServerProcess;
  let alice: MatrixUser;
  let bob: MatrixUser;
  let roomId: string;
  let token: string;

  before(async function () {
    town = await startNeighbourhood(this);
    server = town.server;
    [alice, bob] = await Promise.all([town.person('alice'), town.person('bob')]);
    roomId = await town.roomWithBot(alice, { invite: [bob.userId] });
    await bob.join(roomId);
    token = await firstPartyToken(server.url, alice.accessToken, 'tmcp_store');
  });
  after(() => town?.close());

  it('takes a Matrix access token for who its user is', async () => {
    const { status, body } = await exchange(server.url, alice.accessToken, { audience: 'tmcp_store' });
    expect(status).to.equal(200);
    expect(body).to.include({ token_type: 'Bearer', user_id: alice.userId, expires_in: 3600 });
    expect(body.access_token).to.match(/^tep\./);
    token = body.access_token as string;
  });

  it('tells the notice room and the named room, which other members see too', async () => {
    const installed = await call(server.url, 'POST', `/api/v1/store/apps/${APP}/install`, { token, body: { room_id: roomId } });
    expect(installed.status).to.equal(200);
    expect(installed.body).to.include({ miniapp_id: APP, status: 'installing' });

    const invite = await alice.waitForInvite((candidate) => candidate.sender === '@_tmcp:hs.test');
    await alice.join(invite.roomId);
    const isInstalled = (room: string) => (event: ReceivedEvent) => event.roomId === room && event.type === 'm.tween.miniapp.installed';
    const [notice, inRoom, atBob] = await Promise.all([
      alice.waitForEvent(isInstalled(invite.roomId), { description: 'the event in the notice room' }),
      alice.waitForEvent(isInstalled(roomId), { description: 'the event in the named room' }),
      bob.waitForEvent(isInstalled(roomId), { description: "the event at the room's other member" }),
    ]);
    for (const event of [notice, inRoom, atBob]) {
      expect(event.sender).to.equal('@_tmcp:hs.test');
      expect(event.content).to.include({ miniapp_id: APP, name: 'Gifts', classification: 'official', sender: alice.userId, install_id: installed.body.install_id });
      expectValid(event);
    }
    expect(atBob.eventId).to.equal(inRoom.eventId);
  });

  it('is done once: the second time nothing is said', async () => {
    const again = await call(server.url, 'POST', `/api/v1/store/apps/${APP}/install`, { token, body: { room_id: roomId } });
    expect(again.body).to.include({ status: 'installed' });
    await alice.sendEvent(roomId, 'm.tween.miniapp.launch', { miniapp_id: APP });
    await alice.waitForEvent((event) => event.roomId === roomId && event.type === 'm.tween.miniapp.launched', { description: 'what comes after it in the same room' });
    const history = await alice.history(roomId);
    expect(history.filter((event) => event.type === 'm.tween.miniapp.installed')).to.have.length(1);
  });

  it('refuses a room that the user is not in, that the bot is not in, and its own rooms, all with the same words', async () => {
    const carol = await town.person('carol');
    const carolsToken = await firstPartyToken(server.url, carol.accessToken, 'tmcp_store');
    const withoutBot = await carol.createRoom({ name: 'No bot here' });
    const notices = alice.received.find((event) => event.type === 'm.tween.miniapp.installed' && event.roomId !== roomId)!.roomId;
    const attempts = [
      [carolsToken, roomId],
      [carolsToken, withoutBot],
      [token, notices],
      [token, '!no-such-room:hs.test'],
    ] as const;
    for (const [who, room] of attempts) {
      const refused = await call(server.url, 'POST', '/api/v1/store/apps/ma_official_store/install', { token: who, body: { room_id: room } });
      expect(refused.status).to.equal(403);
      expect(refused.body.error).to.include({ code: 'ROOM_NOT_ALLOWED', message: 'This room cannot be used here' });
    }
  });

  it('takes it back, and says so', async () => {
    const removed = await call(server.url, 'DELETE', `/api/v1/store/apps/${APP}/install`, { token });
    expect(removed.status).to.equal(200);
    const event = await alice.waitForEvent((candidate) => candidate.type === 'm.tween.miniapp.uninstalled', { description: 'the event in the notice room' });
    expect(event.content).to.include({ miniapp_id: APP, sender: alice.userId, reason: 'user_initiated' });
    expectValid(event);
  });

  it('writes app state into a room where the bot may, and lets it be where it may not', async () => {
    const open = await town.roomWithBot(alice, { power_level_content_override: { state_default: 0 } });
    await call(server.url, 'POST', `/api/v1/store/apps/${APP}/install`, { token, body: { room_id: open } });
    const state = await alice.waitForEvent((event) => event.roomId === open && event.type === 'm.tween.miniapp.app', { description: 'the state' });
    expect(state.stateKey).to.equal(APP);
    expectValid(state);
    expect(await alice.state(roomId, 'm.tween.miniapp.app', APP)).to.equal(undefined);
  });

  it('invites a user again who left the notice room', async () => {
    const notices = alice.received.find((event) => event.type === 'm.tween.miniapp.installed' && event.roomId !== roomId)!.roomId!;
    await alice.leave(notices);
    const membership = (expected: string): Promise<unknown> => eventually(() => expect(alice.client.getRoom(notices)?.getMyMembership()).to.equal(expected), { description: expected });
    await membership('leave');
    await call(server.url, 'DELETE', `/api/v1/store/apps/${APP}/install`, { token });
    await membership('invite');
  });
});
