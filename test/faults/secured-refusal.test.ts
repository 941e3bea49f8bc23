import { expect } from 'chai';
import { createHmac } from 'node:crypto';
import { call } from '../support/api.ts';
import { onBothDatabases, onWalletService } from '../support/databases.ts';
import { eventually } from '../support/eventually.ts';
import { tmcp, tmcpJson, tmcpPrints } from '../support/tmcp.ts';
import { Town } from './crash-points/town.ts';

const secret = 'callback-secret-of-the-refusals';

/** What it held, or has in escrow, it must pay out: one that says no to that has a fault, and people have to look. */
onBothDatabases('a wallet service that refuses what it had secured', (databases) => {
  let town: Town;
  /** Waits for ben's acceptance, for ann to have it back, and in escrow. */
  let accepted: string;
  let cancelled: string;
  let gift: string;
  let spendable: number[];
  const balances = async (): Promise<number[]> => [await town.balance(town.ann), await town.balance(town.ben)];
  const statusOf = async (id: string): Promise<string> => (await town.get(`/wallet/v1/p2p/${id}`, town.ann.token)).body.status as string;
  const parked = async (): Promise<Record<string, string>[]> => ((await tmcpJson(['queue', 'list', '--json'], { env: town.env })) as { jobs: Record<string, string>[] }).jobs;
  const held = async (): Promise<string> => {
    const id = await town.transfer(town.ann, town.ben, 6000);
    expect((await town.confirm(town.ann, id, 6000)()).body.status).to.equal('pending_recipient_acceptance');
    return id;
  };

  before(async function () {
    this.timeout(60_000);
    town = await Town.start({ databaseUrl: await databases.createUrl(), walletUrl: await onWalletService.createUrl(), env: { TMCP_WALLET_REMOTE_WEBHOOK_SECRET: secret } });
    [accepted, cancelled] = [await held(), await held()];
    gift = (await town.gift(town.ann, 700, 1)()).body.gift_id as string;
    spendable = await balances();
    town.walletService!.between = (serve, req, res) => {
      if (req.method !== 'PUT' || !req.url!.startsWith('/internal/movements/')) return serve(req, res);
      res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ key: req.url!.split('/').at(-1), status: 'refused', refusal: { code: 'INSUFFICIENT_FUNDS', message: 'Nothing is held here' } }));
    };
  });
  after(() => town?.close());
  afterEach(async () => {
    expect(await tmcpJson(['wallet', 'audit', '--json'], { env: town.env })).to.deep.include({ breaks: [] });
  });

  it('leaves what was begun where it is: nothing is paid out, given back or failed', async () => {
    expect((await town.post(`/wallet/v1/p2p/${accepted}/accept`, town.ben.token)).body.status).to.equal('processing');
    expect((await town.post(`/wallet/v1/p2p/${cancelled}/cancel`, town.ann.token)).body.status).to.equal('processing');
    expect((await town.post(`/wallet/v1/gift/${gift}/open`, town.ben.token)).status).to.equal(200);
    await eventually(async () => expect((await town.database.sql('job').where({ state: 'parked' }).pluck('id')).length).to.equal(3), { description: 'all three are parked' });
    expect([await statusOf(accepted), await statusOf(cancelled), await balances()]).to.deep.equal(['processing', 'processing', spendable]);
    expect([await town.booked(accepted), await town.booked(cancelled), await town.booked(gift)]).to.deep.equal([{ pending: 1 }, { pending: 1 }, { single: 1 }]);
    expect(await town.database.sql('wallet_instruction').where({ secured: 1 }).pluck('state')).to.deep.equal(['open', 'open', 'open']);
  });

  it('nobody can end it otherwise meanwhile, nor by a callback', async () => {
    for (const [what, who] of [['accept', town.ben], ['reject', town.ben], ['cancel', town.ann]] as const) {
      for (const id of [accepted, cancelled]) expect((await town.post(`/wallet/v1/p2p/${id}/${what}`, who.token)).body.error.code, what).to.equal('INVALID_STATE_TRANSITION');
    }
    const key = (await town.database.sql('wallet_instruction').where({ ref: accepted, kind: 'capture' }).pluck('id'))[0] as string;
    const [txnId] = (await town.bank.sql('ledger_transfer').where({ ref: accepted, kind: 'pending' }).pluck('id')) as string[];
    const body = JSON.stringify({ event: 'payment.failed', key, transaction_id: txnId, amount: 60, currency: 'USD' });
    const { status } = await call(town.server.process.url, 'POST', '/api/v1/wallet/callback', { body, headers: { 'content-type': 'application/json', authorization: createHmac('sha256', secret).update(body).digest('hex') } });
    expect([status, await statusOf(accepted)]).to.deep.equal([409, 'processing']);
  });

  it('is seen by the administrator: in tmcp queue with its reason, by tmcp doctor, and in the metrics', async () => {
    const jobs = await parked();
    expect(jobs.map(({ kind }) => kind)).to.deep.equal(['wallet.instruction', 'wallet.instruction', 'wallet.instruction']);
    for (const { last_error: reason } of jobs) expect(reason).to.contain('that was secured before (INSUFFICIENT_FUNDS): settle it there, then replay this job');
    const doctor = await tmcp(['doctor'], { env: town.server.process.env });
    expect(doctor.stdout + doctor.stderr).to.contain('3 parked');
    const metrics = await (await fetch(town.server.process.metricsUrl)).text();
    expect(metrics).to.match(/tmcp_jobs\{(?=[^}]*kind="wallet.instruction")(?=[^}]*state="parked")[^}]*\} 3/);
    expect(metrics).to.match(/^tmcp_wallet_open_instructions 3$/m);
  });

  it('is settled there, and then replayed: each has its money once', async () => {
    town.walletService!.between = undefined;
    expect(await parked()).to.have.length(3);
    await tmcpPrints(['queue', 'replay', '--all'], { env: town.env });
    await eventually(async () => expect([await statusOf(accepted), await statusOf(cancelled), (await town.database.sql('wallet_instruction').where({ state: 'open' }).pluck('id')).length]).to.deep.equal(['completed', 'cancelled', 0]), { description: 'all three end' });
    expect(await balances()).to.deep.equal([spendable[0]! + 6000, spendable[1]! + 6000 + 700]);
    expect([await town.booked(accepted), await town.booked(cancelled), await town.booked(gift)]).to.deep.equal([{ pending: 1, post: 1 }, { pending: 1, void: 1 }, { single: 2 }]);
    expect([await town.told(accepted), await town.told(cancelled), await town.told(gift)]).to.deep.equal([
      [['wallet.p2p', 1], ['wallet.p2p.status', 1]],
      [['wallet.p2p', 1], ['wallet.p2p.status', 1]],
      [['gift', 1], ['gift.opened', 1]],
    ]);
    await town.assertBooks();
  });
});
