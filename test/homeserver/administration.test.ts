import { expect } from 'chai';
import { call, firstPartyToken } from '../support/api.ts';
import { eventually } from '../support/eventually.ts';
import { signInUser, type MatrixUser, type ReceivedEvent } from '../support/matrix-user.ts';
import { BOT, startNeighbourhood, type Neighbourhood } from '../support/neighbourhood.ts';
import { prepareServer, type ServerProcess } from '../support/server-process.ts';
import { tmcp } from '../support/tmcp.ts';

describe("the administrators' room on a real homeserver", () => {
  let town: Neighbourhood;
  let server: ServerProcess;
  let root: MatrixUser;
  let watcher: MatrixUser;
  let stranger: MatrixUser;
  let adminToken: string;
  let room: string;
  let elsewhere: string;

  before(async function () {
    town = await startNeighbourhood(this);
    [root, watcher, stranger] = await Promise.all(['root', 'watcher', 'stranger'].map((name) => signInUser(town.synapse, name)) as [Promise<MatrixUser>, Promise<MatrixUser>, Promise<MatrixUser>]);
    room = await town.roomWithBot(root, { invite: [watcher.userId, stranger.userId], power_level_content_override: { users: { [stranger.userId]: 100, [BOT]: 50 } } });
    elsewhere = await town.roomWithBot(root);
    await Promise.all([watcher.join(room), stranger.join(room)]);
    // The room is made first; the server that knows it is started anew.
    await town.server.stop();
    const env = { TMCP_ADMINISTRATION_ROOM_ID: room, TMCP_ADMINISTRATION_MODERATORS: root.userId, TMCP_ADMINISTRATION_VIEWERS: watcher.userId };
    server = await prepareServer({ synapse: town.synapse, port: Number(new URL(town.server.url).port), directory: town.server.directory, env });
    await server.start();
    adminToken = (await tmcp(['admin', 'token', '--name', 'test'], { cwd: server.directory, env: server.env })).stdout.trim();
    for (const id of ['ma_shop', 'ma_spam']) {
      const { status } = await call(server.url, 'POST', '/mini-apps/v1/register', { token: adminToken, body: { miniapp_id: id, name: `App ${id}`, technical: { entry_url: 'https://a.example' } } });
      expect(status).to.equal(201);
    }
  });
  after(async () => {
    for (const user of [root, watcher, stranger]) user?.stop();
    await server?.stop();
    await town?.close();
  });

  /** Says it, and waits for the bot's answer to it. */
  const ask = async (who: MatrixUser, text: string): Promise<string> => {
    const eventId = await who.sendEvent(room, 'm.room.message', { msgtype: 'm.text', body: text });
    const isAnswer = ({ sender, content }: ReceivedEvent): boolean => sender === BOT && (content['m.relates_to'] as { 'm.in_reply_to'?: { event_id: string } } | undefined)?.['m.in_reply_to']?.event_id === eventId;
    const answer = await who.waitForEvent(isAnswer, { description: `the answer to ${text}`, timeoutMs: 20_000 });
    expect(answer.content.msgtype).to.equal('m.notice');
    return answer.content.body as string;
  };
  const statusOf = async (id: string): Promise<string> => (await call(server.url, 'GET', `/mini-apps/v1/${id}/status`, { token: adminToken })).body.status as string;

  it('says how the server is, and what waits', async () => {
    expect(await ask(watcher, '!tmcp status')).to.match(/^tmcp-server \S+, homeserver: \w+\nmini-apps: .*\nwaiting for a verdict: 2\nqueue: \d+ queued, 0 parked/);
    expect(await ask(watcher, '!tmcp reviews')).to.match(/^ma_shop: App ma_shop, \w+, by admin:.*\nma_spam: /);
    expect(await ask(watcher, '!tmcp')).to.include('!tmcp approve ID');
  });

  it('lets nobody decide but who is named in the configuration, whatever their power in the room', async () => {
    expect(await ask(stranger, '!tmcp status')).to.equal('You may not do this.');
    expect(await ask(stranger, '!tmcp approve ma_shop')).to.equal('You may not do this.');
    expect(await ask(watcher, '!tmcp approve ma_shop')).to.equal('You may not do this.');
    expect(await statusOf('ma_shop')).to.equal('pending_review');
  });

  it('approves, rejects and suspends', async () => {
    expect(await ask(root, '!tmcp approve ma_shop looks good')).to.equal('ma_shop (App ma_shop) is active now.');
    expect(await statusOf('ma_shop')).to.equal('active');
    expect(await ask(root, '!tmcp reject ma_spam')).to.include('why?');
    expect(await ask(root, '!tmcp reject ma_spam it is spam')).to.equal('ma_spam (App ma_spam) is rejected now.');
    expect(await ask(root, '!tmcp suspend ma_shop fraud was reported')).to.equal('ma_shop (App ma_shop) is suspended now.');
    expect(await ask(root, '!tmcp approve ma_shop')).to.match(/^ma_shop: .*suspended/i);
    expect(await ask(root, '!tmcp approve ma_none')).to.equal('ma_none: No such mini-app');
    expect([await statusOf('ma_shop'), await statusOf('ma_spam')]).to.deep.equal(['suspended', 'rejected']);
  });

  it('leaves it all in the audit log, what was refused too', async () => {
    // Entries are shown once they have their place in the chain, a moment later.
    await eventually(
      async () => {
        const { entries } = (await call(server.url, 'GET', '/admin/v1/audit?limit=100', { token: adminToken })).body as { entries: { actor: { id: string }; action: string; target: { id: string }; result: string }[] };
        const commands = entries.filter(({ action }) => action.startsWith('administration.')).map(({ actor, action, target, result }) => [actor.id, action, target.id, result]);
        expect(commands).to.deep.include([root.userId, 'administration.approve', 'ma_shop', 'done']);
        expect(commands).to.deep.include([root.userId, 'administration.suspend', 'ma_shop', 'done']);
        expect(commands).to.deep.include([stranger.userId, 'administration.approve', 'ma_shop', 'refused']);
        expect(entries.some(({ actor, action }) => actor.id === root.userId && action === 'miniapp.moved')).to.equal(true);
      },
      { description: 'the audit log', timeoutMs: 15_000 },
    );
  });

  it('hears no commands anywhere else, and no edits', async () => {
    await root.sendEvent(elsewhere, 'm.room.message', { msgtype: 'm.text', body: '!tmcp reject ma_shop elsewhere' });
    const plain = await root.sendEvent(room, 'm.room.message', { msgtype: 'm.text', body: '!tmcpstatus' });
    await root.sendEvent(room, 'm.room.message', { msgtype: 'm.text', body: '!tmcp status', 'm.relates_to': { rel_type: 'm.replace', event_id: plain } });
    await ask(root, '!tmcp status');
    expect((await root.history(elsewhere)).filter(({ sender, type }) => sender === BOT && type === 'm.room.message')).to.deep.equal([]);
    const answered = (await root.history(room)).filter(({ sender, type }) => sender === BOT && type === 'm.room.message').length;
    const asked = (await root.history(room)).filter(({ content }) => content.msgtype === 'm.text' && /^!tmcp( |$)/.test(content.body as string) && content['m.relates_to'] === undefined).length;
    expect(answered).to.equal(asked);
  });

  it('is no room that a caller may name', async () => {
    const token = await firstPartyToken(server.url, root.accessToken, 'tmcp_store');
    const { status, body } = await call(server.url, 'POST', '/api/v1/store/apps/ma_official_gifts/install', { token, body: { room_id: room } });
    expect([status, body.error.code]).to.deep.equal([403, 'ROOM_NOT_ALLOWED']);
  });
});
