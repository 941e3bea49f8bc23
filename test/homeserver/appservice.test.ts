import { expect } from 'chai';
import { loadEventSchemas } from '../../src/http/index.ts';
import { openDatabase, type Database } from '../../src/database/index.ts';
import { call, firstPartyToken } from '../support/api.ts';
import { eventually } from '../support/eventually.ts';
import type { MatrixUser, ReceivedEvent } from '../support/matrix-user.ts';
import { BOT, startNeighbourhood, type Neighbourhood } from '../support/neighbourhood.ts';
import { AS_TOKEN, HS_TOKEN, registrationFor } from '../support/server-process.ts';

const checkContent = loadEventSchemas(new URL('../../schema/events/', import.meta.url));
const refersTo = (eventId: string) => (event: ReceivedEvent) => (event.content['m.relates_to'] as { event_id?: string } | undefined)?.event_id === eventId;
const launchType = 'm.tween.miniapp.launch';

describe('on a real homeserver', () => {
  let town: Neighbourhood;
  let alice: MatrixUser;
  let roomId: string;

  before(async function () {
    town = await startNeighbourhood(this, { env: { TMCP_JOBS_BACKOFF_BASE_MS: '100' } });
    alice = await town.person('alice');
    roomId = await town.roomWithBot(alice);
  });
  after(() => town?.close());

  const launch = (content: Record<string, unknown>, room = roomId): Promise<string> => alice.sendEvent(room, launchType, content);
  const answerTo = (eventId: string): Promise<ReceivedEvent> => alice.waitForEvent(refersTo(eventId), { description: `an answer to ${eventId}` });
  /** js-sdk refuses to send what it can't encrypt; other clients do not. */
  const launchPlainly = async (room: string): Promise<string> => {
    const response = await fetch(`${town.synapse.url}/_matrix/client/v3/rooms/${encodeURIComponent(room)}/send/${launchType}/plain`, { method: 'PUT', headers: { authorization: `Bearer ${alice.accessToken}` }, body: '{"miniapp_id":"ma_official_wallet"}' });
    return ((await response.json()) as { event_id: string }).event_id;
  };
  const errorTo = async (content: Record<string, unknown>): Promise<ReceivedEvent> => {
    const error = await answerTo(await launch(content));
    expect(error.type).to.equal('m.tween.error');
    expect(checkContent(error.type, error.content)).to.deep.equal([]);
    return error;
  };
  /** Looks into the server's database from beside it. */
  const inDatabase = async <T>(look: (database: Database) => Promise<T>): Promise<T> => {
    const database = openDatabase({ url: town.server.env.TMCP_DATABASE_URL!, poolSize: 1, busyTimeoutMs: 5000, lockTimeoutMs: 5000 });
    try {
      return await look(database);
    } finally {
      await database.close();
    }
  };
  const metric = async (name: string): Promise<string> => (await (await fetch(town.server.metricsUrl)).text()).split('\n').find((line) => line.startsWith(name)) ?? '';

  it('shows every official mini-app in the catalogue room, which only the bot can change', async () => {
    const catalogue = await eventually(() => alice.join('#_tmcp_store:hs.test'), { description: 'the catalogue room is open' });
    const wallet = await alice.waitForEvent((event) => event.roomId === catalogue && event.type === 'm.tween.miniapp.app' && event.stateKey === 'ma_official_wallet' && event.content.status === 'active', {
      description: 'the wallet in the catalogue',
    });
    expect(wallet.sender).to.equal(BOT);
    expect(wallet.content).to.include({ miniapp_id: 'ma_official_wallet', name: 'Wallet', classification: 'official', entry_point: 'tween-internal://wallet' });
    expect(checkContent(wallet.type, wallet.content)).to.deep.equal([]);
    const refused = await alice.sendState(catalogue, 'm.tween.miniapp.app', 'ma_official_wallet', { name: 'Evil' }).catch((error: Error) => error.message);
    expect(refused).to.contain('[403]');
  });

  it('answers a launch in the room, with a session and a reference', async () => {
    const launched = await answerTo(await launch({ miniapp_id: 'ma_official_wallet', launch_params: { product_id: 'prod_123' }, session_id: 'session_xyz789' }));
    expect(launched.type).to.equal('m.tween.miniapp.launched');
    expect(launched.sender).to.equal(BOT);
    expect(launched.content).to.include({ miniapp_id: 'ma_official_wallet', sender: alice.userId, session_id: 'session_xyz789', launch_source: 'chat_bubble' });
    expect(checkContent(launched.type, launched.content)).to.deep.equal([]);
  });

  it('answers what is wrong with an error that refers to it', async () => {
    expect((await errorTo({ miniapp_id: 'ma_no_such_app' })).content).to.include({ code: 'APP_NOT_FOUND', message: 'No such mini-app' });
    expect((await errorTo({ miniapp_id: 7 })).content).to.include({ code: 'INVALID_REQUEST', message: 'miniapp_id: must be string' });
    expect((await errorTo({ miniapp_id: 'ma_official_wallet', session_id: 'session_xyz789' })).content).to.include({ code: 'ALREADY_EXISTS' });
    expect((await errorTo({ miniapp_id: 'ma_official_wallet', launch_params: { text: 'x'.repeat(20_000) } })).content).to.include({ code: 'PAYLOAD_TOO_LARGE' });
  });

  it('does not act for a sender who is not in the room, and says so', async () => {
    const eventId = await alice.sendEvent(roomId, 'm.tween.test', {});
    const forged = { type: launchType, event_id: eventId, room_id: roomId, sender: '@mallory:hs.test', content: { miniapp_id: 'ma_official_wallet' } };
    await call(town.server.url, 'PUT', '/_matrix/app/v1/transactions/forged', { token: HS_TOKEN, body: { events: [forged] } });
    expect((await answerTo(eventId)).content).to.include({ code: 'ROOM_NOT_ALLOWED' });
  });

  it('never answers service users or answers', async () => {
    const wrong = { miniapp_id: 'ma_no_such_app' };
    const other = await alice.sendEvent(roomId, 'm.tween.test', {});
    const reference = await launch({ ...wrong, 'm.relates_to': { rel_type: 'm.reference', event_id: other } });
    await answerTo(await launch(wrong));
    expect((await alice.history(roomId)).filter(refersTo(reference))).to.deep.equal([]);
  });

  it('parks a poison event after its tries, shows it, and goes on behind it', async () => {
    const poison = await alice.sendEvent(roomId, 'm.tween.test', {});
    await inDatabase((database) => database.sql.raw(`CREATE TRIGGER poison BEFORE INSERT ON launch_session WHEN NEW.event_id = '${poison}' BEGIN SELECT RAISE(ABORT, 'poison'); END`));
    await call(town.server.url, 'PUT', '/_matrix/app/v1/transactions/poison', {
      token: HS_TOKEN,
      body: { events: [{ type: launchType, event_id: poison, room_id: roomId, sender: alice.userId, content: { miniapp_id: 'ma_official_wallet' } }] },
    });
    const next = await launch({ miniapp_id: 'ma_official_wallet' });
    expect((await alice.waitForEvent(refersTo(next), { description: 'the answer behind the poison', timeoutMs: 30_000 })).type).to.equal('m.tween.miniapp.launched');
    expect(await metric('tmcp_jobs{kind="inbound.event",state="parked"}')).to.match(/ 1$/);
    await inDatabase((database) => database.sql.raw('DROP TRIGGER poison'));
  }).timeout(40_000);

  it('explains itself once in an encrypted room', async () => {
    const encrypted = await town.roomWithBot(alice, { initial_state: [{ type: 'm.room.encryption', state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } }] });
    const isNotice = (event: ReceivedEvent): boolean => event.roomId === encrypted && event.type === 'm.room.message' && event.sender === BOT;
    const notice = await alice.waitForEvent(isNotice, { description: 'the explanation' });
    expect(notice.content.body).to.match(/^This room is encrypted/);
    await alice.sendState(encrypted, 'm.room.encryption', '', { algorithm: 'm.megolm.v1.aes-sha2', rotation_period_msgs: 10 });
    await answerTo(await launchPlainly(encrypted));
    expect((await alice.history(encrypted)).filter(isNotice)).to.have.length(1);
  });

  it('gives its users their names, and leaves a name that an administrator chose alone', async () => {
    const nameOf = async (userId: string): Promise<unknown> => (await alice.client.getProfileInfo(userId)).displayname;
    for (const [userId, name] of [[BOT, 'Mini-apps'], ['@_tmcp_payments:hs.test', 'Payments'], ['@ma_official_wallet:hs.test', 'Wallet']] as const) {
      await eventually(async () => expect(await nameOf(userId)).to.equal(name), { description: `the name of ${userId}` });
    }
    await fetch(`${town.synapse.url}/_matrix/client/v3/profile/${encodeURIComponent(BOT)}/displayname`, { method: 'PUT', headers: { authorization: `Bearer ${AS_TOKEN}` }, body: JSON.stringify({ displayname: 'Our apps' }) });
    await town.server.stop();
    await town.server.start();
    await eventually(async () => expect(await inDatabase((database) => database.sql('job').where({ state: 'queued' }).whereNotIn('kind', ['maintenance', 'catalog.score']).select('id'))).to.deep.equal([]), { description: 'everything queued at the start is done' });
    expect(await nameOf(BOT)).to.equal('Our apps');
  });

  it('finds its rooms again when their rows are lost, instead of making new ones', async () => {
    const token = await firstPartyToken(town.server.url, alice.accessToken, 'tmcp_store');
    await call(town.server.url, 'DELETE', '/api/v1/store/apps/ma_official_gifts/install', { token });
    const notices = (await alice.waitForInvite((invite) => invite.sender === BOT)).roomId;
    await alice.join(notices);
    // The homeserver invites her before the server hears that it has the room.
    const ownRooms = () => inDatabase((database) => database.sql<{ purpose: string; room_id: string }>('own_room').select('purpose', 'room_id').orderBy('purpose'));
    await eventually(async () => expect((await ownRooms()).map(({ room_id: roomOf }) => roomOf)).to.include(notices), { description: 'the row of the notice room' });
    const before = await ownRooms();
    await inDatabase((database) => database.sql('own_room').delete());
    await call(town.server.url, 'POST', '/api/v1/store/apps/ma_official_gifts/install', { token, body: {} });
    const installed = await alice.waitForEvent((event) => event.type === 'm.tween.miniapp.installed', { description: 'the event in the notice room' });
    expect(installed.roomId).to.equal(notices);
    await town.server.stop();
    await town.server.start();
    await eventually(async () => expect(await ownRooms()).to.deep.equal(before), { description: 'the rows are back' });
  });

  it('makes a new notice room when the old one was closed by an administrator', async () => {
    const token = await firstPartyToken(town.server.url, alice.accessToken, 'tmcp_store');
    const old = alice.received.find((event) => event.type === 'm.tween.miniapp.installed')!.roomId;
    const { accessToken } = await town.synapse.registerUser('admin', 'password', { admin: true });
    const closing = await fetch(`${town.synapse.url}/_synapse/admin/v1/rooms/${encodeURIComponent(old!)}`, { method: 'DELETE', headers: { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json' }, body: '{"purge":true}' });
    expect(closing.status).to.equal(200);
    await call(town.server.url, 'DELETE', '/api/v1/store/apps/ma_official_gifts/install', { token });
    const invite = await alice.waitForInvite((candidate) => candidate.sender === BOT && candidate.roomId !== old, { timeoutMs: 30_000 });
    await alice.join(invite.roomId);
    const event = await alice.waitForEvent((candidate) => candidate.roomId === invite.roomId && candidate.type === 'm.tween.miniapp.uninstalled', { description: 'the event in the new room' });
    expect(event.content.miniapp_id).to.equal('ma_official_gifts');
  }).timeout(40_000);

  it('parks what it may not say, and the room goes on', async () => {
    const muted = await town.roomWithBot(alice, { power_level_content_override: { events: { 'm.tween.miniapp.launched': 100 } } });
    await launch({ miniapp_id: 'ma_official_wallet' }, muted);
    const error = await alice.sendEvent(muted, launchType, { miniapp_id: 'ma_none' });
    expect((await answerTo(error)).type).to.equal('m.tween.error');
    const parked = await inDatabase((database) => database.sql<{ stream: string; state: string; last_error: string }>('job').where({ stream: `room:${muted}`, state: 'parked' }));
    expect(parked).to.have.length(1);
    expect(parked[0]?.last_error).to.match(/user_level \(0\) < send_level \(100\)/);
  });
});

describe('when servers go away and come back', () => {
  let town: Neighbourhood;
  let alice: MatrixUser;
  let roomId: string;
  before(async function () {
    town = await startNeighbourhood(this, { env: { TMCP_JOBS_BACKOFF_BASE_MS: '100', TMCP_APPSERVICE_ANSWERS_PER_MINUTE: '6000' } });
    alice = await town.person('alice');
    roomId = await town.roomWithBot(alice);
  });
  after(() => town?.close());

  const launch = (n: number): Promise<string> => alice.sendEvent(roomId, launchType, { miniapp_id: 'ma_official_wallet', launch_params: { n } });
  const answerTo = (eventId: string): Promise<ReceivedEvent> => alice.waitForEvent(refersTo(eventId), { description: `an answer to ${eventId}`, timeoutMs: 40_000 });
  const readiness = async (): Promise<string> => (await call(town.server.url, 'GET', '/health/ready')).body.checks.homeserver as string;

  it('hears what was said while it was away, at once after its start', async () => {
    await town.server.kill();
    const launches = [await launch(1), await launch(2)];
    await town.server.start();
    for (const eventId of launches) expect((await answerTo(eventId)).type).to.equal('m.tween.miniapp.launched');
  }).timeout(60_000);

  it('works without the homeserver, and catches up when it is back', async () => {
    const token = await firstPartyToken(town.server.url, alice.accessToken, 'tmcp_store');
    await town.synapse.stop();
    const removed = await call(town.server.url, 'DELETE', '/api/v1/store/apps/ma_official_gifts/install', { token });
    expect(removed.status).to.equal(200);
    const inRoom = await call(town.server.url, 'POST', '/api/v1/store/apps/ma_official_gifts/install', { token, body: { room_id: '!other:hs.test' } });
    expect(inRoom.status).to.equal(503);
    expect(inRoom.body.error.code).to.equal('SERVICE_UNAVAILABLE');
    const started = Date.now();
    await town.server.stop();
    await town.server.start();
    // No request to it is waited for, which would take 30 s.
    expect(Date.now() - started).to.be.below(30_000);
    await eventually(async () => expect(await readiness()).to.equal('unreachable'), { description: 'the absence is noticed' });
    await town.synapse.restart();
    const invite = await alice.waitForInvite((candidate) => candidate.sender === BOT, { timeoutMs: 40_000 });
    await alice.join(invite.roomId);
    await alice.waitForEvent((event) => event.roomId === invite.roomId && event.type === 'm.tween.miniapp.uninstalled', { description: 'what happened meanwhile' });
    await eventually(async () => expect(await readiness()).to.equal('connected'), { description: 'the connection is noticed', timeoutMs: 20_000 });
    expect((await answerTo(await launch(3))).type).to.equal('m.tween.miniapp.launched');
  }).timeout(90_000);

  it('says each thing once when the homeserver dies in the middle', async () => {
    const launches = await Promise.all(Array.from({ length: 20 }, (_, n) => launch(100 + n)));
    await answerTo(launches[0]!);
    await town.synapse.kill();
    await town.synapse.restart();
    // What Synapse had not delivered when it died, it delivers with the next event.
    launches.push(await launch(120));
    for (const eventId of launches) await answerTo(eventId);
    const history = await alice.history(roomId);
    for (const eventId of launches) expect(history.filter(refersTo(eventId))).to.have.length(1);
  }).timeout(90_000);

  it('takes transaction ids that start at 1 again for what they are: new', async () => {
    const eventIds = [await launch(200), await launch(201)];
    for (const [n, eventId] of eventIds.entries()) {
      await answerTo(eventId);
      const event = { type: launchType, event_id: eventId, room_id: roomId, sender: alice.userId, content: { miniapp_id: 'ma_official_wallet' } };
      expect((await call(town.server.url, 'PUT', `/_matrix/app/v1/transactions/${n + 1}`, { token: HS_TOKEN, body: { events: [event] } })).status).to.equal(200);
    }
    const last = await launch(202);
    await answerTo(last);
    const history = await alice.history(roomId);
    for (const eventId of [...eventIds, last]) expect(history.filter(refersTo(eventId))).to.have.length(1);
  });

  it('waits as long as a homeserver that limits it says', async () => {
    await town.synapse.restart(() => Promise.resolve(town.synapse.updateRegistration(registrationFor(Number(new URL(town.server.url).port)).replace('rate_limited: false', 'rate_limited: true'))));
    const { accessToken } = await town.synapse.registerUser('limiter', 'password', { admin: true });
    const limit = await call(town.synapse.url, 'POST', `/_synapse/admin/v1/users/${encodeURIComponent(BOT)}/override_ratelimit`, { token: accessToken, body: { messages_per_second: 1, burst_count: 1 } });
    expect(limit.body).to.include({ messages_per_second: 1, burst_count: 1 });
    // So many at once that no machine answers each a second after the one before it anyway.
    const launches = await Promise.all(Array.from({ length: 8 }, (_, n) => launch(300 + n)));
    for (const eventId of launches) await answerTo(eventId);
    const metrics = await (await fetch(town.server.metricsUrl)).text();
    expect(metrics).to.match(/tmcp_job_attempts_total\{kind="matrix.event",outcome="waiting"\} [1-9]/);
    expect(metrics).not.to.contain('state="parked"');
    const history = await alice.history(roomId);
    for (const eventId of launches) expect(history.filter(refersTo(eventId))).to.have.length(1);
  }).timeout(90_000);
});
