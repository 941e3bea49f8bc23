import { expect } from 'chai';
import { sandboxAnswerMs } from '../../../src/external/index.ts';
import { call } from '../../support/api.ts';
import { onBothDatabases } from '../../support/databases.ts';
import { openEvents } from '../../support/event-stream.ts';
import { startWholeServer, type WholeServer } from '../../support/whole-server.ts';
import { fakeProofs, proofOf, type FakeProofs } from '../wallet/fake-proofs.ts';
import { activate, administration, credit, funded, person, type Person } from '../wallet/support.ts';
import { approve, asked, assertInOrder, auditActions, balanceOf, cents, confirm, confirmed, error, eventsOf, fund, newKey, runJob, scriptedProvider, statusOf, verifiedAccount, withdraw, type ScriptedProvider } from './support.ts';

let serial = 0;
const dayMs = 86_400_000;

onBothDatabases('withdrawals and fundings', (databases) => {
  let server: WholeServer;
  let proofs: FakeProofs;
  let alice: Person;
  let bob: Person;
  let account: string;
  let second: string;
  let third: string;
  before(async () => {
    proofs = fakeProofs();
    server = await startWholeServer(databases, { TMCP_EXTERNAL_APPROVAL_ABOVE: '500' }, { proofs });
    bob = await funded(server, 'bob');
    proofs.enrolled.add(bob.userId);
    [second, third] = (await Promise.all(['second', 'third'].map(async (name) => (await server.app.admins.issue(name, 400 * dayMs, { kind: 'system', id: 'test' })).token))) as [string, string];
  });
  beforeEach(async () => {
    alice = await funded(server, `alice${(serial += 1)}`);
    proofs.enrolled.add(alice.userId);
    account = await verifiedAccount(server, alice);
  });
  afterEach(() => assertInOrder(server));
  after(() => server.close());

  const later = async (ms: number): Promise<void> => {
    server.clock.advance(ms);
    alice = await person(server, alice.userId.slice(1, alice.userId.indexOf(':')));
    bob = await person(server, 'bob');
  };
  const cancel = (id: string, who = alice) => who.post(`/wallet/v1/withdrawals/${id}/cancel`);
  const reject = (id: string, token = second) => call(server.url, 'POST', `/admin/v1/withdrawals/${id}/reject`, { token, body: { reason: 'Not today' } });
  const historyOf = async (id: string): Promise<[string, string][]> => ((await alice.get('/wallet/v1/transactions')).body.transactions as { type: string; status: string; reference: string }[]).filter(({ reference }) => reference === id).map(({ type, status }) => [type, status]);

  it('hold the money at the confirmation and pay it out once the provider has, with the same answer to the same key', async () => {
    const key = newKey();
    const fields = { amount: '12.50', idempotency_key: key, note: 'Rent' };
    const made = await withdraw(alice, account, fields);
    expect(made.status).to.equal(402);
    expect(made.body).to.deep.include({ provider: 'sandbox', external_account_id: account, status: 'pending_authorization', amount: 12.5, currency: 'USD', note: 'Rent', approval_required: false, available_methods: ['pin'] });
    expect((await withdraw(alice, account, fields)).body).to.deep.equal(made.body);
    expect(error(await withdraw(alice, account, { ...fields, amount: 13 }))).to.deep.equal([409, 'DUPLICATE_TRANSACTION']);
    const id = made.body.withdrawal_id as string;
    expect([await balanceOf(alice), await eventsOf(server, id)]).to.deep.equal([{ available: 1000, held: 0 }, []]);
    expect(error(await alice.post(`/wallet/v1/withdrawals/${id}/confirm`))).to.deep.equal([402, 'MFA_REQUIRED']);
    expect((await confirm(alice, id, 1251, account)).status, 'a proof of other terms').to.equal(400);

    const answer = await confirm(alice, id, 1250, account);
    expect(answer.body).to.deep.include({ withdrawal_id: id, status: 'processing', provider: 'sandbox' });
    expect(await balanceOf(alice)).to.deep.equal({ available: 987.5, held: 12.5 });
    expect(error(await cancel(id)), 'the provider may have been asked').to.deep.equal([409, 'INVALID_STATE_TRANSITION']);
    await runJob(server, 'external_order.ask', id);
    const done = (await alice.get(`/wallet/v1/withdrawals/${id}`)).body;
    expect(done).to.deep.include({ status: 'completed', provider_reference: `sandbox_${id}`, txn_id: answer.body.txn_id });
    expect(await balanceOf(alice)).to.deep.equal({ available: 987.5, held: 0 });
    expect(await historyOf(id)).to.deep.equal([['withdrawal', 'completed']]);

    const events = await eventsOf(server, id);
    expect(events.map(({ type, place, speaker, content }) => [type, place, speaker, content.status, content.amount, content.provider])).to.deep.equal(['processing', 'completed'].map((status) => ['m.tween.wallet.withdrawal', { noticesOf: alice.userId }, 'payments', status, '12.50', 'sandbox']));
    expect(events.map(({ remember, relatesTo }) => [remember, relatesTo])).to.deep.equal([[id, undefined], [undefined, id]]);
    expect(await auditActions(server, id)).to.deep.equal(['requested', 'processing', 'completed'].map((what) => `withdrawal.${what}`).sort());
    expect((await server.app.metrics.registry.metrics())).to.match(/tmcp_external_orders_total\{kind="withdrawal",state="completed"\} \d+/);
    expect(error(await confirm(alice, id, 1250, account))).to.deep.equal([409, 'INVALID_STATE_TRANSITION']);
  });

  it('with a proof over the idempotency key go on at once; of two confirmations at once one counts', async () => {
    const key = newKey();
    const made = await withdraw(alice, account, { idempotency_key: key, auth_proof: proofOf({ id: key, amountMinor: 1000, recipient: account }) });
    expect([made.status, made.body.status]).to.deep.equal([200, 'processing']);
    const id = await asked(alice, account, 20);
    const answers = await Promise.all([0, 1, 2].map(() => confirm(alice, id, 2000, account)));
    expect(answers.map(({ status }) => status).sort()).to.deep.equal([200, 409, 409]);
    expect(await balanceOf(alice)).to.deep.equal({ available: 970, held: 30 });
  });

  it('that the provider refuses give the money and the limit back', async () => {
    const id = await confirmed(alice, account, 20.01);
    expect((await alice.get('/wallet/v1/balance')).body.limits.daily_used).to.equal(20.01);
    await runJob(server, 'external_order.ask', id);
    expect((await alice.get(`/wallet/v1/withdrawals/${id}`)).body).to.deep.include({ status: 'failed', error_code: 'PROVIDER_REFUSED' });
    expect(await balanceOf(alice)).to.deep.equal({ available: 1000, held: 0 });
    expect((await alice.get('/wallet/v1/balance')).body.limits.daily_used).to.equal(0);
    expect(await historyOf(id)).to.deep.equal([['withdrawal', 'rejected']]);
    expect((await eventsOf(server, id)).at(-1)?.content).to.deep.include({ status: 'failed', error_code: 'PROVIDER_REFUSED' });
  });

  it('that the provider answers later, or not at all, stay in processing and are asked about again', async () => {
    const [slow, refused, silent] = [await confirmed(alice, account, 20.02), await confirmed(alice, account, 20.03), await confirmed(alice, account, 20.04)];
    for (const id of [slow, refused]) await runJob(server, 'external_order.ask', id);
    const unknown = await runJob(server, 'external_order.ask', silent).then(() => 'answered', (reason: Error) => reason.name);
    expect([unknown, ...(await Promise.all([slow, refused, silent].map((id) => statusOf(alice, id))))]).to.deep.equal(['Unavailable', 'processing', 'processing', 'processing']);
    server.clock.advance(sandboxAnswerMs);
    for (const id of [slow, refused, silent]) await runJob(server, 'external_order.ask', id);
    expect(await Promise.all([slow, refused, silent].map((id) => statusOf(alice, id)))).to.deep.equal(['completed', 'failed', 'completed']);
    expect(await balanceOf(alice)).to.deep.equal({ available: cents(1000 - 20.02 - 20.04) / 100, held: 0 });
  });

  it('above the limit wait for two administrators, each once', async () => {
    const id = await confirmed(alice, account, 600);
    expect((await alice.get(`/wallet/v1/withdrawals/${id}`)).body).to.deep.include({ status: 'pending_approval', approval_required: true });
    expect(await balanceOf(alice)).to.deep.equal({ available: 400, held: 600 });
    const listed = await call(server.url, 'GET', '/admin/v1/withdrawals?limit=5', { token: second });
    expect((listed.body.withdrawals as { withdrawal_id: string }[])[0]).to.deep.include({ withdrawal_id: id, user_id: alice.userId, approvals_needed: 2, approvals: [] });
    expect(error(await approve(server, id, alice.token))).to.deep.equal([403, 'forbidden_platform_endpoint']);
    expect(error(await call(server.url, 'POST', `/wallet/v1/withdrawals/${id}/approve`, { body: {} }))).to.deep.equal([401, 'INVALID_TOKEN']);

    expect((await approve(server, id, second)).body).to.deep.include({ status: 'pending_approval' });
    expect(error(await approve(server, id, second))).to.deep.equal([409, 'ALREADY_EXISTS']);
    expect(await statusOf(alice, id)).to.equal('pending_approval');
    const approved = await approve(server, id, third);
    expect([approved.body.status, (approved.body.approvals as { administrator: string }[]).map(({ administrator }) => administrator)]).to.deep.equal(['processing', ['second', 'third']]);
    expect(error(await cancel(id))).to.deep.equal([409, 'INVALID_STATE_TRANSITION']);
    expect(error(await reject(id))).to.deep.equal([409, 'INVALID_STATE_TRANSITION']);
    await runJob(server, 'external_order.ask', id);
    expect(await statusOf(alice, id)).to.equal('completed');
    expect(await auditActions(server, id)).to.deep.equal(['requested', 'pending_approval', 'approved', 'approved', 'processing', 'completed'].map((what) => `withdrawal.${what}`).sort());
    expect((await eventsOf(server, id)).map(({ content }) => content.status)).to.deep.equal(['pending_approval', 'processing', 'completed']);
  });

  it('that an administrator refuses, or nobody approves in time, or that are taken back, give the money back', async () => {
    await credit(server, alice, '2000');
    const [refused, overdue, taken] = [await confirmed(alice, account, 600), await confirmed(alice, account, 700), await confirmed(alice, account, 800)];
    expect((await reject(refused)).body).to.deep.include({ status: 'failed', error_code: 'REJECTED', error_message: 'Not today' });
    expect((await cancel(taken)).body.status).to.equal('cancelled');
    expect(error(await cancel(taken))).to.deep.equal([409, 'INVALID_STATE_TRANSITION']);
    await later(72 * 3_600_000);
    expect(error(await approve(server, overdue, second)), 'too late, although no job has ended it').to.deep.equal([409, 'INVALID_STATE_TRANSITION']);
    for (const id of [refused, overdue, taken]) while (await runJob(server, 'external_order.expire', id));
    expect(await Promise.all([refused, overdue, taken].map((id) => statusOf(alice, id)))).to.deep.equal(['failed', 'expired', 'cancelled']);
    expect(await balanceOf(alice)).to.deep.equal({ available: 3000, held: 0 });
    expect([await historyOf(refused), await historyOf(overdue), await historyOf(taken)]).to.deep.equal([[['withdrawal', 'rejected']], [['withdrawal', 'expired']], [['withdrawal', 'cancelled']]]);
  });

  it('that are approved, cancelled, refused and expired at once end in one of these, with the money in one place', async () => {
    for (let round = 0; round < 4; round += 1) {
      const before = (await balanceOf(alice)).available;
      const id = await confirmed(alice, account, 510);
      await approve(server, id, second);
      server.clock.advance(72 * 3_600_000 - (round % 2 === 0 ? 60_000 : 0));
      alice = await person(server, alice.userId.slice(1, alice.userId.indexOf(':')));
      const answers = await Promise.all([approve(server, id, third), cancel(id), reject(id), ...(round % 2 === 0 ? [] : [runJob(server, 'external_order.expire', id)])]);
      const status = await statusOf(alice, id);
      const changed = answers.filter((answer) => typeof answer === 'object' && answer.status === 200);
      expect([status, changed.length], JSON.stringify(answers)).to.deep.equal(round % 2 === 0 ? [status, 1] : ['expired', 0]);
      const { available, held } = await balanceOf(alice);
      if (status === 'processing') {
        expect([available, held]).to.deep.equal([before - 510, 510]);
        await runJob(server, 'external_order.ask', id);
        await credit(server, alice, '510');
      } else expect([available, held]).to.deep.equal([before, 0]);
    }
  });

  it('are refused for want of money, above limits, to other currencies, from frozen and inactive wallets', async () => {
    expect(error(await withdraw(alice, account, { amount: 1000.01 }))).to.deep.equal([402, 'INSUFFICIENT_FUNDS']);
    await credit(server, alice, '40000');
    expect(error(await withdraw(alice, account, { amount: 10_000.01 }))).to.deep.equal([400, 'AMOUNT_EXCEEDS_LIMIT']);
    for (let n = 0; n < 2; n += 1) await confirmed(alice, account, 10_000);
    expect(error(await withdraw(alice, account, { amount: 1 })), 'they count like what is sent').to.deep.equal([429, 'DAILY_LIMIT_EXCEEDED']);
    expect(error(await withdraw(alice, account, { currency: 'EUR' }))).to.deep.equal([400, 'INVALID_REQUEST']);
    for (const amount of [0, -1, 0.001, 'x']) expect((await withdraw(alice, account, { amount })).status, String(amount)).to.equal(400);
    expect(error(await withdraw(alice, 'xacc_unknown'))).to.deep.equal([404, 'NOT_FOUND']);

    const [carl, dora] = [await person(server, `carl${serial}`), await funded(server, `dora${serial}`)];
    await credit(server, carl, '50');
    for (const who of [carl, dora]) proofs.enrolled.add(who.userId);
    const carls = await verifiedAccount(server, carl);
    expect(error(await withdraw(carl, carls))).to.deep.equal([403, 'P2P_SEND_NOT_ALLOWED']);
    await activate(carl);
    const doras = await verifiedAccount(server, dora);
    const [waiting, held, onItsWay] = [await asked(dora, doras, 10), await confirmed(dora, doras, 600), await confirmed(dora, doras, 20)];
    await administration(server).freeze(dora.userId, 'Looked into');
    expect(error(await withdraw(dora, doras))).to.deep.equal([403, 'USER_SUSPENDED']);
    expect(error(await confirm(dora, waiting, 1000, doras))).to.deep.equal([403, 'USER_SUSPENDED']);
    expect(error(await approve(server, held, second))).to.deep.equal([403, 'USER_SUSPENDED']);
    await runJob(server, 'external_order.ask', onItsWay);
    expect((await dora.get(`/wallet/v1/withdrawals/${onItsWay}`)).body, 'frozen before the provider was asked').to.deep.include({ status: 'failed', error_code: 'USER_SUSPENDED' });
  });

  it('that could be confirmed and are not find out what has changed meanwhile', async () => {
    const [poor, gone] = [await asked(alice, account, 900), await asked(alice, account, 5)];
    await confirmed(alice, account, 200);
    expect(error(await confirm(alice, poor, 90_000, account))).to.deep.equal([402, 'INSUFFICIENT_FUNDS']);
    expect(await statusOf(alice, poor)).to.equal('pending_authorization');
    const other = await verifiedAccount(server, alice);
    const toOther = await asked(alice, other, 5);
    await call(server.url, 'DELETE', `/wallet/v1/external/${other}`, { token: alice.token });
    expect(error(await confirm(alice, toOther, 500, other))).to.deep.equal([409, 'INVALID_STATE_TRANSITION']);
    await later(300_000);
    expect(error(await confirm(alice, gone, 500, account))).to.deep.equal([409, 'INVALID_STATE_TRANSITION']);
    await runJob(server, 'external_order.expire', gone);
    expect([await statusOf(alice, gone), await eventsOf(server, gone)]).to.deep.equal(['expired', []]);
  });

  it('are not there for anybody else', async () => {
    const [mine, paid] = [await asked(alice, account, 10), await asked(alice, account, 10, fund)];
    const asBob = [await bob.get(`/wallet/v1/withdrawals/${mine}`), await confirm(bob, mine, 1000, account), await cancel(mine, bob), await bob.get(`/wallet/v1/external/fund/${paid}`), await confirm(bob, paid, 1000, account, 'external/fund'), await withdraw(bob, account), await fund(bob, account), await alice.get(`/wallet/v1/withdrawals/${paid}`), await alice.get(`/wallet/v1/external/fund/${mine}`)];
    expect(asBob.map(error)).to.deep.equal(asBob.map(() => [404, 'NOT_FOUND']));
    expect([(await bob.get('/wallet/v1/withdrawals')).body, (await bob.get('/wallet/v1/external/fund')).body]).to.deep.equal([{ withdrawals: [] }, { fundings: [] }]);
    expect(error(await bob.get(`/wallet/v1/withdrawals?before=${mine}`))).to.deep.equal([400, 'INVALID_REQUEST']);
    await asked(alice, account, 11);
    const page = (await alice.get('/wallet/v1/withdrawals?limit=1')).body;
    expect((page.withdrawals as { amount: number }[]).map(({ amount }) => amount)).to.deep.equal([11]);
    expect(((await alice.get(`/wallet/v1/withdrawals?before=${page.next_before}`)).body.withdrawals as { withdrawal_id: string }[]).map(({ withdrawal_id: id }) => id)).to.deep.equal([mine]);
  });

  it('fundings put the money into the wallet once the provider has it, and not before', async () => {
    const key = newKey();
    const fields = { amount: 25, idempotency_key: key, auth_proof: proofOf({ id: key, amountMinor: 2500, recipient: account }) };
    const made = await fund(alice, account, fields);
    expect([made.status, made.body.status, made.body.provider]).to.deep.equal([200, 'processing', 'sandbox']);
    expect((await fund(alice, account, fields)).body).to.deep.equal(made.body);
    const id = made.body.funding_id as string;
    expect(await balanceOf(alice)).to.deep.equal({ available: 1000, held: 0 });
    await runJob(server, 'external_order.ask', id);
    expect((await alice.get(`/wallet/v1/external/fund/${id}`)).body).to.deep.include({ status: 'completed', amount: 25, provider_reference: `sandbox_${id}` });
    expect([await balanceOf(alice), await historyOf(id)]).to.deep.equal([{ available: 1025, held: 0 }, [['funding', 'completed']]]);
    expect((await eventsOf(server, id)).map(({ type, content }) => [type, content.status])).to.deep.equal(['processing', 'completed'].map((status) => ['m.tween.wallet.funding', status]));

    const [refused, silent] = [await asked(alice, account, 20.01, fund), await asked(alice, account, 20.04, fund)];
    expect(error(await alice.post(`/wallet/v1/external/fund/${refused}/confirm`))).to.deep.equal([402, 'MFA_REQUIRED']);
    for (const [one, amount] of [[refused, 2001], [silent, 2004]] as const) expect((await confirm(alice, one, amount, account, 'external/fund')).body.status).to.equal('processing');
    await runJob(server, 'external_order.ask', refused);
    await runJob(server, 'external_order.ask', silent).then(() => expect.fail('answered'), () => undefined);
    expect([await statusOf(alice, refused), await statusOf(alice, silent)]).to.deep.equal(['failed', 'processing']);
    // What the provider has taken is the user's, whatever has become of their wallet.
    await administration(server).freeze(alice.userId, 'Looked into');
    expect(error(await fund(alice, account))).to.deep.equal([403, 'USER_SUSPENDED']);
    server.clock.advance(sandboxAnswerMs);
    await runJob(server, 'external_order.ask', silent);
    expect([await statusOf(alice, silent), (await balanceOf(alice)).available]).to.deep.equal(['completed', 1045.04]);
  });

  it("tell the user's devices of every step", async () => {
    const stream = await openEvents(server.url, alice.token);
    await stream.next();
    const id = await confirmed(alice, account, 10);
    await runJob(server, 'external_order.ask', id);
    const told = [await stream.next(), await stream.next(), await stream.next()];
    stream.close();
    expect(told.map(({ event, data }): unknown[] => [event, data.withdrawal_id, data.status, data.amount])).to.deep.equal(['pending_authorization', 'processing', 'completed'].map((status) => ['withdrawal.updated', id, status, 10]));
  });
});

