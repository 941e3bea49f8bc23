import { expect } from 'chai';
import { loadEventSchemas } from '../../../src/http/index.ts';
import { auditTransfers } from '../../../src/transfers/index.ts';
import { call, exchange, firstPartyToken, type ApiResponse } from '../../support/api.ts';
import { onEveryWallet } from '../../support/databases.ts';
import { queued, runInstructions, startWholeServer, type WholeServer } from '../../support/whole-server.ts';
import { fakeProofs, proofOf, type FakeProofs } from './fake-proofs.ts';
import { administration, auditOf, funded, person, room, type Person } from './support.ts';

interface EventJob {
  event: { type: string; place: { room?: string; noticesOf?: string }; speaker: string; content: Record<string, unknown> & { transfer_id?: string; recipient: { user_id: string } | string } };
}

const checkContent = loadEventSchemas(new URL('../../../schema/events/', import.meta.url));
let serial = 0;
const newKey = (): string => `key-${(serial += 1)}`;
/** In cents, as the sum of two doubles is not always the double of the sum. */
const plus = (a: number, b: number): number => Math.round(100 * a + 100 * b) / 100;
const error = ({ status, body }: ApiResponse): [number, string] => [status, body.error?.code as string];

onEveryWallet('transfers between people', (databases) => {
  let server: WholeServer;
  let proofs: FakeProofs;
  let alice: Person;
  let bob: Person;
  let roomId: string;
  before(async () => {
    proofs = fakeProofs();
    server = await startWholeServer(databases, { TMCP_TRANSFERS_RECIPIENT_ACCEPTANCE: 'above', TMCP_TRANSFERS_ACCEPTANCE_ABOVE: '100' }, { proofs });
    [alice, bob] = [await funded(server, 'alice', '5000'), await funded(server, 'bob')];
    proofs.enrolled.add(alice.userId).add(bob.userId);
    roomId = room(server, 'chat', [alice, bob]);
  });
  afterEach(async () => {
    expect([...(await auditOf(server)), ...(await auditTransfers(server.database))]).to.deep.equal([]);
    for (const { event } of await queued<EventJob>(server.database, 'matrix.event')) {
      if (event.type.startsWith('m.tween.wallet') || event.type.startsWith('m.tween.account')) expect(checkContent(event.type, { ...event.content, delivery_id: 'job_x' }), event.type).to.deep.equal([]);
    }
  });
  after(() => server.close());

  const initiate = (fields: object = {}, who = alice): Promise<ApiResponse> => who.post('/wallet/v1/p2p/initiate', { recipient: bob.userId, amount: 10, currency: 'USD', idempotency_key: newKey(), room_id: roomId, ...fields });
  const started = async (fields: object = {}, who = alice): Promise<string> => {
    const { status, body } = await initiate(fields, who);
    expect(status, JSON.stringify(body)).to.equal(200);
    return body.transfer_id as string;
  };
  const confirm = (id: string, amountMinor: number, who = alice, recipient = bob.userId): Promise<ApiResponse> => who.post(`/wallet/v1/p2p/${id}/confirm`, { auth_proof: proofOf({ id, amountMinor, recipient }) });
  /** A transfer that waits for its recipient. */
  const waiting = async (amount = 200): Promise<string> => {
    const id = await started({ amount });
    expect((await confirm(id, amount * 100)).body.status).to.equal('pending_recipient_acceptance');
    return id;
  };
  /** Access tokens live for an hour: whoever comes back later signs in again. */
  const later = async (ms: number): Promise<void> => {
    server.clock.advance(ms);
    [alice, bob] = [await person(server, 'alice'), await person(server, 'bob')];
  };
  const balance = async (who: Person): Promise<number> => (await who.get('/wallet/v1/balance')).body.balance.available as number;
  const statusOf = async (id: string): Promise<string> => (await alice.get(`/wallet/v1/p2p/${id}`)).body.status as string;
  const eventsOf = async (id: string): Promise<EventJob['event'][]> => (await queued<EventJob>(server.database, 'matrix.event')).map(({ event }) => event).filter(({ content }) => content.transfer_id === id);
  /** What the worker does when the time of a job has come. */
  const runExpiry = async (id: string): Promise<void> => {
    const jobs = (await queued<{ transferId: string }>(server.database, 'transfer.expire')).filter(({ transferId }) => transferId === id);
    for (const body of jobs) {
      const recording = await server.app.jobs['transfer.expire']!.run({ id: 'job', stream: 's', kind: 'transfer.expire', body, attempt: 1, createdAt: 0, unsettledSince: undefined });
      if (recording !== undefined) await server.database.inTransaction(recording);
    }
    await runInstructions(server);
  };

  it('go from one to the other with a confirmation, and are announced once, in the room', async () => {
    const [before, bobs] = [await balance(alice), await balance(bob)];
    const offered = await initiate({ amount: 12.5, note: 'Lunch money' });
    expect(offered.body).to.deep.include({ status: 'pending_authorization', available_methods: ['pin'], recipient_acceptance_required: false, amount: 12.5, currency: 'USD', sender: { user_id: alice.userId }, recipient: { user_id: bob.userId } });
    const id = offered.body.transfer_id as string;
    expect(await eventsOf(id)).to.deep.equal([]);
    expect(await balance(alice)).to.equal(before);

    const done = await confirm(id, 1250);
    expect(done.body).to.deep.include({ transfer_id: id, status: 'completed', amount: 12.5 });
    expect(done.body.sender.wallet_id).to.match(/^tw_/);
    expect([await balance(alice), await balance(bob)]).to.deep.equal([before - 12.5, bobs + 12.5]);
    const [event, ...more] = await eventsOf(id);
    expect(more).to.deep.equal([]);
    expect(event).to.deep.include({ type: 'm.tween.wallet.p2p', place: { room: roomId }, speaker: 'payments' });
    expect(event?.content).to.deep.include({ amount: '12.50', amount_minor: 1250, currency: 'USD', status: 'completed', note: 'Lunch money', sender: { user_id: alice.userId }, recipient: { user_id: bob.userId }, body: '💸 Sent 12.50 USD' });
    expect((await bob.get(`/wallet/v1/p2p/${id}`)).body).to.deep.include({ status: 'completed', note: 'Lunch money' });
    expect((await bob.get('/wallet/v1/transactions')).body.transactions[0]).to.deep.include({ type: 'p2p_received', from: { user_id: alice.userId }, reference: id, note: 'Lunch money', room_id: roomId, status: 'completed' });
    expect((await alice.get('/wallet/v1/transactions')).body.transactions[0]).to.deep.include({ type: 'p2p_sent', to: { user_id: bob.userId }, reference: id });
  });

  it('are announced in the notice rooms of both when no room was named', async () => {
    const id = await started({ room_id: undefined });
    await confirm(id, 1000);
    expect((await eventsOf(id)).map(({ place }) => place)).to.deep.equal([{ noticesOf: alice.userId }, { noticesOf: bob.userId }]);
  });

  // Amounts whose digits are in no id and in no time.
  it('say neither how much nor what for in an encrypted room', async () => {
    const secret = room(server, 'secret', [alice, bob], { encrypted: true });
    const id = await started({ room_id: secret, amount: 98.1, note: 'for the surprise' });
    await confirm(id, 9810);
    const [event] = await eventsOf(id);
    expect(event?.place).to.deep.equal({ room: secret });
    expect(JSON.stringify(event)).not.to.match(/9810|98\.1|USD|surprise/);
    const later = await started({ amount: 98.01 });
    await server.database.sql('encrypted_room').insert({ room_id: roomId, told_at: 1 });
    await confirm(later, 9801);
    await server.database.sql('encrypted_room').where({ room_id: roomId }).delete();
    expect(JSON.stringify(await eventsOf(later))).not.to.match(/9801|98\.01|USD/);
  });

  it('tell somebody who has not activated the account how to', async () => {
    const nina = await person(server, 'nina');
    const withNina = room(server, 'with-nina', [alice, nina]);
    const id = await started({ recipient: nina.userId, room_id: withNina, amount: 5 });
    await confirm(id, 500, alice, nina.userId);
    const activations = (await queued<EventJob>(server.database, 'matrix.event')).map(({ event }) => event).filter(({ type, content }) => type === 'm.tween.account.activate' && content.recipient === nina.userId);
    expect(activations.map(({ place, speaker }) => ({ place, speaker }))).to.deep.equal([{ place: { noticesOf: nina.userId }, speaker: 'bot' }, { place: { room: withNina }, speaker: 'bot' }]);
    expect(activations[0]!.content).to.include({ amount: 5, amount_minor: 500, sender: alice.userId, wallet_id: (await nina.get('/wallet/v1/balance')).body.wallet_id });
    expect(error(await initiate({ recipient: alice.userId, room_id: withNina }, nina))).to.deep.equal([403, 'P2P_SEND_NOT_ALLOWED']);
    expect(await balance(nina)).to.equal(5);
  });

  describe('take a proof of their terms', () => {
    it('and without one say which methods there are', async () => {
      const id = await started();
      const answer = await alice.post(`/wallet/v1/p2p/${id}/confirm`);
      expect(error(answer)).to.deep.equal([402, 'MFA_REQUIRED']);
      expect(answer.body.error.details).to.deep.equal({ transfer_id: id, status: 'pending_authorization', available_methods: ['pin'] });
      expect(await statusOf(id)).to.equal('pending_authorization');
    });

    it('and of whoever has no factor, nothing at all', async () => {
      const bare = await funded(server, 'bare');
      room(server, 'with-bare', [bare, bob]);
      const id = await started({ room_id: '!with-bare:example.org' }, bare);
      expect(error(await bare.post(`/wallet/v1/p2p/${id}/confirm`))).to.deep.equal([400, 'DEVICE_NOT_REGISTERED']);
      expect(error(await confirm(id, 1000, bare))).to.deep.equal([400, 'DEVICE_NOT_REGISTERED']);
    });

    it('and not one of other terms, nor the same one twice', async () => {
      const id = await started();
      for (const terms of [{ id, amountMinor: 999, recipient: bob.userId }, { id: 'p2p_other', amountMinor: 1000, recipient: bob.userId }, { id, amountMinor: 1000, recipient: alice.userId }, { id, amountMinor: 1000, recipient: bob.userId, currency: 'EUR' }]) {
        expect((await alice.post(`/wallet/v1/p2p/${id}/confirm`, { auth_proof: proofOf(terms) })).status, JSON.stringify(terms)).to.equal(400);
      }
      const before = await balance(alice);
      const answers = await Promise.all(Array.from({ length: 6 }, (_, n) => alice.post(`/wallet/v1/p2p/${id}/confirm`, { auth_proof: proofOf({ id, amountMinor: 1000, recipient: bob.userId }, n) })));
      expect(answers.filter(({ status }) => status === 200)).to.have.length(1);
      expect(answers.filter(({ status }) => status !== 200).map(error)).to.deep.equal(Array.from({ length: 5 }, () => [409, 'INVALID_STATE_TRANSITION']));
      expect(await balance(alice)).to.equal(before - 10);
    });
  });

  describe('that the recipient has to accept', () => {
    it('hold the money until then', async () => {
      const [before, bobs] = [await balance(alice), await balance(bob)];
      const id = await waiting(200);
      expect((await alice.get('/wallet/v1/balance')).body.balance).to.deep.include({ available: before - 200, held: 200 });
      expect((await bob.get('/wallet/v1/balance')).body.balance).to.deep.include({ available: bobs, pending: 200 });
      expect((await eventsOf(id))[0]?.content).to.deep.include({ status: 'pending_recipient_acceptance', recipient_acceptance_required: true }).and.to.have.property('actions');
      const accepted = await bob.post(`/wallet/v1/p2p/${id}/accept`, { device_id: 'device_xyz789', timestamp: '2026-11-24T14:32:00Z' });
      expect(accepted.body).to.deep.include({ transfer_id: id, status: 'completed', new_balance: bobs + 200 }).and.to.have.property('accepted_at');
      expect((await eventsOf(id)).map(({ type, content }) => [type, content.status])).to.deep.equal([['m.tween.wallet.p2p', 'pending_recipient_acceptance'], ['m.tween.wallet.p2p.status', 'completed']]);
      expect(error(await bob.post(`/wallet/v1/p2p/${id}/accept`))).to.deep.equal([409, 'INVALID_STATE_TRANSITION']);
    });

    it('go back when it is declined, or taken back', async () => {
      const before = await balance(alice);
      const declined = await bob.post(`/wallet/v1/p2p/${await waiting()}/reject`, { reason: 'user_declined', message: 'Thanks but not needed' });
      expect(declined.body).to.deep.include({ status: 'rejected', reason: 'user_declined', refund_initiated: true });
      const id = await waiting();
      const cancelled = await alice.post(`/wallet/v1/p2p/${id}/cancel`);
      expect(cancelled.body).to.deep.include({ status: 'cancelled', refund_initiated: true });
      expect(await balance(alice)).to.equal(before);
      expect(((await alice.get('/wallet/v1/transactions?limit=2')).body.transactions as { status: string }[]).map(({ status }) => status)).to.deep.equal(['cancelled', 'rejected']);
      expect((await eventsOf(id)).at(-1)?.content.status).to.equal('cancelled');
    });

    it('go back when their time is over, and cannot be accepted any more', async () => {
      const before = await balance(alice);
      const id = await waiting();
      await later(24 * 3_600_000 - 60_000);
      await runExpiry(id);
      expect(await statusOf(id)).to.equal('pending_recipient_acceptance');
      await later(60_000);
      expect(error(await bob.post(`/wallet/v1/p2p/${id}/accept`))).to.deep.equal([400, 'TRANSFER_EXPIRED']);
      expect(await balance(alice)).to.equal(before - 200);
      await runExpiry(id);
      await runExpiry(id);
      expect([await statusOf(id), await balance(alice)]).to.deep.equal(['expired', before]);
      for (const [who, what] of [[bob, 'accept'], [bob, 'reject'], [alice, 'cancel']] as const) expect(error(await who.post(`/wallet/v1/p2p/${id}/${what}`)), what).to.deep.equal([400, 'TRANSFER_EXPIRED']);
      expect((await eventsOf(id)).map(({ type, content }) => [type, content.status])).to.deep.equal([['m.tween.wallet.p2p', 'pending_recipient_acceptance'], ['m.tween.wallet.p2p.status', 'expired']]);
    });

    it('end in one way, whatever is asked at the same moment', async () => {
      for (let n = 0; n < 4; n += 1) {
        const id = await waiting();
        const before = [await balance(alice), await balance(bob)];
        const answers = await Promise.all([
          bob.post(`/wallet/v1/p2p/${id}/accept`),
          alice.post(`/wallet/v1/p2p/${id}/cancel`),
          bob.post(`/wallet/v1/p2p/${id}/reject`),
          bob.post(`/wallet/v1/p2p/${id}/accept`),
        ]);
        const won = answers.filter(({ status }) => status === 200);
        expect(won).to.have.length(1);
        const status = await statusOf(id);
        expect(status).to.equal(won[0]!.body.status);
        expect([await balance(alice), await balance(bob)]).to.deep.equal(status === 'completed' ? [before[0], plus(before[1]!, 200)] : [plus(before[0]!, 200), before[1]]);
        expect((await eventsOf(id)).filter(({ type }) => type === 'm.tween.wallet.p2p.status')).to.have.length(1);
      }
    });
  });

  it('that nobody confirms expire, and nobody hears of them', async () => {
    const id = await started();
    await later(300_000);
    expect(error(await confirm(id, 1000))).to.deep.equal([400, 'TRANSFER_EXPIRED']);
    await runExpiry(id);
    expect([await statusOf(id), await eventsOf(id)]).to.deep.equal(['expired', []]);
    expect(error(await confirm(id, 1000))).to.deep.equal([400, 'TRANSFER_EXPIRED']);
  });

  describe('refuse', () => {
    it('what is no amount of the currency, naming the field', async () => {
      const send = async (amount: string): Promise<[number, string, string]> => {
        const response = await fetch(`${server.url}/wallet/v1/p2p/initiate`, {
          method: 'POST',
          headers: { authorization: `Bearer ${alice.token}`, 'content-type': 'application/json' },
          body: `{"recipient":"${bob.userId}","currency":"USD","idempotency_key":"${newKey()}","room_id":"${roomId}","amount":${amount}}`,
        });
        const body = (await response.json()) as { error?: { code: string; details: { field: string }[] } };
        return [response.status, body.error?.code ?? 'accepted', body.error?.details[0]?.field ?? ''];
      };
      for (const amount of ['10.001', '0', '-1', '1e-3', '0.10000000000000000001', '90071992547409.92', '1e400', '"abc"', '"1,5"', '"-1"']) expect(await send(amount), amount).to.deep.equal([400, 'INVALID_AMOUNT', 'amount']);
      for (const amount of ['null', 'true', '[1]', '{}']) expect(await send(amount), amount).to.deep.equal([400, 'INVALID_REQUEST', 'amount']);
      for (const amount of ['10.10', '"10.10"', '1e1', '10.100']) expect((await send(amount))[0], amount).to.equal(200);
    });

    it('more than there is, than is allowed, and than the limits of a day', async () => {
      const poor = await funded(server, 'poor', '50');
      room(server, 'with-poor', [poor, bob]);
      const there = { room_id: '!with-poor:example.org' };
      const short = await initiate({ ...there, amount: 50.01 }, poor);
      expect(error(short)).to.deep.equal([402, 'INSUFFICIENT_FUNDS']);
      expect(short.body.error.details).to.deep.equal({ required_amount: 50.01, available_balance: 50, currency: 'USD' });
      expect(error(await initiate({ ...there, amount: 10_000.01 }, poor))).to.deep.equal([400, 'AMOUNT_EXCEEDS_LIMIT']);
      const first = await started({ ...there, amount: 50 }, poor);
      const second = await started({ ...there, amount: 50 }, poor);
      proofs.enrolled.add(poor.userId);
      expect((await confirm(first, 5000, poor)).status).to.equal(200);
      expect(error(await confirm(second, 5000, poor))).to.deep.equal([402, 'INSUFFICIENT_FUNDS']);
    });

    it('oneself, strangers, service users, people of other homeservers, and rooms that do not count', async () => {
      const field = async (fields: object): Promise<unknown> => (await initiate(fields)).body.error.details?.[0]?.field;
      expect(await field({ recipient: alice.userId })).to.equal('recipient');
      expect(await field({ recipient: '@_tmcp:example.org' })).to.equal('recipient');
      expect(await field({ recipient: '@bob:elsewhere.org' })).to.equal('recipient');
      expect(await field({ recipient: 'bob' })).to.equal('recipient');
      expect(await field({ currency: 'ABC' })).to.equal('currency');
      expect(await field({ room_id: 'chat' })).to.equal('room_id');
      expect(await field({ colour: 'red' })).to.equal('colour');
      const eve = await funded(server, 'eve');
      room(server, 'eves', [bob, eve]);
      room(server, 'market', [alice, bob], { joinRule: 'public' });
      for (const fields of [{ recipient: eve.userId }, { recipient: eve.userId, room_id: undefined }, { room_id: '!eves:example.org' }, { room_id: '!market:example.org' }, { room_id: '!none:example.org' }]) {
        expect(error(await initiate(fields)), JSON.stringify(fields)).to.deep.equal([403, 'ROOM_NOT_ALLOWED']);
      }
    });

    it('suspended people on either side, also when that happens in between', async () => {
      const frozen = await funded(server, 'frozen');
      const there = room(server, 'with-frozen', [alice, frozen]);
      const fields = { recipient: frozen.userId, room_id: there };
      proofs.enrolled.add(frozen.userId);
      const [before, own] = [await started(fields), await started({ recipient: alice.userId, room_id: there }, frozen)];
      const held = await started({ ...fields, amount: 200 });
      await confirm(held, 20_000, alice, frozen.userId);
      await administration(server).freeze(frozen.userId, 'case 17');
      expect(error(await initiate(fields))).to.deep.equal([403, 'USER_SUSPENDED']);
      expect(error(await confirm(before, 1000, alice, frozen.userId))).to.deep.equal([403, 'USER_SUSPENDED']);
      expect(error(await confirm(own, 1000, frozen, alice.userId))).to.deep.equal([403, 'USER_SUSPENDED']);
      expect(error(await frozen.post(`/wallet/v1/p2p/${held}/accept`))).to.deep.equal([403, 'USER_SUSPENDED']);
      expect((await alice.post(`/wallet/v1/p2p/${held}/cancel`)).status).to.equal(200);
    });

    it("everybody but the two, with the answer for what does not exist, and each of them the other's part", async () => {
      const eve = await funded(server, 'eve2');
      proofs.enrolled.add(eve.userId);
      const id = await waiting();
      const unknown = (await eve.get('/wallet/v1/p2p/p2p_none')).body.error.message as string;
      for (const answer of [await eve.get(`/wallet/v1/p2p/${id}`), ...(await Promise.all(['confirm', 'accept', 'reject', 'cancel'].map((what) => eve.post(`/wallet/v1/p2p/${id}/${what}`)))), await alice.post(`/wallet/v1/p2p/${id}/accept`), await alice.post(`/wallet/v1/p2p/${id}/reject`), await bob.post(`/wallet/v1/p2p/${id}/cancel`), await bob.post(`/wallet/v1/p2p/${id}/confirm`)]) {
        expect(error(answer)).to.deep.equal([404, 'TRANSFER_NOT_FOUND']);
        expect(answer.body.error.message).to.equal(unknown);
      }
      expect(await statusOf(id)).to.equal('pending_recipient_acceptance');
    });
  });

  describe('with an idempotency key', () => {
    it('are made once, and answered with the same bytes', async () => {
      const key = newKey();
      const send = (body: string, headers: Record<string, string> = {}) => fetch(`${server.url}/wallet/v1/p2p/initiate`, { method: 'POST', headers: { authorization: `Bearer ${alice.token}`, 'content-type': 'application/json', ...headers }, body });
      const body = JSON.stringify({ recipient: bob.userId, amount: 10, currency: 'USD', room_id: roomId, idempotency_key: key });
      const first = await send(body);
      const text = await first.text();
      expect([first.status, first.headers.get('idempotency-replayed')]).to.deep.equal([200, null]);
      const inHeader = JSON.stringify({ room_id: roomId, currency: 'USD', amount: '10.00', recipient: bob.userId });
      for (const again of [await send(body), await send(inHeader, { 'Idempotency-Key': key }), await send(inHeader, { 'X-Idempotency-Key': key })]) {
        expect([again.status, again.headers.get('idempotency-replayed'), await again.text()]).to.deep.equal([200, 'true', text]);
      }
      expect(error(await initiate({ idempotency_key: key, amount: 11 }))).to.deep.equal([409, 'DUPLICATE_TRANSACTION']);
      expect((await initiate({ idempotency_key: key }, bob)).body.error.details[0].field).to.equal('recipient');
      const disagree = await alice.post('/wallet/v1/p2p/initiate', { recipient: bob.userId, amount: 10, currency: 'USD', idempotency_key: key }, { 'Idempotency-Key': 'other' });
      expect(disagree.body.error.details[0].field).to.equal('idempotency_key');
      expect((await initiate({ idempotency_key: undefined })).body.error.details[0].field).to.equal('idempotency_key');
    });

    it('replay when the homeserver is away, and can be used again when the first try was refused', async () => {
      const key = newKey();
      expect(error(await initiate({ idempotency_key: key, room_id: '!none:example.org' }))).to.deep.equal([403, 'ROOM_NOT_ALLOWED']);
      const { body } = await initiate({ idempotency_key: key });
      server.clock.advance(5 * 60_000 + 1);
      server.identity.failWith = 502;
      expect((await initiate({ idempotency_key: key })).body).to.deep.equal(body);
      expect(error(await initiate({}))).to.deep.equal([503, 'SERVICE_UNAVAILABLE']);
      server.identity.failWith = undefined;
    });
  });

  describe('let in only the host client', () => {
    for (const [method, path] of [['POST', '/wallet/v1/p2p/initiate'], ['GET', '/wallet/v1/p2p/p2p_x'], ['POST', '/wallet/v1/p2p/p2p_x/confirm'], ['POST', '/wallet/v1/p2p/p2p_x/accept'], ['POST', '/wallet/v1/p2p/p2p_x/reject'], ['POST', '/wallet/v1/p2p/p2p_x/cancel']] as const) {
      it(`${method} ${path}`, async () => {
        const status = async (token?: string): Promise<[number, string]> => error(await call(server.url, method, path, { ...(token === undefined ? {} : { token }), ...(method === 'POST' ? { body: {} } : {}) }));
        expect(await status()).to.deep.equal([401, 'INVALID_TOKEN']);
        expect(await status(alice.matrixToken)).to.deep.equal([401, 'INVALID_TOKEN']);
        expect(await status(server.adminToken)).to.deep.equal([401, 'INVALID_TOKEN']);
        const miniapps = (await exchange(server.url, bob.matrixToken, { client_id: 'ma_official_wallet' })).body.access_token as string;
        expect(await status(miniapps)).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
        expect(await status(await firstPartyToken(server.url, alice.matrixToken, 'tmcp_store'))).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
        const revoked = await firstPartyToken(server.url, bob.matrixToken, 'tmcp_wallet');
        await firstPartyToken(server.url, bob.matrixToken, 'tmcp_wallet');
        expect(await status(revoked)).to.deep.equal([401, 'INVALID_TOKEN']);
      });
    }
  });
});
