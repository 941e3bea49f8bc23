import { expect } from 'chai';
import { newEcKey } from '../../http/mfa/device-key.ts';
import { onBothDatabases } from '../../support/databases.ts';
import type { ApiResponse } from '../../support/api.ts';
import { tmcpJson } from '../../support/tmcp.ts';
import { newKey, Town } from './town.ts';

const error = ({ status, body }: ApiResponse): [number, string] => [status, body.error?.code as string];
const replayed = ({ status, headers }: ApiResponse): [number, string | null] => [status, headers.get('idempotency-replayed')];

/** Each test is named after its point in the design, where the real process kills itself with SIGKILL. */
onBothDatabases('crash points of money', (databases) => {
  let town: Town;
  before(async function () {
    this.timeout(60_000);
    town = await Town.start({ databaseUrl: await databases.createUrl() });
  });
  after(() => town?.close());
  afterEach(() => town.assertBooks());

  const traces = async (id: string): Promise<unknown> => [await town.balance(town.ann), await town.balance(town.ben), await town.booked(id), await town.told(id), (await town.database.sql('idempotency_key').select('key')).length];

  describe('before commit', () => {
    /** The very same request again, twice: the first of them is carried out. */
    const leavesNothing = async (id: string, request: () => Promise<ApiResponse>): Promise<ApiResponse> => {
      const before = await traces(id);
      await town.losing({ 'before-commit': 'ledger_transfer' }, request);
      expect(await traces(id)).to.deep.equal(before);
      const answer = await request();
      expect(answer.status, JSON.stringify(answer.body)).to.equal(200);
      return answer;
    };

    it('leaves nothing of a payment, and the same signature then pays once', async () => {
      const id = await town.payment(town.ann, 1000);
      const [request, before] = [town.authorize(town.ann, id, 1000), await town.balance(town.ann)];
      expect((await leavesNothing(id, request)).body.status).to.equal('completed');
      expect([await town.booked(id), before - (await town.balance(town.ann)), await town.told(id)]).to.deep.equal([{ single: 1 }, 1000, [['payment.request', 1], ['payment.completed', 1]]]);
    });

    it('leaves nothing of a transfer, and the same proof then sends once', async () => {
      const id = await town.transfer(town.ann, town.ben, 2000);
      const before = await town.balance(town.ben);
      expect((await leavesNothing(id, town.confirm(town.ann, id, 2000))).body.status).to.equal('completed');
      expect([await town.booked(id), (await town.balance(town.ben)) - before, await town.told(id)]).to.deep.equal([{ single: 1 }, 2000, [['wallet.p2p', 1]]]);
    });

    it('leaves nothing of a gift, and the same key then gives once', async () => {
      const request = town.gift(town.ann, 900, 3);
      const before = await town.balance(town.ann);
      const first = await leavesNothing('', request);
      const again = await request();
      expect([replayed(first), replayed(again), again.body]).to.deep.equal([[200, null], [200, 'true'], first.body]);
      const id = first.body.gift_id as string;
      expect([await town.booked(id), before - (await town.balance(town.ann)), await town.told(id)]).to.deep.equal([{ single: 1 }, 900, [['gift', 1]]]);
    });

    it('leaves nothing of a refund, and the same key then refunds once', async () => {
      const id = await town.paid(town.ann, 3000);
      const request = town.refund(id, 500);
      const first = await leavesNothing(id, request);
      const again = await request();
      expect([replayed(first), replayed(again), again.body]).to.deep.equal([[200, null], [200, 'true'], first.body]);
      expect(await town.told(id)).to.deep.equal([['payment.request', 1], ['payment.completed', 1], ['payment.refunded', 1]]);
    });
  });

  describe('after commit before the reply', () => {
    /** What was committed is answered to the same key, byte for byte, however often. */
    const answersTheSame = async (table: string, request: () => Promise<ApiResponse>): Promise<ApiResponse> => {
      await town.losing({ 'after-commit': table }, request);
      const [first, second] = [await request(), await request()];
      expect([replayed(first), replayed(second), second.body]).to.deep.equal([[200, 'true'], [200, 'true'], first.body]);
      return first;
    };

    it('asks for a payment once', async () => {
      const body = { amount: 4, currency: 'USD', room_id: town.homeserver.roomId, idempotency_key: newKey() };
      const { body: made } = await answersTheSame('payment', () => town.post('/api/v1/payments/request', town.ann.appToken, body));
      expect(await town.told(made.payment_id as string)).to.deep.equal([['payment.request', 1]]);
    });

    it('gives a gift once', async () => {
      const before = await town.balance(town.ann);
      const { body } = await answersTheSame('ledger_transfer', town.gift(town.ann, 700, 2));
      const id = body.gift_id as string;
      expect([await town.booked(id), before - (await town.balance(town.ann)), await town.told(id)]).to.deep.equal([{ single: 1 }, 700, [['gift', 1]]]);
    });

    it('refunds once, and refund twice stays within what was paid', async () => {
      const id = await town.paid(town.ann, 1000);
      const before = await town.balance(town.ann);
      const { body } = await answersTheSame('ledger_transfer', town.refund(id, 600));
      expect([body.refunded_amount, (await town.balance(town.ann)) - before]).to.deep.equal([6, 600]);
      // Others, with keys of their own, each of which is still possible alone.
      const others = await Promise.all([1, 2, 3].map(() => town.refund(id, 400)()));
      expect(others.map(({ status }) => status).sort()).to.deep.equal([200, 409, 409]);
      expect([(await town.balance(town.ann)) - before, await town.told(id)]).to.deep.equal([1000, [['payment.request', 1], ['payment.completed', 1], ['payment.refunded', 2]]]);
    });

    it('pays once: the same signature is refused, and the payment says that it is completed', async () => {
      const id = await town.payment(town.ann, 1100);
      const [request, before] = [town.authorize(town.ann, id, 1100), await town.balance(town.ann)];
      await town.losing({ 'before-reply': `/api/v1/payments/${id}/authorize` }, request);
      expect(error(await request())).to.deep.equal([409, 'INVALID_STATE_TRANSITION']);
      expect((await town.get(`/api/v1/payments/${id}`, town.ann.appToken)).body.status).to.equal('completed');
      expect([await town.booked(id), before - (await town.balance(town.ann)), await town.told(id)]).to.deep.equal([{ single: 1 }, 1100, [['payment.request', 1], ['payment.completed', 1]]]);
    });

    it('sends once: the same proof is refused, and the transfer says that it is completed', async () => {
      const id = await town.transfer(town.ann, town.ben, 1200);
      const [request, before] = [town.confirm(town.ann, id, 1200), await town.balance(town.ben)];
      await town.losing({ 'before-reply': `/wallet/v1/p2p/${id}/confirm` }, request);
      expect(error(await request())).to.deep.equal([409, 'INVALID_STATE_TRANSITION']);
      expect((await town.get(`/wallet/v1/p2p/${id}`, town.ann.token)).body.status).to.equal('completed');
      expect([await town.booked(id), (await town.balance(town.ben)) - before, await town.told(id)]).to.deep.equal([{ single: 1 }, 1200, [['wallet.p2p', 1]]]);
    });
  });

  it('same key concurrently: one executes and dies with its answer, and whoever repeats it gets that answer', async () => {
    const request = town.gift(town.ann, 500, 5);
    town.server.crashAt({ 'after-commit': 'ledger_transfer' });
    const lost = await Promise.all([1, 2, 3].map(() => request().catch(() => undefined)));
    expect(lost.filter((answer) => answer?.status === 200)).to.deep.equal([]);
    await town.revive();
    const answers = [await request(), await request(), await request()];
    expect(answers.map(replayed)).to.deep.equal([[200, 'true'], [200, 'true'], [200, 'true']]);
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).to.equal(1);
    const id = answers[0]!.body.gift_id as string;
    expect([await town.booked(id), await town.told(id)]).to.deep.equal([{ single: 1 }, [['gift', 1]]]);
  });

  it('mid-MFA: an attempt counts whose judge has died', async () => {
    const id = await town.payment(town.cat, 1000);
    const wrong = town.authorize({ ...town.cat, key: newEcKey() }, id, 1000);
    await town.losing({ 'after-commit': 'mfa_attempt' }, wrong);
    const left = [await wrong(), await wrong()].map((answer) => [...error(answer), answer.body.error.details.attempts_remaining as number]);
    expect(left).to.deep.equal([[401, 'INVALID_SIGNATURE', 1], [401, 'INVALID_SIGNATURE', 0]]);
    expect(error(await town.authorize(town.cat, id, 1000)())).to.deep.equal([429, 'MFA_LOCKED']);
    expect(await town.booked(id)).to.deep.equal({});
  });

  it('expiry versus accept: what was accepted just before the end stays accepted, and what was not goes back, once', async () => {
    const accepting = async (point: Parameters<Town['losing']>[0]): Promise<{ id: string; again: ApiResponse; before: [number, number] }> => {
      const before: [number, number] = [await town.balance(town.ann), await town.balance(town.ben)];
      const id = await town.transfer(town.ann, town.ben, 6000);
      expect((await town.confirm(town.ann, id, 6000)()).body.status).to.equal('pending_recipient_acceptance');
      const accept = (): Promise<ApiResponse> => town.post(`/wallet/v1/p2p/${id}/accept`, town.ben.token);
      town.server.crashAt(point);
      expect(await accept().catch(() => undefined)).to.equal(undefined);
      await town.server.crashed();
      // It stays away until the time is over.
      await town.untilOver(id);
      await town.startAgain();
      return { id, again: await accept(), before };
    };
    const accepted = await accepting({ 'after-commit': 'ledger_transfer' });
    expect(error(accepted.again)).to.deep.equal([409, 'INVALID_STATE_TRANSITION']);
    await town.expired(accepted.id);
    expect([await town.balance(town.ann), await town.balance(town.ben)]).to.deep.equal([accepted.before[0] - 6000, accepted.before[1] + 6000]);
    expect([await town.booked(accepted.id), await town.told(accepted.id)]).to.deep.equal([{ pending: 1, post: 1 }, [['wallet.p2p', 1], ['wallet.p2p.status', 1]]]);
    const over = await accepting({ 'before-commit': 'ledger_transfer' });
    expect(error(over.again)).to.deep.equal([400, 'TRANSFER_EXPIRED']);
    await town.expired(over.id);
    expect([await town.balance(town.ann), await town.balance(town.ben)]).to.deep.equal(over.before);
    expect([await town.booked(over.id), await town.told(over.id)]).to.deep.equal([{ pending: 1, void: 1 }, [['wallet.p2p', 1], ['wallet.p2p.status', 1]]]);
  });

  it('last gift share raced: who lost the answer has it, the rest find the gift empty, and the shares sum to the total', async () => {
    const { body } = await town.gift(town.ann, 1000, 1)();
    const id = body.gift_id as string;
    const before = [await town.balance(town.ben), await town.balance(town.cat)];
    const open = (who: { readonly token: string }): Promise<ApiResponse> => town.post(`/wallet/v1/gift/${id}/open`, who.token);
    town.server.crashAt({ 'after-commit': 'gift_share' });
    await Promise.all([town.ben, town.cat].map((who) => open(who).catch(() => undefined)));
    await town.revive();
    const again = (await Promise.all([town.ben, town.cat].map(open))).map(error).map(([status, code]) => `${status} ${code}`);
    expect(again.sort()).to.deep.equal(['409 ALREADY_OPENED', '409 GIFT_EMPTY']);
    const gained = [(await town.balance(town.ben)) - before[0]!, (await town.balance(town.cat)) - before[1]!];
    expect(gained.sort((a, b) => a - b)).to.deep.equal([0, 1000]);
    expect(await town.told(id)).to.deep.equal([['gift', 1], ['gift.opened', 1]]);
  });

  it('passes tmcp wallet audit beside the running server', async () => {
    expect(await tmcpJson(['wallet', 'audit', '--json'], { env: town.server.process.env })).to.deep.include({ breaks: [] });
  });
});
