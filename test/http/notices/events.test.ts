import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { expect } from 'chai';
import { loadContract } from '../../../src/http/index.ts';
import { asUserId } from '../../../src/kernel/ids.ts';
import { call, exchange } from '../../support/api.ts';
import { onBothDatabases } from '../../support/databases.ts';
import { openEvents, type EventStream, type StreamEvent } from '../../support/event-stream.ts';
import { eventually } from '../../support/eventually.ts';
import { startWholeServer, type WholeServer } from '../../support/whole-server.ts';
import { proofOf, fakeProofs, type FakeProofs } from '../wallet/fake-proofs.ts';
import { funded, room } from '../wallet/support.ts';

const ajv = new Ajv2020({ strict: false });
formats.default(ajv);
ajv.addSchema(loadContract(new URL('../../../schema/openapi.yaml', import.meta.url)).document, 'openapi');
const isNotice = ajv.getSchema('openapi#/components/schemas/Notice')!;

let apps = 0;

onBothDatabases('live notices', (databases) => {
  let server: WholeServer;
  let proofs: FakeProofs;
  let app: string;
  const open: EventStream[] = [];

  before(async () => {
    proofs = fakeProofs();
    server = await startWholeServer(databases, {}, { proofs });
    for (const device of ['alice', 'alice_phone', 'alice_tablet']) server.identity.whoami.set(`syt_${device}`, { user_id: '@alice:example.org', is_guest: false });
    server.identity.whoami.set('syt_bob', { user_id: '@bob:example.org', is_guest: false });
  });
  beforeEach(async () => {
    app = await newApp();
  });
  afterEach(async () => {
    for (const stream of open.splice(0)) stream.close();
    await eventually(async () => expect(await openStreams()).to.equal(0), { description: 'closed streams are let go of' });
  });
  after(() => server.close());

  const openStreams = async (): Promise<number> => Number(/^tmcp_event_streams (\d+)$/m.exec(await server.app.metrics.registry.metrics())?.[1]);

  const newApp = async (): Promise<string> => {
    apps += 1;
    const id = `ma_live${apps}`;
    await call(server.url, 'POST', '/mini-apps/v1/register', { token: server.adminToken, body: { miniapp_id: id, name: id, category: 'tools', classification: 'community', technical: { entry_url: 'https://a.example', scopes_requested: ['storage:read', 'storage:write', 'wallet:balance'] } } });
    await call(server.url, 'POST', `/admin/v1/mini-apps/${id}/approve`, { token: server.adminToken, body: {} });
    return id;
  };
  const tokenOf = async (device: string, which: { client_id: string } | { audience: string }, url = server.url): Promise<string> => (await exchange(url, `syt_${device}`, which)).body.access_token as string;
  const put = (token: string, key: string, value: unknown = 1, url = server.url) => call(url, 'PUT', `/api/v1/storage/${key}`, { token, body: { value } });
  const listen = async (token: string, lastEventId?: number, url = server.url): Promise<EventStream> => {
    const stream = await openEvents(url, token, lastEventId === undefined ? {} : { lastEventId });
    expect(stream.status, JSON.stringify(stream.body)).to.equal(200);
    open.push(stream);
    return stream;
  };
  /** A stream whose opening has been read. */
  const listening = async (token: string, lastEventId?: number, url = server.url): Promise<EventStream> => {
    const stream = await listen(token, lastEventId, url);
    expect((await stream.next()).event).to.equal('ready');
    return stream;
  };
  const notice = async (stream: EventStream): Promise<StreamEvent> => {
    const event = await stream.next();
    expect(isNotice(event.data), JSON.stringify([event, isNotice.errors])).to.equal(true);
    expect(event.data.kind).to.equal(event.event);
    return event;
  };

  it("tell the user's other devices that an entry changed, with its key and revision and without its value", async () => {
    const [laptop, phone] = [await tokenOf('alice', { client_id: app }), await tokenOf('alice_phone', { client_id: app })];
    const [own, stream] = [await listening(laptop), await listening(phone)];
    expect(stream.headers.get('content-type')).to.match(/^text\/event-stream/);
    expect(stream.headers.get('cache-control')).to.equal('no-store, no-transform');
    await put(laptop, 'note', 'a secret text');
    const first = await notice(stream);
    expect(first.data).to.include({ kind: 'storage.changed', rev: 1, has_more: false }).and.deep.include({ changes: [{ key: 'note', rev: 1, deleted: false }] });
    expect(JSON.stringify(first.data)).not.to.contain('secret');
    await call(server.url, 'POST', '/api/v1/storage/batch/set', { token: laptop, body: { items: [{ key: 'a', value: 1 }, { key: 'b', value: 1 }] } });
    await call(server.url, 'DELETE', '/api/v1/storage/note', { token: laptop });
    const second = await notice(stream);
    expect(second.data.changes).to.deep.equal([{ key: 'a', rev: 2, deleted: false }, { key: 'b', rev: 3, deleted: false }]);
    const third = await notice(stream);
    expect(third.data.changes).to.deep.equal([{ key: 'note', rev: 4, deleted: true }]);
    expect(second.id).to.be.greaterThan(first.id);
    expect(third.id).to.be.greaterThan(second.id);
    await put(phone, 'reply');
    expect((await notice(own)).data.changes[0].key, 'the writer heard of its own writes').to.equal('reply');
  });

  it('tell of what has expired', async () => {
    const [laptop, phone] = [await tokenOf('alice', { client_id: app }), await tokenOf('alice_phone', { client_id: app })];
    await call(server.url, 'PUT', '/api/v1/storage/brief', { token: laptop, body: { value: 1, ttl: 60 } });
    server.clock.advance(61_000);
    const [own, other] = [await listening(laptop), await listening(phone)];
    await call(server.url, 'GET', '/api/v1/storage/changes', { token: laptop });
    for (const stream of [own, other]) expect((await notice(stream)).data.changes).to.deep.equal([{ key: 'brief', rev: 2, deleted: true }]);
  });

  it("a mini-app's token hears only what is that mini-app's and that user's (decision D21)", async () => {
    const other = await newApp();
    const stream = await listening(await tokenOf('alice_phone', { client_id: app }));
    const bobs = await listening(await tokenOf('bob', { client_id: app }));
    const store = await tokenOf('alice', { audience: 'tmcp_store' });
    const host = await listening(await tokenOf('alice_phone', { audience: 'tmcp_store' }));
    await put(await tokenOf('alice', { client_id: other }), 'elsewhere');
    await put(store, 'of-the-host');
    await call(server.url, 'POST', `/api/v1/store/apps/${other}/install`, { token: store });
    await call(server.url, 'POST', `/api/v1/store/apps/${app}/install`, { token: store });
    await put(await tokenOf('alice', { client_id: app }), 'mine');
    expect((await notice(stream)).data).to.include({ kind: 'miniapp.installed', miniapp_id: app });
    expect((await notice(stream)).data.changes[0].key).to.equal('mine');
    await put(await tokenOf('bob', { client_id: app }), 'bobs-other-session');
    expect((await notice(host)).data.changes[0].key).to.equal('of-the-host');
    expect([(await notice(host)).data.miniapp_id, (await notice(host)).data.miniapp_id]).to.deep.equal([other, app]);
    expect([stream.unread, host.unread]).to.deep.equal([[], []]);
    expect(bobs.unread.filter(({ data }) => data.kind !== undefined)).to.deep.equal([]);
  });

  it("the host client hears of transfers: the payee's devices only of those that were confirmed", async () => {
    const [carol, dave] = [await funded(server, `carol${apps}`), await funded(server, `dave${apps}`)];
    proofs.enrolled.add(carol.userId);
    const roomId = room(server, `chat${apps}`, [carol, dave]);
    const [payer, payee] = [await listening(carol.token), await listening(dave.token)];
    const begun = await carol.post('/wallet/v1/p2p/initiate', { recipient: dave.userId, amount: 12.5, currency: 'USD', idempotency_key: `k${apps}`, room_id: roomId });
    const id = begun.body.transfer_id as string;
    expect((await notice(payer)).data).to.include({ kind: 'transfer.updated', transfer_id: id, status: 'pending_authorization', role: 'payer', counterparty: dave.userId, amount: 12.5, currency: 'USD', room_id: roomId });
    await carol.post(`/wallet/v1/p2p/${id}/confirm`, { auth_proof: proofOf({ id, amountMinor: 1250, recipient: dave.userId }) });
    expect((await notice(payer)).data).to.include({ transfer_id: id, status: 'completed' });
    expect((await notice(payee)).data).to.include({ transfer_id: id, status: 'completed', role: 'payee', counterparty: carol.userId });
    expect(payee.unread).to.deep.equal([]);
  });

  it('the host client hears of gifts: the giver, and who opens one', async () => {
    const [carol, dave] = [await funded(server, `carol${apps}`), await funded(server, `dave${apps}`)];
    proofs.enrolled.add(carol.userId);
    const roomId = room(server, `gifts${apps}`, [carol, dave]);
    const [giver, opener] = [await listening(carol.token), await listening(dave.token)];
    const made = await carol.post('/wallet/v1/gift/create', { type: 'group', room_id: roomId, amount: 10, currency: 'USD', count: 1, distribution: 'equal', idempotency_key: `k${apps}`, auth_proof: proofOf({ id: `k${apps}`, amountMinor: 1000, recipient: roomId }) });
    expect(made.status, JSON.stringify(made.body)).to.equal(200);
    const id = made.body.gift_id as string;
    expect((await notice(giver)).data).to.include({ kind: 'gift.updated', gift_id: id, status: 'active', role: 'giver', opened_count: 0, count: 1, amount: 10 });
    await dave.post(`/wallet/v1/gift/${id}/open`);
    expect((await notice(giver)).data).to.include({ gift_id: id, status: 'fully_opened', opened_count: 1 });
    expect((await notice(opener)).data).to.include({ gift_id: id, role: 'opener', amount: 10 });
    expect(opener.unread).to.deep.equal([]);
  });

  it('the host client hears what was granted and withdrawn', async () => {
    const store = await listening(await tokenOf('alice_phone', { audience: 'tmcp_store' }));
    const asked = await exchange(server.url, 'syt_alice', { client_id: app, scope: 'wallet:balance' });
    const consent = await fetch(`${server.url}${asked.body.consent_ui_endpoint}`, { method: 'POST', headers: { authorization: 'Bearer syt_alice', 'content-type': 'application/json' }, body: JSON.stringify({ approved_scopes: ['wallet:balance'] }) });
    expect(consent.status, await consent.text()).to.equal(200);
    expect((await notice(store)).data).to.include({ kind: 'authorization.granted', miniapp_id: app }).and.deep.include({ scopes: ['wallet:balance'] });
    await call(server.url, 'POST', '/api/v1/auth/revoke', { token: await tokenOf('alice', { audience: 'tmcp_store' }), body: { miniapp_id: app } });
    expect((await notice(store)).data).to.include({ kind: 'authorization.revoked', miniapp_id: app, reason: 'user_initiated' }).and.deep.include({ revoked_scopes: ['wallet:balance'], remaining_scopes: [] });
  });

  it('go on behind the last event that a client has, also on another server', async () => {
    const [laptop, phone] = [await tokenOf('alice', { client_id: app }), await tokenOf('alice_phone', { client_id: app })];
    const stream = await listening(phone);
    await put(laptop, 'k0');
    const { id } = await notice(stream);
    stream.close();
    for (let n = 1; n <= 130; n += 1) await put(laptop, `k${n}`);
    const beside = await startWholeServer(databases, { TMCP_SERVER_PUBLIC_URL: server.url }, {}, server.shared);
    try {
      for (const url of [server.url, beside.url]) {
        const again = await listening(phone, id, url);
        const keys: string[] = [];
        const ids: number[] = [];
        while (keys.length < 130) {
          const event = await notice(again);
          keys.push(event.data.changes[0].key as string);
          ids.push(event.id);
        }
        expect(keys).to.deep.equal(Array.from({ length: 130 }, (_, n) => `k${n + 1}`));
        expect(ids).to.deep.equal([...new Set(ids)].sort((a, b) => a - b));
        expect(again.unread).to.deep.equal([]);
        again.close();
      }
      const other = await listening(phone, undefined, beside.url);
      await put(laptop, 'told-elsewhere');
      expect((await notice(other)).data.changes[0].key).to.equal('told-elsewhere');
    } finally {
      await beside.close();
    }
  });

  it('say so when what was missed can not be told any more', async () => {
    const [laptop, phone] = [await tokenOf('alice', { client_id: app }), await tokenOf('alice_phone', { client_id: app })];
    await put(laptop, 'a');
    const [last = 0] = await server.database.sql('notice_feed').where({ user_id: '@alice:example.org' }).pluck<number[]>('last_pos');
    const ahead = await listen(phone, last + 1);
    expect(await ahead.next()).to.deep.equal({ event: 'resync', id: last, data: { position: last } });
    await put(laptop, 'b');
    expect((await notice(ahead)).id).to.equal(last + 1);
    await server.database.sql('notice').where({ user_id: '@alice:example.org' }).update({ created_at: 0 });
    await server.database.inTransaction((tx) => server.app.notices.tidyUp(tx, server.clock.now()));
    expect(await server.database.sql('notice').where({ user_id: '@alice:example.org' })).to.deep.equal([]);
    expect((await (await listen(phone, last)).next()).event).to.equal('resync');
    expect((await (await listen(phone, last + 1)).next()).event, 'who has everything misses nothing').to.equal('ready');
  });

  it('end within a second when the session does, here or on another server', async () => {
    const beside = await startWholeServer(databases, { TMCP_SERVER_PUBLIC_URL: server.url }, {}, server.shared);
    try {
      const phone = await tokenOf('alice_phone', { client_id: app });
      const streams = [await listening(phone), await listening(phone, undefined, beside.url)];
      const token = await tokenOf('alice', { audience: 'tmcp_store' });
      const start = performance.now();
      expect((await call(server.url, 'POST', '/api/v1/auth/revoke', { token, body: { miniapp_id: app } })).status).to.equal(200);
      for (const stream of streams) {
        const { event, data } = await stream.next();
        expect([event, data]).to.deep.equal(['end', { reason: 'session_over' }]);
        await stream.ended;
      }
      // The limit is a second; a slow machine is given another.
      expect(performance.now() - start).to.be.lessThan(2000);
      expect((await openEvents(server.url, phone)).status).to.equal(401);
    } finally {
      await beside.close();
    }
  });

  it('show their life now and then, and move what a client comes back with', async () => {
    const [laptop, phone] = [await tokenOf('alice', { client_id: app }), await tokenOf('alice_phone', { client_id: app })];
    const stream = await listening(phone);
    await put(await tokenOf('alice', { client_id: await newApp() }), 'not-for-this-ear');
    await put(laptop, 'a');
    const { id } = await notice(stream);
    await put(await tokenOf('alice_tablet', { client_id: await newApp() }), 'nor-this');
    server.clock.advance(20_000);
    await eventually(() => expect(stream.comments).to.be.greaterThan(0), { description: 'a sign of life' });
    expect(Number(stream.lastEventId)).to.be.at.least(id);
    expect(stream.unread).to.deep.equal([]);
  });

  it('refuse what is no good', async () => {
    const token = await tokenOf('alice', { client_id: app });
    expect((await openEvents(server.url, undefined)).status).to.equal(401);
    expect((await openEvents(server.url, server.adminToken)).status).to.equal(401);
    expect((await openEvents(server.url, 'syt_alice')).status).to.equal(401);
    for (const lastEventId of ['x', '-1', '1.5', '9'.repeat(30)]) {
      const { status, body } = await openEvents(server.url, token, { lastEventId });
      expect([status, body.error.details[0].field], lastEventId).to.deep.equal([400, 'Last-Event-ID']);
    }
    expect((await openEvents(server.url, token, { query: '?last_event_id=x' })).body.error.details[0].field).to.equal('last_event_id');
    expect((await call(server.url, 'POST', '/api/v1/events', { token, body: {} })).status).to.equal(405);
  });

  it('are limited to a few for each session', async () => {
    const token = await tokenOf('alice', { client_id: app });
    for (let n = 0; n < 4; n += 1) await listening(token);
    const fifth = await openEvents(server.url, token);
    expect([fifth.status, fifth.body.error.code, fifth.headers.get('retry-after')]).to.deep.equal([429, 'RATE_LIMIT_EXCEEDED', '20']);
    open[0]!.close();
    await eventually(async () => expect(await openStreams()).to.equal(3), { description: 'the closed stream is let go of' });
    await listening(token);
  });

  it('are forgotten with the account', async () => {
    const [laptop, phone] = [await tokenOf('bob', { client_id: app }), await tokenOf('bob', { client_id: await newApp() })];
    await put(laptop, 'a');
    await put(phone, 'a');
    const count = await server.database.inTransaction((tx) => server.app.notices.erase(tx, asUserId('@bob:example.org')));
    expect(count).to.be.greaterThan(1);
    for (const table of ['notice', 'notice_feed', 'notice_lane']) expect(await server.database.sql(table).where({ user_id: '@bob:example.org' }), table).to.deep.equal([]);
  });
});

onBothDatabases('a server that stops', (databases) => {
  it('ends its streams in good order and opens no new ones', async () => {
    const server = await startWholeServer(databases, { TMCP_EVENTS_MAX_STREAMS: '1' });
    try {
      server.identity.whoami.set('syt_alice', { user_id: '@alice:example.org', is_guest: false });
      const token = (await exchange(server.url, 'syt_alice', { audience: 'tmcp_store' })).body.access_token as string;
      const stream = await openEvents(server.url, token);
      await stream.next();
      const full = await openEvents(server.url, token);
      expect([full.status, full.body.error.code, full.headers.has('retry-after')]).to.deep.equal([503, 'SERVICE_UNAVAILABLE', true]);
      server.app.release();
      expect((await stream.next()).data).to.deep.equal({ reason: 'server_stopping' });
      await stream.ended;
      expect((await openEvents(server.url, token)).status).to.equal(503);
    } finally {
      await server.close();
    }
  });
});