onBothDatabases('a provider', (databases) => {
  let server: WholeServer;
  let provider: ScriptedProvider;
  let alice: Person;
  let account: string;
  before(async () => {
    const proofs = fakeProofs();
    provider = scriptedProvider();
    server = await startWholeServer(databases, { TMCP_EXTERNAL_PROVIDER_TIMEOUT_SECONDS: '1' }, { proofs, provider });
    alice = await funded(server, 'alice');
    proofs.enrolled.add(alice.userId);
    account = await verifiedAccount(server, alice);
  });
  afterEach(() => assertInOrder(server));
  after(() => server.close());

  const ask = (id: string): Promise<boolean> => runJob(server, 'external_order.ask', id);
  const askedFor = (id: string) => provider.asked.filter((order) => order.id === id);

  it('is asked outside of any transaction, by the id of the withdrawal, with the whole account', async () => {
    const id = await confirmed(alice, account, 10);
    let free = false;
    provider.answers.set(id, async () => {
      await server.database.inTransaction((tx) => tx.sql('wallet').where({ user_id: alice.userId }).update({ user_id: alice.userId }));
      free = true;
      return { outcome: 'done', reference: 'bank-1' };
    });
    await ask(id);
    expect([free, await statusOf(alice, id)]).to.deep.equal([true, 'completed']);
    expect(askedFor(id).map(({ what, amountMinor, account: { details, id: accountId } }) => [what, amountMinor, accountId, details.holderName, details.number.length])).to.deep.equal([['payOut', 1000, account, 'Alice Example', 10]]);
    expect((await alice.get(`/wallet/v1/withdrawals/${id}`)).body).to.deep.include({ provider: 'scripted', provider_reference: 'bank-1' });
  });

  it('that does not answer in time is asked again, with the same id, and never taken for a no', async function () {
    this.timeout(10_000);
    const id = await confirmed(alice, account, 11);
    provider.answers.set(id, () => new Promise(() => {}));
    expect(await ask(id).then(() => 'answered', (reason: Error) => reason.name)).to.equal('Unavailable');
    provider.answers.set(id, () => Promise.reject(new Error('socket hang up')));
    expect(await ask(id).then(() => 'answered', (reason: Error) => reason.name)).to.equal('Unavailable');
    expect(await statusOf(alice, id)).to.equal('processing');
    provider.answers.delete(id);
    await ask(id);
    expect([await statusOf(alice, id), askedFor(id).length]).to.deep.equal(['completed', 3]);
  });

  it('is asked by whoever comes after a process that died between the hold and the question, or between the answer and its record', async () => {
    const id = await confirmed(alice, account, 12);
    const [row] = await server.database.sql<{ body: string; id: string; kind: string; state: string; created_at: number }>('job').where({ kind: 'external_order.ask', state: 'queued' }).orderBy('created_at', 'desc');
    // Asked and answered, and then the process is gone: nothing of the answer was recorded.
    await server.app.jobs['external_order.ask']!.run({ id: row!.id, stream: 's', kind: 'external_order.ask', body: JSON.parse(row!.body) as unknown, attempt: 1, createdAt: 0, unsettledSince: undefined });
    expect([await statusOf(alice, id), askedFor(id).length]).to.deep.equal(['processing', 1]);
    // Its job is still there, and its lease lapses: whoever takes it begins anew.
    await ask(id);
    expect([await statusOf(alice, id), askedFor(id).length]).to.deep.equal(['completed', 2]);
  });

  it("that is asked by two at once is heard once, and a frozen wallet does not take back what it was asked", async () => {
    const id = await confirmed(alice, account, 13);
    const kind = server.app.jobs['external_order.ask']!;
    const job = { id: 'j', stream: 's', kind: 'external_order.ask', body: { kind: 'withdrawal', orderId: id }, attempt: 1, createdAt: 0, unsettledSince: undefined };
    const recordings = await Promise.all([kind.run(job), kind.run(job)]);
    await administration(server).freeze(alice.userId, 'Looked into');
    await Promise.all(recordings.map((recording) => server.database.inTransaction(async (tx) => recording?.(tx))));
    expect(await statusOf(alice, id)).to.equal('completed');
    await administration(server).unfreeze(alice.userId);
  });
});
