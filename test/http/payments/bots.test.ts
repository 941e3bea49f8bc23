import { expect } from 'chai';
import { loadEventSchemas } from '../../../src/http/index.ts';
import { auditPayments } from '../../../src/payments/index.ts';
import { call, type ApiResponse } from '../../support/api.ts';
import { onEveryWallet } from '../../support/databases.ts';
import { HS_TOKEN } from '../../support/server-process.ts';
import { queued, type WholeServer } from '../../support/whole-server.ts';
import { signIn, startPlatform } from '../developers/support.ts';
import { auditOf, room } from '../wallet/support.ts';
import { authorize, deliveriesOf, error, eventsOf, newPayer, newShop, refund, type EventJob, type Payer, type Shop } from './support.ts';

const checkContent = loadEventSchemas(new URL('../../../schema/events/', import.meta.url));
const botId = '@shopbot:example.org';
const botToken = 'syt_shopbot';

onEveryWallet('payments that a bot asks for', (databases) => {
  let server: WholeServer;
  let shop: Shop;
  let alice: Payer;
  let roomId: string;
  let serial = 0;
  let transaction = 0;
  before(async () => {
    server = await startPlatform(databases, ['dana', 'erin'], { TMCP_MFA_REQUIRE_FOR_FIRST_PAYMENT: 'false', TMCP_MFA_LOWERED_LIMITS_PERCENT: '100', TMCP_APPSERVICE_ANSWERS_PER_MINUTE: '1000' });
    for (const name of ['shopbot', 'otherbot']) server.identity.whoami.set(`syt_${name}`, { user_id: `@${name}:example.org`, is_guest: false });
    shop = await newShop(server, 'ma_shop');
    alice = await newPayer(server, shop, 'alice');
    roomId = room(server, 'market', [alice, { userId: botId as never }]);
    expect((await registerBot(botToken)).body).to.include({ miniapp_id: shop.id, bot_user_id: botId });
  });
  after(() => server.close());

  const registerBot = (matrixToken: string, token = server.adminToken, id = shop.id): Promise<ApiResponse> => call(server.url, 'PUT', `/mini-apps/v1/${id}/bot`, { token, body: { matrix_access_token: matrixToken } });
  /** Runs the jobs of one kind as the worker would, each once. */
  const runAll = async (kind: string): Promise<void> => {
    const jobs = await server.database.sql<{ id: string; kind: string; state: string; stream: string; body: string }>('job').where({ kind, state: 'queued' }).orderBy(['created_at', 'pos']);
    for (const { id, stream, body } of jobs) {
      const recording = await server.app.jobs[kind]!.run({ id, stream, kind, body: JSON.parse(body) as unknown, attempt: 1, createdAt: 0, unsettledSince: undefined });
      await server.database.inTransaction(async (tx) => {
        await recording?.(tx);
        await tx.sql('job').where({ id }).update({ state: 'done' });
      });
    }
  };
  /** What the room hears of an event that the homeserver pushes. */
  const posted = async (content: object, { sender = botId, room: where = roomId, eventId = `$request${(serial += 1)}` } = {}): Promise<{ eventId: string; answers: EventJob['event'][] }> => {
    const event = { type: 'm.tween.payment.request', event_id: eventId, room_id: where, sender, content };
    const pushed = await call(server.url, 'PUT', `/_matrix/app/v1/transactions/${(transaction += 1)}`, { token: HS_TOKEN, body: { events: [event] } });
    expect(pushed.status, server.log.lines.slice(-3).join('\n')).to.equal(200);
    await runAll('inbound.received');
    await runAll('inbound.event');
    const events = (await queued<EventJob>(server.database, 'matrix.event')).map(({ event: sent }) => sent);
    const answers = events.filter(({ content: said }) => (said['m.relates_to'] as { event_id?: string } | undefined)?.event_id === eventId);
    for (const { type, content: said } of answers) expect(checkContent(type, { ...said, delivery_id: 'job_x' })).to.deep.equal([]);
    return { eventId, answers };
  };
  const request = (fields: object = {}, payment: object = {}): object => ({ miniapp_id: shop.id, payer: { user_id: alice.userId }, payment: { amount: '12.50', currency: 'USD', description: 'Order #7', ...payment }, ...fields });
  const refused = async (content: object, more: Parameters<typeof posted>[1] = {}): Promise<unknown> => {
    const before = Number((await server.database.sql('payment').count<{ n: number }[]>({ n: '*' }))[0]!.n);
    const { answers } = await posted(content, more);
    expect(answers.map(({ type }) => type)).to.deep.equal(['m.tween.error']);
    expect(Number((await server.database.sql('payment').count<{ n: number }[]>({ n: '*' }))[0]!.n)).to.equal(before);
    return answers[0]!.content.code;
  };

  it('become payments that the named payer authorizes, all in the room', async () => {
    const { eventId, answers } = await posted(request({}, { merchant_order_id: 'ORDER-7' }));
    expect(answers.map(({ type, speaker, place }) => [type, speaker, place])).to.deep.equal([['m.tween.payment.request.accepted', 'bot', { room: roomId }]]);
    expect(answers[0]!.content).to.deep.include({ miniapp_id: shop.id, status: 'pending_authorization', payer: { user_id: alice.userId }, amount: '12.50', amount_minor: 1250, currency: 'USD' });
    const id = answers[0]!.content.payment_id!;
    expect((await authorize(server, alice, id, 1250, alice.token)).body).to.include({ status: 'completed', room_id: roomId, merchant_order_id: 'ORDER-7' });
    await refund(server, shop, id, { amount: 2 });
    const events = (await eventsOf(server, id)).slice(1);
    expect(events.map(({ type, place, relatesTo }) => [type, place, relatesTo])).to.deep.equal([['m.tween.payment.completed', { room: roomId }, id], ['m.tween.payment.refunded', { room: roomId }, id]]);
    // What the later events refer to is the bot's own.
    expect(await server.database.sql('sent_event').where({ name: id }).pluck('event_id')).to.deep.equal([eventId]);
    expect((await deliveriesOf(server, id)).map(({ event }) => event)).to.deep.equal(['payment.completed', 'payment.refunded']);
    expect([...(await auditOf(server)), ...(await auditPayments(server.database))]).to.deep.equal([]);
  });

  it('take whole amounts and minor units, and are made once however often they are pushed', async () => {
    const first = await posted(request({}, { amount: 5 }));
    expect(first.answers[0]!.content.amount_minor).to.equal(500);
    const again = await posted(request({}, { amount: 5 }), { eventId: first.eventId });
    expect(again.answers).to.have.length(1);
    expect((await posted(request({}, { amount: undefined, amount_minor: 7 }))).answers[0]!.content.amount_minor).to.equal(7);
  });

  it('say no amount in an encrypted room', async () => {
    const secret = room(server, 'secret', [alice, { userId: botId as never }], { encrypted: true });
    const { answers } = await posted(request({}, { amount_minor: 9810, amount: undefined }), { room: secret });
    expect(JSON.stringify(answers)).not.to.match(/9810|98\.1|USD/);
  });

  it('are refused from anybody but the registered bot', async () => {
    for (const sender of [alice.userId, '@otherbot:example.org']) {
      server.identity.rooms.get(roomId)!.members.add(sender);
      expect(await refused(request(), { sender })).to.equal('INSUFFICIENT_PERMISSIONS');
    }
    expect(await refused(request({ miniapp_id: 'ma_unknown' }))).to.equal('INSUFFICIENT_PERMISSIONS');
    const other = await newShop(server, 'ma_other');
    expect(await refused(request({ miniapp_id: other.id }))).to.equal('INSUFFICIENT_PERMISSIONS');
  });

  it('are refused for a payer who is not there, not named or not local', async () => {
    expect(await refused(request({ payer: { user_id: '@absent:example.org' } }))).to.equal('ROOM_NOT_ALLOWED');
    expect(await refused(request({ payer: undefined }))).to.equal('INVALID_REQUEST');
    server.identity.rooms.get(roomId)!.members.add('@far:elsewhere.example');
    expect(await refused(request({ payer: { user_id: '@far:elsewhere.example' } }))).to.equal('INSUFFICIENT_PERMISSIONS');
  });

  it('are refused with amounts that are none', async () => {
    for (const payment of [{ amount: '1.001' }, { amount: 0 }, { amount: '-3' }]) expect(await refused(request({}, payment))).to.equal('INVALID_AMOUNT');
    for (const payment of [{ amount: 1.5 }, { amount: undefined }, { currency: undefined }, { currency: 'XXY' }, { amount_minor: 3 }]) expect(await refused(request({}, payment))).to.equal('INVALID_REQUEST');
  });

  it('are refused of an app that is not active or lacks the scope', async () => {
    const suspended = await newShop(server, 'ma_asleep');
    server.identity.whoami.set('syt_sleepbot', { user_id: '@sleepbot:example.org', is_guest: false });
    await registerBot('syt_sleepbot', server.adminToken, suspended.id);
    server.identity.rooms.get(roomId)!.members.add('@sleepbot:example.org');
    await server.database.sql('miniapp').where({ miniapp_id: suspended.id }).update({ scopes: '["wallet:pay"]' });
    expect(await refused(request({ miniapp_id: suspended.id }), { sender: '@sleepbot:example.org' })).to.equal('INSUFFICIENT_PERMISSIONS');
    await call(server.url, 'POST', `/admin/v1/mini-apps/${suspended.id}/suspend`, { token: server.adminToken, body: { reason: 'x' } });
    expect(await refused(request({ miniapp_id: suspended.id }), { sender: '@sleepbot:example.org' })).to.equal('APP_NOT_FOUND');
  });

  describe('need a bot that was registered with proof', () => {
    it('by the app’s own developers, whose token must be good', async () => {
      const [dana, erin] = [await signIn(server, 'dana'), await signIn(server, 'erin')];
      const chess = await newShop(server, 'x', { token: dana.access, approve: false });
      server.identity.whoami.set('syt_chessbot', { user_id: '@chessbot:example.org', is_guest: false });
      expect(error(await registerBot('syt_chessbot', erin.access, chess.id))).to.deep.equal([404, 'MINIAPP_NOT_FOUND']);
      expect(error(await registerBot('syt_nobody', dana.access, chess.id))).to.deep.equal([400, 'INVALID_REQUEST']);
      expect((await registerBot('syt_chessbot', dana.access, chess.id)).body.bot_user_id).to.equal('@chessbot:example.org');
      expect(error(await registerBot(botToken, dana.access, chess.id))).to.deep.equal([409, 'ALREADY_EXISTS']);
      expect(error(await registerBot('syt_chessbot', alice.appToken, chess.id))).to.deep.equal([403, 'forbidden_platform_endpoint']);
      const [kept] = await server.database.sql('miniapp_bot').where({ miniapp_id: chess.id }).select('user_id');
      expect(kept).to.deep.include({ user_id: '@chessbot:example.org' });
      expect(JSON.stringify([await server.database.sql('miniapp_bot').select(), await server.database.sql('audit_entry').select(), server.log.lines])).not.to.contain('syt_chessbot');
      expect((await call(server.url, 'DELETE', `/mini-apps/v1/${chess.id}/bot`, { token: dana.access })).status).to.equal(204);
      expect(error(await call(server.url, 'DELETE', `/mini-apps/v1/${chess.id}/bot`, { token: dana.access }))).to.deep.equal([404, 'NOT_FOUND']);
      expect(await server.database.sql('audit_entry').where({ target: chess.id }).whereLike('action', 'miniapp.bot%').orderBy(['at', 'id']).pluck('action')).to.deep.equal(['miniapp.bot_registered', 'miniapp.bot_removed']);
    });

    it('and of several at once the last one stays', async () => {
      const parlour = await newShop(server, 'ma_parlour');
      for (const n of [1, 2, 3]) server.identity.whoami.set(`syt_parlour${n}`, { user_id: `@parlour${n}:example.org`, is_guest: false });
      const answers = await Promise.all([1, 2, 3].map((n) => registerBot(`syt_parlour${n}`, server.adminToken, parlour.id)));
      expect(answers.map(({ status }) => status)).to.deep.equal([200, 200, 200]);
      expect(await server.database.sql('miniapp_bot').where({ miniapp_id: parlour.id }).select('user_id')).to.have.length(1);
    });

    it('and is none of the server’s own users', async () => {
      server.identity.whoami.set('syt_ours', { user_id: '@_tmcp_x:example.org', is_guest: false });
      expect((await registerBot('syt_ours')).status).to.equal(400);
    });
  });
});
