import { expect } from 'chai';
import { call, exchange, firstPartyToken } from '../../support/api.ts';
import { onBothDatabases } from '../../support/databases.ts';
import { startWholeServer, type WholeServer } from '../../support/whole-server.ts';
import { appToken, newShop } from '../payments/support.ts';
import { fakeProofs, linkProofOf, type FakeProofs } from '../wallet/fake-proofs.ts';
import { administration, funded, person, type Person } from '../wallet/support.ts';
import { assertInOrder, auditActions, bankDetails, confirmed, error, eventsOf, link, newKey, runJob, verifiedAccount } from './support.ts';

let serial = 0;

/** All that a user can ask for. */
const operations: readonly [string, string][] = [['POST', '/external/link'], ['POST', '/external/verify'], ['POST', '/external/fund'], ['GET', '/external/fund'], ['GET', '/external/fund/x'], ['POST', '/external/fund/x/confirm'], ['GET', '/external'], ['GET', '/external/x'], ['DELETE', '/external/x'], ['POST', '/external/x/confirm'], ['POST', '/withdrawals'], ['GET', '/withdrawals'], ['GET', '/withdrawals/x'], ['POST', '/withdrawals/x/confirm'], ['POST', '/withdrawals/x/cancel']];

onBothDatabases('accounts outside', (databases) => {
  let server: WholeServer;
  let proofs: FakeProofs;
  let alice: Person;
  let bob: Person;
  before(async () => {
    proofs = fakeProofs();
    server = await startWholeServer(databases, { TMCP_EXTERNAL_MAX_ACCOUNTS: '6' }, { proofs });
    bob = await funded(server, 'bob');
    proofs.enrolled.add(bob.userId);
  });
  beforeEach(async () => {
    alice = await funded(server, `alice${(serial += 1)}`);
    proofs.enrolled.add(alice.userId);
  });
  afterEach(() => assertInOrder(server));
  after(() => server.close());

  const later = async (ms: number): Promise<void> => {
    server.clock.advance(ms);
    alice = await person(server, alice.userId.slice(1, alice.userId.indexOf(':')));
    bob = await person(server, 'bob');
  };
  const verify = (who: Person, id: string, data: object) => who.post('/wallet/v1/external/verify', { external_account_id: id, verification_data: data });
  const linked = async (fields: object = {}): Promise<string> => {
    const answer = await link(alice, fields);
    expect(error(answer)).to.deep.equal([402, 'MFA_REQUIRED']);
    return answer.body.external_account_id as string;
  };
  const proofFor = (id: string, type = 'bank_account', lastFour = '7890') => ({ auth_proof: linkProofOf(`${id}:${type}:USD:${lastFour}`) });

  it('take the host client: no mini-app, no store token, no revoked one and no administrator (decision D20)', async () => {
    const shop = await newShop(server, `ma_ext${serial}`);
    const apps = await appToken(server, alice, shop);
    const store = await firstPartyToken(server.url, alice.matrixToken, 'tmcp_store');
    for (const [method, path] of operations) {
      const as = (token: string | undefined) => call(server.url, method, `/wallet/v1${path}`, { ...(token === undefined ? {} : { token }), ...(method === 'POST' ? { body: {} } : {}) });
      expect([error(await as(apps)), error(await as(store)), error(await as(server.adminToken)), error(await as(undefined))], `${method} ${path}`).to.deep.equal([[403, 'INSUFFICIENT_PERMISSIONS'], [403, 'INSUFFICIENT_PERMISSIONS'], [401, 'INVALID_TOKEN'], [401, 'INVALID_TOKEN']]);
    }
    await fetch(`${server.url}/oauth2/revoke`, { method: 'POST', body: new URLSearchParams({ token: alice.token, client_id: 'tmcp_p2p' }) });
    server.clock.advance(1000);
    const revoked = await Promise.all([alice.get('/wallet/v1/external'), link(alice), alice.get('/wallet/v1/withdrawals')]);
    expect(revoked.map(error)).to.deep.equal(revoked.map(() => [401, 'INVALID_TOKEN']));
  });

  it('take a token of the host client only with wallet:pay', async () => {
    const narrow = await exchange(server.url, alice.matrixToken, { audience: 'tmcp_wallet', scope: 'user:read wallet:balance' });
    expect([narrow.status, narrow.body.scope]).to.deep.equal([200, 'user:read wallet:balance']);
    for (const [method, path] of operations) {
      const { status, body } = await call(server.url, method, `/wallet/v1${path}`, { token: narrow.body.access_token as string, ...(method === 'POST' ? { body: {} } : {}) });
      expect([status, body.error.code, JSON.stringify(body.error.details).includes('wallet:pay')], `${method} ${path}`).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS', true]);
    }
  });

  it('are linked with a proof, verified by two deposits, and named by no more than their last four characters', async () => {
    const key = newKey();
    const fields = { idempotency_key: key, label: 'Savings', account_details: bankDetails('12 3456-7890') };
    const unproven = await link(alice, fields);
    expect(unproven.status).to.equal(402);
    expect(unproven.body).to.deep.include({ provider: 'sandbox', account_type: 'bank_account', currency: 'USD', last_four: '7890', label: 'Savings', status: 'pending_authorization', available_methods: ['pin'] });
    expect((await link(alice, fields)).body, 'the same request again').to.deep.equal(unproven.body);
    expect(error(await link(alice, { ...fields, account_details: bankDetails('1234567891') }))).to.deep.equal([409, 'DUPLICATE_TRANSACTION']);
    const id = unproven.body.external_account_id as string;
    expect([await eventsOf(server, id), error(await verify(alice, id, { micro_deposits: [0.32, 0.45] }))]).to.deep.equal([[], [409, 'INVALID_STATE_TRANSITION']]);

    const path = `/wallet/v1/external/${id}/confirm`;
    expect(error(await alice.post(path))).to.deep.equal([402, 'MFA_REQUIRED']);
    expect((await alice.post(path, proofFor(id, 'bank_account', '7891'))).status, 'a proof of another account').to.equal(400);
    const answer = await alice.post(path, proofFor(id));
    expect(answer.body).to.deep.include({ status: 'pending_verification', verification: { method: 'micro_deposits', ready: false, attempts_left: 3 } });
    expect(error(await verify(alice, id, { micro_deposits: [0.32, 0.45] })), 'before the provider has begun').to.deep.equal([409, 'INVALID_STATE_TRANSITION']);
    await runJob(server, 'external_account.begin', id);
    expect((await alice.get(`/wallet/v1/external/${id}`)).body.verification).to.deep.equal({ method: 'micro_deposits', ready: true, attempts_left: 3 });

    const wrong = await verify(alice, id, { micro_deposits: [0.32, 0.46] });
    expect([...error(wrong), wrong.body.error.details]).to.deep.equal([400, 'VERIFICATION_FAILED', { attempts_left: 2, status: 'pending_verification' }]);
    expect(error(await verify(alice, id, { code: '424242' }))).to.deep.equal([400, 'INVALID_REQUEST']);
    const right = await verify(alice, id, { micro_deposits: ['0.45', 0.32] });
    expect(right.body).to.deep.include({ status: 'verified', provider: 'sandbox', last_four: '7890' });
    expect(error(await verify(alice, id, { micro_deposits: [0.32, 0.45] }))).to.deep.equal([409, 'INVALID_STATE_TRANSITION']);

    const events = await eventsOf(server, id);
    expect(events.map(({ type, place, content }) => [type, place, content.status])).to.deep.equal(['pending_verification', 'verified'].map((status) => ['m.tween.wallet.external_account', { noticesOf: alice.userId }, status]));
    expect(events.map(({ remember, relatesTo }) => [remember, relatesTo])).to.deep.equal([[id, undefined], [undefined, id]]);
    expect(await auditActions(server, id)).to.deep.equal(['requested', 'pending_verification', 'verified'].map((what) => `external_account.${what}`).sort());
    for (const table of ['external_account', 'idempotency_key', 'audit_entry', 'job', 'notice']) expect(JSON.stringify(await server.database.sql(table).select()), table).not.to.contain('1234567890');
    expect(JSON.stringify(server.log.lines)).not.to.contain('1234567890');
  });

  it('of each kind are taken with what that kind has, and with nothing else', async () => {
    const holder_name = 'Alice Example';
    const kinds: readonly [string, object, string][] = [
      ['card', { card_number: '4242 4242 4242 4242', expiry_month: 12, expiry_year: 2030, holder_name }, '4242'],
      ['digital_wallet', { wallet_provider: 'paypal', wallet_identifier: 'alice@example.org', holder_name }, '.org'],
      ['mobile_money', { phone_number: '+254 700 000 001', operator: 'mpesa', holder_name }, '0001'],
      ['bank_account', { account_number: 'DE89 3704 0044 0532 0130 00', holder_name, country: 'DE' }, '3000'],
    ];
    for (const [account_type, account_details, last] of kinds) {
      const key = newKey();
      const answer = await link(alice, { account_type, account_details, idempotency_key: key, auth_proof: linkProofOf(`${key}:${account_type}:USD:${last}`) });
      expect([answer.status, answer.body.status, answer.body.last_four], JSON.stringify(answer.body)).to.deep.equal([200, 'pending_verification', last]);
      if (account_type === 'bank_account') continue;
      await runJob(server, 'external_account.begin', answer.body.external_account_id as string);
      expect((await verify(alice, answer.body.external_account_id as string, { code: '424242' })).body.status).to.equal('verified');
    }
    const wrong: readonly [string, object, string][] = [
      ['card', { card_number: '4242424242424241', expiry_month: 12, expiry_year: 2030, holder_name }, 'account_details.card_number'],
      ['card', { card_number: '4242424242424242', expiry_month: 12, holder_name }, 'account_details.expiry_year'],
      ['bank_account', { account_number: 'DE88370400440532013000', holder_name }, 'account_details.account_number'],
      ['bank_account', { account_number: '123456', holder_name, operator: 'mpesa' }, 'account_details.operator'],
      ['mobile_money', { phone_number: '0700000001', operator: 'mpesa', holder_name }, 'account_details.phone_number'],
      ['digital_wallet', { wallet_provider: 'paypal', wallet_identifier: 'alice@example.org' }, 'account_details.holder_name'],
    ];
    for (const [account_type, account_details, field] of wrong) {
      const answer = await link(alice, { account_type, account_details });
      expect([...error(answer), answer.body.error.details[0].field]).to.deep.equal([400, 'INVALID_REQUEST', field]);
      expect(JSON.stringify(answer.body), 'no number is repeated').not.to.match(/424242424242|37040044|070000/);
    }
    const cvc = await link(alice, { account_type: 'card', account_details: { card_number: '4242424242424242', expiry_month: 1, expiry_year: 2030, holder_name, cvc: '123' } });
    expect(error(cvc)).to.deep.equal([400, 'INVALID_REQUEST']);
  });

  it('that could not be verified have failed for good, are forgotten, and come back a day later at the earliest', async () => {
    const id = await linked();
    await alice.post(`/wallet/v1/external/${id}/confirm`, proofFor(id));
    await runJob(server, 'external_account.begin', id);
    const answers = await Promise.all(Array.from({ length: 6 }, () => verify(alice, id, { micro_deposits: [0.01, 0.02] })));
    expect(answers.map(error).filter(([, code]) => code === 'VERIFICATION_FAILED')).to.have.length(3);
    expect(answers.map(error).filter(([, code]) => code === 'INVALID_STATE_TRANSITION')).to.have.length(3);
    expect((await alice.get(`/wallet/v1/external/${id}`)).body).to.deep.include({ status: 'failed', error_code: 'VERIFICATION_FAILED' });
    expect(error(await verify(alice, id, { micro_deposits: [0.32, 0.45] }))).to.deep.equal([409, 'INVALID_STATE_TRANSITION']);
    expect(await server.database.sql('external_account').where({ id }).first('sealed')).to.deep.equal({ sealed: null });
    expect(error(await link(alice))).to.deep.equal([409, 'ALREADY_EXISTS']);
    await later(24 * 3_600_000 + 1);
    expect(error(await link(alice))).to.deep.equal([402, 'MFA_REQUIRED']);
  });

  it('that the provider refuses have failed', async () => {
    const id = await linked({ account_details: bankDetails('55500002') });
    await alice.post(`/wallet/v1/external/${id}/confirm`, proofFor(id, 'bank_account', '0002'));
    await runJob(server, 'external_account.begin', id);
    expect((await alice.get(`/wallet/v1/external/${id}`)).body).to.deep.include({ status: 'failed', error_code: 'ACCOUNT_REFUSED' });
  });

  it('are not there for anybody else', async () => {
    const id = await linked();
    const asBob = [await bob.get(`/wallet/v1/external/${id}`), await bob.post(`/wallet/v1/external/${id}/confirm`, proofFor(id)), await verify(bob, id, { micro_deposits: [0.32, 0.45] }), await call(server.url, 'DELETE', `/wallet/v1/external/${id}`, { token: bob.token })];
    expect(asBob.map(error)).to.deep.equal(asBob.map(() => [404, 'NOT_FOUND']));
    expect((await bob.get('/wallet/v1/external')).body).to.deep.equal({ external_accounts: [] });
    expect(((await alice.get('/wallet/v1/external')).body.external_accounts as { external_account_id: string }[]).map(({ external_account_id: one }) => one)).to.deep.equal([id]);
  });

  it('need a factor, a wallet that is not frozen, and their confirmation in time', async () => {
    proofs.enrolled.delete(alice.userId);
    expect(error(await link(alice))).to.deep.equal([400, 'DEVICE_NOT_REGISTERED']);
    proofs.enrolled.add(alice.userId);
    await administration(server).freeze(alice.userId, 'Looked into');
    expect(error(await link(alice))).to.deep.equal([403, 'USER_SUSPENDED']);
    await administration(server).unfreeze(alice.userId);
    const id = await linked();
    await later(300_000);
    expect(error(await alice.post(`/wallet/v1/external/${id}/confirm`, proofFor(id)))).to.deep.equal([409, 'INVALID_STATE_TRANSITION']);
    await runJob(server, 'external_account.expire', id);
    expect((await alice.get(`/wallet/v1/external/${id}`)).body.status).to.equal('removed');
    expect(await eventsOf(server, id), 'nobody hears of what was never confirmed').to.deep.equal([]);
    const again = await linked();
    await alice.post(`/wallet/v1/external/${again}/confirm`, proofFor(again));
    await runJob(server, 'external_account.begin', again);
    await later(168 * 3_600_000);
    await runJob(server, 'external_account.expire', again);
    expect((await alice.get(`/wallet/v1/external/${again}`)).body).to.deep.include({ status: 'failed', error_code: 'VERIFICATION_EXPIRED' });
  });

  it('are linked once each, and not without end', async () => {
    const first = await linked();
    const same = await link(alice, { account_details: bankDetails('1234 567890') });
    expect([...error(same), same.body.error.details.external_account_id]).to.deep.equal([409, 'ALREADY_EXISTS', first]);
    const racers = await Promise.all(Array.from({ length: 4 }, () => link(alice, { account_details: bankDetails('99887766') })));
    expect(racers.map(({ status }) => status).sort()).to.deep.equal([402, 409, 409, 409]);
    for (let n = 2; n < 6; n += 1) await linked({ account_details: bankDetails(`1111${n}`) });
    expect(error(await link(alice, { account_details: bankDetails('222222') }))).to.deep.equal([400, 'INVALID_REQUEST']);
  });

  it('can be removed, unless money is on its way', async () => {
    const id = await verifiedAccount(server, alice);
    const withdrawal = await confirmed(alice, id, 10);
    const remove = () => call(server.url, 'DELETE', `/wallet/v1/external/${id}`, { token: alice.token });
    expect(error(await remove())).to.deep.equal([409, 'INVALID_STATE_TRANSITION']);
    await runJob(server, 'external_order.ask', withdrawal);
    expect((await remove()).body).to.deep.include({ status: 'removed', external_account_id: id });
    expect(error(await remove())).to.deep.equal([409, 'INVALID_STATE_TRANSITION']);
    expect((await eventsOf(server, id)).at(-1)?.content.status).to.equal('removed');
    expect(await server.database.sql('external_account').where({ id }).first('sealed')).to.deep.equal({ sealed: null });
    expect((await alice.get('/wallet/v1/external')).body).to.deep.equal({ external_accounts: [] });
  });
});

describe('accounts outside where there is no provider', () => {
  it('are not offered', async function () {
    this.timeout(20_000);
    const { temporaryDirectory } = await import('../../support/temporary.ts');
    const proofs = fakeProofs();
    const server = await startWholeServer({ dialect: 'sqlite', createUrl: () => Promise.resolve(`sqlite:${temporaryDirectory('none')}/tmcp.db`) }, { TMCP_EXTERNAL_PROVIDER: 'none' }, { proofs });
    const alice = await funded(server, 'alice');
    proofs.enrolled.add(alice.userId);
    const answers = [await link(alice), await alice.get('/wallet/v1/external')];
    await server.close();
    expect([error(answers[0]!), answers[1]!.body]).to.deep.equal([[404, 'NOT_FOUND'], { external_accounts: [] }]);
  });
});
