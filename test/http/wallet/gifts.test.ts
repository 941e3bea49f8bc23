import { expect } from 'chai';
import { auditGifts } from '../../../src/gifts/index.ts';
import { loadEventSchemas } from '../../../src/http/index.ts';
import { call, exchange, firstPartyToken, type ApiResponse } from '../../support/api.ts';
import { onEveryWallet } from '../../support/databases.ts';
import { queued, runInstructions, startWholeServer, type WholeServer } from '../../support/whole-server.ts';
import { fakeProofs, proofOf, type FakeProofs } from './fake-proofs.ts';
import { administration, auditOf, funded, person, room, type Person } from './support.ts';

interface EventJob {
  event: { type: string; place: { room?: string; noticesOf?: string }; speaker: string; content: Record<string, unknown> & { gift_id?: string } };
}

const checkContent = loadEventSchemas(new URL('../../../schema/events/', import.meta.url));
let serial = 0;
const newKey = (): string => `gift-key-${(serial += 1)}`;
const error = ({ status, body }: ApiResponse): [number, string] => [status, body.error?.code as string];
const cents = (amount: number): number => Math.round(amount * 100);

onEveryWallet('gifts', (databases) => {
  let server: WholeServer;
  let proofs: FakeProofs;
  let alice: Person;
  let friends: Person[];
  let roomId: string;
  before(async () => {
    proofs = fakeProofs();
    server = await startWholeServer(databases, {}, { proofs });
    alice = await funded(server, 'alice', '5000');
    proofs.enrolled.add(alice.userId);
    friends = await Promise.all(['bob', 'cat', 'dan', 'eli', 'fay'].map((name) => person(server, name)));
    roomId = room(server, 'group', [alice, ...friends]);
  });
  afterEach(async () => {
    expect([...(await auditOf(server)), ...(await auditGifts(server.database))]).to.deep.equal([]);
    for (const { event } of await queued<EventJob>(server.database, 'matrix.event')) {
      if (event.type.startsWith('m.tween.gift')) expect(checkContent(event.type, { ...event.content, delivery_id: 'job_x' }), event.type).to.deep.equal([]);
    }
  });
  after(() => server.close());

  const create = (fields: object = {}, who = alice): Promise<ApiResponse> =>
    who.post('/wallet/v1/gift/create', { type: 'group', room_id: roomId, total_amount: 100, currency: 'USD', count: 5, message: 'Happy Friday! 🎁', idempotency_key: newKey(), ...fields });
  const given = async (fields: { total_amount?: number; room_id?: string } & Record<string, unknown> = {}, who = alice): Promise<string> => {
    const key = newKey();
    const { status, body } = await create({ ...fields, idempotency_key: key, auth_proof: proofOf({ id: key, amountMinor: cents(fields.total_amount ?? 100), recipient: fields.room_id ?? roomId }) }, who);
    expect(status, JSON.stringify(body)).to.equal(200);
    return body.gift_id as string;
  };
  const open = (id: string, who: Person): Promise<ApiResponse> => who.post(`/wallet/v1/gift/${id}/open`, { device_id: 'device_xyz789' });
  const balance = async (who: Person): Promise<number> => cents((await who.get('/wallet/v1/balance')).body.balance.available as number);
  const eventsOf = async (id: string): Promise<EventJob['event'][]> => (await queued<EventJob>(server.database, 'matrix.event')).map(({ event }) => event).filter(({ content }) => content.gift_id === id);
  const later = async (ms: number): Promise<void> => {
    server.clock.advance(ms);
    [alice, ...friends] = (await Promise.all(['alice', 'bob', 'cat', 'dan', 'eli', 'fay'].map((name) => person(server, name)))) as [Person, ...Person[]];
  };
  const runExpiry = async (id: string): Promise<void> => {
    for (const body of (await queued<{ giftId: string }>(server.database, 'gift.expire')).filter(({ giftId }) => giftId === id)) {
      const recording = await server.app.jobs['gift.expire']!.run({ id: 'job', stream: 's', kind: 'gift.expire', body, attempt: 1, createdAt: 0, unsettledSince: undefined });
      if (recording !== undefined) await server.database.inTransaction(recording);
    }
    await runInstructions(server);
  };

  it('to a room are opened share by share, by each member once, to the last cent', async () => {
    const [before, key] = [await balance(alice), newKey()];
    const fields = { idempotency_key: key, auth_proof: proofOf({ id: key, amountMinor: 10_000, recipient: roomId }) };
    const created = await create(fields);
    expect(created.body).to.deep.include({ status: 'active', type: 'group', total_amount: 100, count: 5, remaining: 5, opened_by: [], message: 'Happy Friday! 🎁' });
    const id = created.body.gift_id as string;
    expect(await balance(alice)).to.equal(before - 10_000);
    expect((await create(fields)).body).to.deep.equal(created.body);

    const received: number[] = [];
    for (const [n, friend] of friends.entries()) {
      const had = await balance(friend);
      const { status, body } = await open(id, friend);
      expect(status).to.equal(200);
      expect(body).to.deep.include({ gift_id: id, currency: 'USD', message: 'Happy Friday! 🎁', sender: { user_id: alice.userId } });
      expect(body.stats).to.deep.include({ total_opened: n + 1, total_remaining: 4 - n });
      received.push(cents(body.amount_received as number));
      expect(await balance(friend)).to.equal(had + received.at(-1)!);
      expect(body.stats.your_rank).to.equal(1 + received.slice(0, -1).filter((amount) => amount >= received.at(-1)!).length);
    }
    expect(received.reduce((a, b) => a + b)).to.equal(10_000);
    expect(error(await open(id, friends[0]!))).to.deep.equal([409, 'ALREADY_OPENED']);
    expect(error(await open(id, alice))).to.deep.equal([409, 'GIFT_EMPTY']);
    const gift = (await friends[0]!.get(`/wallet/v1/gift/${id}`)).body;
    expect(gift).to.deep.include({ status: 'fully_opened', remaining: 0 });
    expect((gift.opened_by as { amount: number }[]).map(({ amount }) => cents(amount))).to.deep.equal([...received].sort((a, b) => b - a));
    const [first, ...openings] = await eventsOf(id);
    expect(first).to.deep.include({ type: 'm.tween.gift', place: { room: roomId }, speaker: 'payments' });
    expect(first?.content).to.deep.include({ amount: 100, total_amount: 100, amount_minor: 10_000, currency: 'USD', count: 5, opened_count: 0, sender: { user_id: alice.userId } });
    expect(openings.map(({ type, content }) => [type, content.remaining_count])).to.deep.equal([4, 3, 2, 1, 0].map((left) => ['m.tween.gift.opened', left]));
    expect((await friends[0]!.get('/wallet/v1/transactions')).body.transactions[0]).to.deep.include({ type: 'gift_received', from: { user_id: alice.userId }, reference: id });
    await runExpiry(id);
    expect((await alice.get(`/wallet/v1/gift/${id}`)).body.status).to.equal('fully_opened');
  });

  it('have a share for each of those who are fast enough, however many try at once', async () => {
    const id = await given({ count: 3, total_amount: 10, distribution: 'equal' });
    const answers = await Promise.all([...friends, ...friends].map((friend) => open(id, friend)));
    const opened = answers.filter(({ status }) => status === 200);
    expect(opened.map(({ body }) => cents(body.amount_received as number)).sort()).to.deep.equal([333, 333, 334]);
    expect(new Set(answers.filter(({ status }) => status !== 200).map(({ status }) => status))).to.deep.equal(new Set([409]));
    const codes = answers.filter(({ status }) => status !== 200).map(({ body }) => body.error.code as string);
    expect(codes.every((code) => ['GIFT_EMPTY', 'ALREADY_OPENED'].includes(code))).to.equal(true);
    expect((await alice.get(`/wallet/v1/gift/${id}`)).body).to.deep.include({ status: 'fully_opened', remaining: 0 });
  });

  it('wait for a confirmation when they come without a proof, and nobody hears of them before', async () => {
    const [before, key] = [await balance(alice), newKey()];
    const created = await create({ idempotency_key: key });
    expect(error(created)).to.deep.equal([402, 'MFA_REQUIRED']);
    expect(created.body).to.deep.include({ status: 'pending_authorization', available_methods: ['pin'] });
    expect((await create({ idempotency_key: key })).body).to.deep.equal(created.body);
    const id = created.body.gift_id as string;
    expect(created.body.error.details).to.deep.equal({ gift_id: id, status: 'pending_authorization', available_methods: ['pin'] });
    expect(error(await open(id, friends[0]!))).to.deep.equal([404, 'GIFT_NOT_FOUND']);
    expect(error(await friends[0]!.get(`/wallet/v1/gift/${id}`))).to.deep.equal([404, 'GIFT_NOT_FOUND']);
    expect([await balance(alice), await eventsOf(id)]).to.deep.equal([before, []]);
    expect(error(await alice.post(`/wallet/v1/gift/${id}/confirm`))).to.deep.equal([402, 'MFA_REQUIRED']);
    const wrong = { auth_proof: proofOf({ id, amountMinor: 9_999, recipient: roomId }) };
    expect((await alice.post(`/wallet/v1/gift/${id}/confirm`, wrong)).status).to.equal(400);
    const answers = await Promise.all([0, 1, 2].map((n) => alice.post(`/wallet/v1/gift/${id}/confirm`, { auth_proof: proofOf({ id, amountMinor: 10_000, recipient: roomId }, n) })));
    expect(answers.map(({ status }) => status).sort()).to.deep.equal([200, 409, 409]);
    expect([await balance(alice), (await eventsOf(id)).length]).to.deep.equal([before - 10_000, 1]);
    expect((await open(id, friends[0]!)).status).to.equal(200);
  });

  it('to one person are for that person only, in the room or in their notices', async () => {
    const [bob, cat] = friends as [Person, Person];
    const key = newKey();
    const { body } = await alice.post('/wallet/v1/gift/create', { type: 'individual', recipient: bob.userId, amount: '12.50', currency: 'USD', message: 'Happy Birthday!', idempotency_key: key, auth_proof: proofOf({ id: key, amountMinor: 1250, recipient: bob.userId }) });
    expect(body).to.deep.include({ type: 'individual', status: 'active', amount: 12.5, count: 1, recipient: { user_id: bob.userId } });
    const id = body.gift_id as string;
    expect((await eventsOf(id)).map(({ place }) => place)).to.deep.equal([{ noticesOf: alice.userId }, { noticesOf: bob.userId }]);
    for (const other of [cat, alice]) expect(error(await open(id, other))).to.deep.equal([404, 'GIFT_NOT_FOUND']);
    expect((await open(id, bob)).body.amount_received).to.equal(12.5);
    expect(error(await open(id, bob))).to.deep.equal([409, 'ALREADY_OPENED']);
  });

  it('give back what is left when their time is over', async () => {
    const before = await balance(alice);
    const id = await given({ count: 4, expires_in_seconds: 3600 });
    const taken = cents((await open(id, friends[0]!)).body.amount_received as number);
    await runExpiry(id);
    expect((await alice.get(`/wallet/v1/gift/${id}`)).body.status).to.equal('partially_opened');
    await later(3600_000);
    expect(error(await open(id, friends[1]!))).to.deep.equal([400, 'GIFT_EXPIRED']);
    await runExpiry(id);
    await runExpiry(id);
    expect(await balance(alice)).to.equal(before - taken);
    expect(error(await open(id, friends[1]!))).to.deep.equal([400, 'GIFT_EXPIRED']);
    expect((await alice.get(`/wallet/v1/gift/${id}`)).body).to.deep.include({ status: 'expired', remaining: 3 });
    const last = (await eventsOf(id)).at(-1);
    expect(last).to.deep.include({ type: 'm.tween.gift.expired' });
    expect(last?.content).to.deep.include({ amount_minor: 10_000 - taken, opened_count: 1, remaining_count: 3 });
    expect((await alice.get('/wallet/v1/transactions')).body.transactions[0]).to.deep.include({ type: 'gift_returned', reference: id });
  });

  it('that nobody confirms expire without a sound', async () => {
    const id = (await create()).body.gift_id as string;
    await later(300_000);
    expect(error(await alice.post(`/wallet/v1/gift/${id}/confirm`, { auth_proof: proofOf({ id, amountMinor: 10_000, recipient: roomId }) }))).to.deep.equal([400, 'GIFT_EXPIRED']);
    await runExpiry(id);
    expect(await eventsOf(id)).to.deep.equal([]);
  });

  it('say no amounts in an encrypted room', async () => {
    const secret = room(server, 'secret', [alice, ...friends], { encrypted: true });
    const id = await given({ room_id: secret, total_amount: 98.1, count: 2, message: 'surprise' });
    await open(id, friends[0]!);
    await later(24 * 3_600_000);
    await runExpiry(id);
    const events = await eventsOf(id);
    expect(events.map(({ type }) => type)).to.deep.equal(['m.tween.gift', 'm.tween.gift.opened', 'm.tween.gift.expired']);
    expect(JSON.stringify(events)).not.to.match(/amount|USD|9810|98\.1|surprise/);
  });

  it('are for those who were in the room when they were made, and still are', async () => {
    const [bob, cat] = friends as [Person, Person];
    const [small, late] = [room(server, 'small', [alice]), await person(server, 'late')];
    // Known as it was a moment ago, without the two; a gift asks who is there now.
    await given({ room_id: small, count: 1 });
    server.identity.rooms.get(small)!.members.add(bob.userId).add(cat.userId);
    const id = await given({ room_id: small, count: 3 });
    server.identity.rooms.get(small)!.members.add(late.userId);
    server.identity.rooms.get(small)!.members.delete(cat.userId);
    await later(5 * 60_000);
    const [bobNow, catNow, lateNow] = [friends[0]!, friends[1]!, await person(server, 'late')];
    expect(error(await open(id, lateNow))).to.deep.equal([404, 'GIFT_NOT_FOUND']);
    expect(error(await lateNow.get(`/wallet/v1/gift/${id}`))).to.deep.equal([404, 'GIFT_NOT_FOUND']);
    expect(error(await open(id, catNow))).to.deep.equal([403, 'ROOM_NOT_ALLOWED']);
    expect((await open(id, bobNow)).status).to.equal(200);
  });

  describe('refuse', () => {
    const refused: [string, object, number, string, string?][] = [
      ['more shares than cents', { total_amount: 0.04 }, 400, 'INVALID_REQUEST', 'count'],
      ['more shares than are allowed', { count: 501 }, 400, 'INVALID_REQUEST', 'count'],
      ['no shares', { count: 0 }, 400, 'INVALID_REQUEST', 'count'],
      ['a group gift without a count', { count: undefined }, 400, 'INVALID_REQUEST', 'count'],
      ['a group gift without a room', { room_id: undefined }, 400, 'INVALID_REQUEST', 'room_id'],
      ['a group gift for one', { recipient: '@bob:example.org' }, 400, 'INVALID_REQUEST', 'recipient'],
      ['an individual gift for nobody', { type: 'individual', count: undefined }, 400, 'INVALID_REQUEST', 'recipient'],
      ['an individual gift for oneself', { type: 'individual', count: undefined, recipient: '@alice:example.org' }, 400, 'INVALID_REQUEST', 'recipient'],
      ['an individual gift in shares', { type: 'individual', recipient: '@bob:example.org' }, 400, 'INVALID_REQUEST', 'count'],
      ['no amount', { total_amount: undefined }, 400, 'INVALID_AMOUNT', 'total_amount'],
      ['two amounts', { amount: 100 }, 400, 'INVALID_REQUEST', 'total_amount'],
      ['too many decimals', { total_amount: 1.001 }, 400, 'INVALID_AMOUNT', 'total_amount'],
      ['a longer life than is allowed', { expires_in_seconds: 86_401 }, 400, 'INVALID_REQUEST', 'expires_in_seconds'],
      ['another distribution', { distribution: 'fair' }, 400, 'INVALID_REQUEST', 'distribution'],
      ['no idempotency key', { idempotency_key: undefined }, 400, 'INVALID_REQUEST', 'idempotency_key'],
      ["another's room", { room_id: '!elsewhere:example.org' }, 403, 'ROOM_NOT_ALLOWED'],
      ['a room that anybody may join', { room_id: '!open:example.org' }, 403, 'ROOM_NOT_ALLOWED'],
      ['more than there is', { total_amount: 9000 }, 402, 'INSUFFICIENT_FUNDS'],
      ['more than is allowed', { total_amount: 10_001 }, 400, 'AMOUNT_EXCEEDS_LIMIT'],
    ];
    before(() => {
      room(server, 'elsewhere', friends);
      room(server, 'open', [alice, ...friends], { joinRule: 'public' });
    });
    for (const [what, fields, status, code, field] of refused) {
      it(what, async () => {
        const answer = await create(fields);
        expect([answer.status, answer.body.error?.code, answer.body.error?.details?.[0]?.field]).to.deep.equal([status, code, field]);
      });
    }

    it('a giver without a factor, and a suspended opener', async () => {
      const [bare, cold] = [await funded(server, 'bare'), await funded(server, 'cold')];
      const there = room(server, 'with-bare', [bare, alice, cold]);
      expect(error(await create({ room_id: there }, bare))).to.deep.equal([400, 'DEVICE_NOT_REGISTERED']);
      const id = await given({ room_id: there });
      await administration(server).freeze(cold.userId, 'case 17');
      expect(error(await open(id, cold))).to.deep.equal([403, 'USER_SUSPENDED']);
      expect((await alice.get(`/wallet/v1/gift/${id}`)).body.remaining).to.equal(5);
    });
  });

  describe('let in only the host client', () => {
    for (const [method, path] of [['POST', '/wallet/v1/gift/create'], ['GET', '/wallet/v1/gift/gift_x'], ['POST', '/wallet/v1/gift/gift_x/confirm'], ['POST', '/wallet/v1/gift/gift_x/open']] as const) {
      it(`${method} ${path}`, async () => {
        const status = async (token?: string): Promise<[number, string]> => error(await call(server.url, method, path, { ...(token === undefined ? {} : { token }), ...(method === 'POST' ? { body: {} } : {}) }));
        expect(await status()).to.deep.equal([401, 'INVALID_TOKEN']);
        expect(await status(alice.matrixToken)).to.deep.equal([401, 'INVALID_TOKEN']);
        expect(await status((await exchange(server.url, alice.matrixToken, { client_id: 'ma_official_wallet' })).body.access_token as string)).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
        expect(await status(await firstPartyToken(server.url, alice.matrixToken, 'tmcp_store'))).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
        const revoked = await firstPartyToken(server.url, alice.matrixToken, 'tmcp_wallet');
        await firstPartyToken(server.url, alice.matrixToken, 'tmcp_wallet');
        expect(await status(revoked)).to.deep.equal([401, 'INVALID_TOKEN']);
      });
    }
  });
});
