import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { onBothDatabases } from '../../support/databases.ts';
import { eventually } from '../../support/eventually.ts';
import { prepareServer, type ServerProcess } from '../../support/server-process.ts';
import { Town } from './town.ts';

const once = [['payment.request', 1], ['payment.completed', 1]];

/** Each test is named after its point in the design, where the real process kills itself with SIGKILL. */
onBothDatabases('crash points of what is sent', (databases) => {
  let town: Town;
  let second: ServerProcess | undefined;
  before(async function () {
    this.timeout(60_000);
    const databaseUrl = await databases.createUrl();
    town = await Town.start({ databaseUrl });
  });
  after(async () => {
    await second?.stop();
    await town?.close();
  });
  afterEach(() => town.assertBooks());

  const allDelivered = (): Promise<unknown> => eventually(async () => expect(await town.database.sql('webhook_delivery').whereNot({ state: 'delivered' }).pluck('id')).to.deep.equal([]), { description: 'everything is marked as delivered' });

  /** Pays, and dies while that is told. Whether the payer's own answer was faster does not matter. */
  const paidAndDied = async (point: { readonly 'before-call': string } | { readonly 'after-call': string }): Promise<string> => {
    const id = await town.payment(town.ann, 300);
    await town.told(id);
    // Nothing that was told before comes to that point once more.
    await allDelivered();
    town.server.crashAt(point);
    await town.authorize(town.ann, id, 300)().catch(() => undefined);
    await town.server.crashed();
    return id;
  };
  const inRoom = (ids: readonly string[]): [string, unknown][] => town.homeserver.sent.filter(({ content }) => ids.includes(content.payment_id as string)).map(({ type, content }) => [type.replace('m.tween.payment.', ''), content.payment_id]);
  const arrived = (type: string, id: string): number => inRoom([id]).filter(([told]) => told === type).length;

  it('row claimed but unsent: the lease lapses, and what was queued behind it comes behind it', async () => {
    const first = await paidAndDied({ 'before-call': '/send/m.tween.payment.completed/' });
    expect(arrived('completed', first)).to.equal(0);
    await town.server.process.start();
    const next = await town.paid(town.ann, 400);
    expect([await town.told(first), await town.told(next)]).to.deep.equal([once, once]);
    expect(inRoom([first, next])).to.deep.equal([['request', first], ['completed', first], ['request', next], ['completed', next]]);
  });

  it('sent but unmarked: one event', async () => {
    const id = await paidAndDied({ 'after-call': '/send/m.tween.payment.completed/' });
    expect(arrived('completed', id)).to.equal(1);
    await town.startAgain();
    expect(await town.told(id)).to.deep.equal(once);
  });

  it('homeserver restarts just then: one event, though it has forgotten the transaction', async () => {
    const id = await paidAndDied({ 'after-call': '/send/m.tween.payment.completed/' });
    town.homeserver.forgetTransactions();
    await town.startAgain();
    expect(await town.told(id)).to.deep.equal(once);
    expect(await town.database.sql('job').where({ kind: 'matrix.event', attempts: 2 }).whereLike('body', `%m.tween.payment.completed%${id}%`).pluck('state')).to.deep.equal(['done']);
  });

  it(`merchant's 2xx lost: delivered again with the same id`, async () => {
    const id = await paidAndDied({ 'after-call': '/hook' });
    const ofPayment = () => town.delivered.filter(({ body }) => body.data.payment_id === id);
    expect(ofPayment().length).to.equal(1);
    await town.startAgain();
    const delivered = await eventually(() => {
      expect(ofPayment().length).to.equal(2);
      return ofPayment();
    }, { description: 'the delivery comes again' });
    const [first, again] = delivered.map(({ headers, body }) => [headers['webhook-id'], headers['x-webhook-event-id'], body]);
    expect(again).to.deep.equal(first);
    expect(await town.told(id)).to.deep.equal(once);
    await allDelivered();
  });

  // On SQLite there is no second server that could take over: the first one's lock on the file keeps it away.
  if (databases.dialect === 'sqlite') return;

  it('stale worker wakes: it is fenced, and one event was sent', async () => {
    second = await prepareServer({ env: town.env });
    const id = await town.payment(town.ann, 500);
    await town.told(id);
    const stopped = town.server.stopAt({ 'before-call': '/send/m.tween.payment.completed/' });
    void town.authorize(town.ann, id, 500)().catch(() => undefined);
    await stopped();
    await second.start();
    expect(await town.told(id)).to.deep.equal(once);
    town.server.process.signal('SIGCONT');
    await eventually(() => expect(readFileSync(town.server.process.logFile, 'utf8')).to.contain('another worker has taken over this stream'), { description: 'the first one notices' });
    expect(await town.told(id)).to.deep.equal(once);
    expect(await town.database.sql('job').where({ kind: 'matrix.event', attempts: 2 }).whereLike('body', `%m.tween.payment.completed%${id}%`).pluck('state')).to.deep.equal(['done']);
  });
});
