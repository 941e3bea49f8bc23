import { expect } from 'chai';
import { join } from 'node:path';
import { openDatabase, type Database } from '../../src/database/index.ts';
import { loadEventSchemas } from '../../src/http/index.ts';
import { newEcKey } from '../http/mfa/device-key.ts';
import { appToken, newShop, signatureOver, type Shop } from '../http/payments/support.ts';
import { proofOf } from '../http/wallet/fake-proofs.ts';
import { call, firstPartyToken, type ApiResponse } from '../support/api.ts';
import { eventually } from '../support/eventually.ts';
import type { MatrixUser, ReceivedEvent } from '../support/matrix-user.ts';
import { startNeighbourhood, type Neighbourhood } from '../support/neighbourhood.ts';
import { tmcpPrints } from '../support/tmcp.ts';

const PAYMENTS = '@_tmcp_payments:hs.test';
const checkContent = loadEventSchemas(new URL('../../schema/events/', import.meta.url));

describe('money on a real homeserver', () => {
  let town: Neighbourhood;
  let database: Database;
  let alice: MatrixUser;
  let bob: MatrixUser;
  let tokens: Map<MatrixUser, string>;
  let roomId: string;
  let serial = 0;

  before(async function () {
    town = await startNeighbourhood(this, { program: join(import.meta.dirname, '../faults/bank/server.ts'), env: { TMCP_MFA_REQUIRE_FOR_FIRST_PAYMENT: 'false', TMCP_MFA_REQUIRE_FOR_NEW_DEVICE: 'false', TMCP_MFA_LOWERED_LIMITS_PERCENT: '100' } });
    [alice, bob] = await Promise.all([town.person('alice'), town.person('bob')]);
    roomId = await town.roomWithBot(alice, { invite: [bob.userId] });
    await bob.join(roomId);
    tokens = new Map(await Promise.all([alice, bob].map(async (user): Promise<[MatrixUser, string]> => [user, await firstPartyToken(town.server.url, user.accessToken, 'tmcp_p2p')])));
    await tmcpPrints(['wallet', 'credit', alice.userId, '1000', 'USD'], { env: town.server.env });
    expect((await post(alice, '/wallet/v1/activate', { verification_data: { terms_accepted: true } })).status).to.equal(200);
    database = openDatabase({ url: town.server.env.TMCP_DATABASE_URL!, poolSize: 1, busyTimeoutMs: 5000, lockTimeoutMs: 5000 });
  });
  after(async () => {
    await database?.close();
    await town?.close();
  });

  const post = (user: MatrixUser, path: string, body: object = {}): Promise<ApiResponse> => call(town.server.url, 'POST', path, { token: tokens.get(user)!, body });
  const newKey = (): string => `key-${(serial += 1)}`;
  async function send(amount: string, amountMinor: number, room: string | undefined): Promise<string> {
    const offered = await post(alice, '/wallet/v1/p2p/initiate', { recipient: bob.userId, amount, currency: 'USD', note: 'Lunch money', idempotency_key: newKey(), ...(room === undefined ? {} : { room_id: room }) });
    expect(offered.status, JSON.stringify(offered.body)).to.equal(200);
    const id = offered.body.transfer_id as string;
    const confirmed = await post(alice, `/wallet/v1/p2p/${id}/confirm`, { auth_proof: proofOf({ id, amountMinor, recipient: bob.userId }) });
    expect(confirmed.status, JSON.stringify(confirmed.body)).to.equal(200);
    return id;
  }
  const transferIn = (user: MatrixUser, id: string): Promise<ReceivedEvent> => user.waitForEvent((event) => event.type === 'm.tween.wallet.p2p' && event.content.transfer_id === id, { description: 'the transfer' });

  it('is seen by both in the room, from the payments bot, with cents as text', async () => {
    const id = await send('12.50', 1250, roomId);
    const [atAlice, atBob] = await Promise.all([transferIn(alice, id), transferIn(bob, id)]);
    expect(atAlice.eventId).to.equal(atBob.eventId);
    expect(atBob).to.include({ sender: PAYMENTS, roomId });
    expect(atBob.content).to.include({ amount: '12.50', amount_minor: 1250, currency: 'USD', note: 'Lunch money', status: 'completed' });
    expect(checkContent(atBob.type, atBob.content)).to.deep.equal([]);
    await eventually(async () => expect((await call(town.server.url, 'GET', `/wallet/v1/p2p/${id}`, { token: tokens.get(bob)! })).body.event_id).to.equal(atBob.eventId), { description: 'the id of the event' });
  });

  it('tells somebody who has no active account, in the notice room and in the named one', async () => {
    const invite = await bob.waitForInvite((candidate) => candidate.sender === '@_tmcp:hs.test');
    await bob.join(invite.roomId);
    for (const room of [invite.roomId, roomId]) {
      const event = await bob.waitForEvent((candidate) => candidate.roomId === room && candidate.type === 'm.tween.account.activate', { description: 'the call to activate' });
      expect(event.sender).to.equal('@_tmcp:hs.test');
      expect(event.content).to.include({ recipient: bob.userId, sender: alice.userId, amount: '12.50' });
      expect(checkContent(event.type, event.content)).to.deep.equal([]);
    }
  });

  it('is told to both in their notice rooms when no room was named', async () => {
    const id = await send('3', 300, undefined);
    const invite = await alice.waitForInvite((candidate) => candidate.sender === '@_tmcp:hs.test');
    await alice.join(invite.roomId);
    const [atAlice, atBob] = await Promise.all([transferIn(alice, id), transferIn(bob, id)]);
    expect([atAlice.sender, atBob.sender]).to.deep.equal([PAYMENTS, PAYMENTS]);
    expect(atAlice.roomId).not.to.equal(atBob.roomId);
    expect(atAlice.content.amount).to.equal(3);
  });

  it('says no amount in an encrypted room', async () => {
    const secret = await town.roomWithBot(alice, { invite: [bob.userId], initial_state: [{ type: 'm.room.encryption', state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } }] });
    await bob.join(secret);
    const id = await send('98.10', 9810, secret);
    const event = await transferIn(bob, id);
    expect(event.roomId).to.equal(secret);
    expect(JSON.stringify(event.content)).not.to.match(/9810|98\.1|USD|Lunch/);
    expect(checkContent(event.type, event.content)).to.deep.equal([]);
  });

  it('in a gift is opened by the members of the room, and the room sees it', async () => {
    const key = newKey();
    const { status, body } = await post(alice, '/wallet/v1/gift/create', { type: 'group', room_id: roomId, total_amount: 10, currency: 'USD', count: 2, idempotency_key: key, auth_proof: proofOf({ id: key, amountMinor: 1000, recipient: roomId }) });
    expect(status, JSON.stringify(body)).to.equal(200);
    const id = body.gift_id as string;
    const created = await bob.waitForEvent((event) => event.type === 'm.tween.gift' && event.content.gift_id === id, { description: 'the gift' });
    const share = await post(bob, `/wallet/v1/gift/${id}/open`);
    expect(share.status, JSON.stringify(share.body)).to.equal(200);
    const opened = await alice.waitForEvent((event) => event.type === 'm.tween.gift.opened' && event.content.gift_id === id, { description: 'the opening' });
    expect(opened.content).to.include({ opened_by: bob.userId, remaining_count: 1, amount_minor: Math.round(100 * (share.body.amount_received as number)) });
    expect(opened.content['m.relates_to']).to.deep.equal({ rel_type: 'm.reference', event_id: created.eventId });
    for (const event of [created, opened]) expect(checkContent(event.type, event.content)).to.deep.equal([]);
  });

  it('goes to nobody with whom no room is shared, and not through a room that anybody may join', async () => {
    const carol = await town.person('carol');
    const open = await town.roomWithBot(alice, { preset: 'public_chat' as never, invite: [carol.userId] });
    await carol.join(open);
    for (const room of [undefined, open, roomId]) {
      const { status, body } = await post(alice, '/wallet/v1/p2p/initiate', { recipient: carol.userId, amount: 1, currency: 'USD', idempotency_key: newKey(), ...(room === undefined ? {} : { room_id: room }) });
      expect([status, body.error?.code]).to.deep.equal([403, 'ROOM_NOT_ALLOWED']);
    }
    const closed = await town.roomWithBot(alice, { invite: [carol.userId] });
    await carol.join(closed);
    expect((await post(alice, '/wallet/v1/p2p/initiate', { recipient: carol.userId, amount: 1, currency: 'USD', idempotency_key: newKey(), room_id: closed })).status).to.equal(200);
  });

  describe('paid to a mini-app', () => {
    const [key, deviceId] = [newEcKey(), 'phone'];
    let adminToken: string;
    let shop: Shop;
    before(async function () {
      this.timeout(60_000);
      adminToken = (await tmcpPrints(['admin', 'token', '--name', 'root'], { env: town.server.env })).trimEnd();
      shop = await newShop({ url: town.server.url, adminToken }, 'ma_shop');
    });

    const authorize = async (id: string, amountMinor: number): Promise<void> => {
      const answer = await post(alice, `/api/v1/payments/${id}/authorize`, signatureOver({ clock: { now: () => Date.now() } }, { key, deviceId }, id, amountMinor));
      expect([answer.status, answer.body.status], JSON.stringify(answer.body)).to.deep.equal([200, 'completed']);
    };
    const heard = async (user: MatrixUser, told: string, id: string): Promise<ReceivedEvent> => {
      const event = await user.waitForEvent((one) => one.type === `m.tween.payment.${told}` && one.content.payment_id === id, { description: `that the payment is ${told}` });
      expect(checkContent(event.type, event.content)).to.deep.equal([]);
      return event;
    };

    it('is asked for, paid and given back before the eyes of the room', async () => {
      const session = await appToken(town.server, { matrixToken: alice.accessToken }, shop, { miniapp_context: JSON.stringify({ room_id: roomId }) });
      expect((await post(alice, '/wallet/v1/devices/register', { device_id: deviceId, public_key: key.publicKey })).status).to.equal(201);
      const asked = await call(town.server.url, 'POST', '/api/v1/payments/request', { token: session, body: { amount: '12.50', currency: 'USD', description: 'Order #12345', room_id: roomId, idempotency_key: newKey() } });
      expect(asked.status, JSON.stringify(asked.body)).to.equal(200);
      const id = asked.body.payment_id as string;
      await authorize(id, 1250);
      const refund = await call(town.server.url, 'POST', `/api/v1/payments/${id}/refund`, { headers: shop.basic, body: { amount: 2, idempotency_key: newKey() } });
      expect(refund.status, JSON.stringify(refund.body)).to.equal(200);
      for (const user of [alice, bob]) {
        const request = await heard(user, 'request', id);
        const [completed, refunded] = [await heard(user, 'completed', id), await heard(user, 'refunded', id)];
        for (const event of [request, completed, refunded]) expect(event).to.include({ sender: PAYMENTS, roomId });
        for (const event of [completed, refunded]) expect(event.content['m.relates_to']).to.deep.equal({ rel_type: 'm.reference', event_id: request.eventId });
        expect(completed.content).to.include({ amount: '12.50', amount_minor: 1250, currency: 'USD', note: 'Order #12345' });
        expect(refunded.content).to.include({ amount: 2, amount_minor: 200, refunded_minor: 200 });
      }
    });

    it('is asked for by its bot, and by nobody else', async () => {
      const robot = await town.person('robot');
      const market = await town.roomWithBot(alice, { invite: [robot.userId] });
      await robot.join(market);
      const request = { miniapp_id: shop.id, payer: { user_id: alice.userId }, payment: { amount: 3, currency: 'USD', description: 'Tea' } };
      const answerTo = (eventId: string): Promise<ReceivedEvent> => alice.waitForEvent((event) => (event.content['m.relates_to'] as { event_id?: string } | undefined)?.event_id === eventId && event.type !== 'm.tween.payment.completed', { description: 'the answer' });
      const refused = await answerTo(await robot.sendEvent(market, 'm.tween.payment.request', request));
      expect([refused.type, refused.content.code]).to.deep.equal(['m.tween.error', 'INSUFFICIENT_PERMISSIONS']);
      expect((await call(town.server.url, 'PUT', `/mini-apps/v1/${shop.id}/bot`, { token: adminToken, body: { matrix_access_token: robot.accessToken } })).body.bot_user_id).to.equal(robot.userId);
      const asked = await robot.sendEvent(market, 'm.tween.payment.request', request);
      const accepted = await answerTo(asked);
      expect(accepted.type).to.equal('m.tween.payment.request.accepted');
      expect(checkContent(accepted.type, accepted.content)).to.deep.equal([]);
      const id = accepted.content.payment_id as string;
      await authorize(id, 300);
      expect((await heard(robot, 'completed', id)).content['m.relates_to']).to.deep.equal({ rel_type: 'm.reference', event_id: asked });
    });
  });

  describe('in the end', () => {
    it('left nothing parked', async () => {
      expect(await database.sql('job').where({ state: 'parked' }).select('kind', 'last_error')).to.deep.equal([]);
    });
  });
});
