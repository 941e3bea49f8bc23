import { expect } from 'chai';
import { asUserId } from '../../src/kernel/ids.ts';
import { asCurrency } from '../../src/kernel/money.ts';
import { auditLedger, createWallet, createWalletAdministration } from '../../src/wallet/index.ts';
import { call, type ApiResponse } from '../support/api.ts';
import { onBothDatabases } from '../support/databases.ts';
import { startWalletService, walletApiKey, type WalletService } from '../support/wallet-service.ts';
import { TestClock } from '../http/oauth/support.ts';

const usd = asCurrency('USD');

onBothDatabases('the embedded ledger as a wallet service', (databases) => {
  let service: WalletService;
  const clock = new TestClock();
  before(async () => {
    service = await startWalletService({ databaseUrl: await databases.createUrl(), clock });
  });
  after(() => service.close());

  const ask = (method: string, path: string, body?: object, token = walletApiKey): Promise<ApiResponse> => call(service.url, method, path, { token, ...(body === undefined ? {} : { body }) });
  const user = (name: string): string => `@${name}:example.org`;
  const path = (name: string, rest = ''): string => `/internal/user/${encodeURIComponent(user(name))}${rest}`;
  const put = (key: string, body: object): Promise<ApiResponse> => ask('PUT', `/internal/movements/${key}`, body);
  const transfer = (from: string, to: string, amount: number, more: object = {}): object => ({ kind: 'transfer', from: { user_id: user(from) }, to: { user_id: user(to) }, amount_minor: amount, currency: 'USD', code: 'p2p', reference: 'p2p_1', ...more });
  const available = async (name: string): Promise<number> => (await ask('GET', path(name, '/balance'))).body.balances[0].available_minor as number;
  const fund = async (name: string, amountMinor: number): Promise<void> => {
    const limits = { transaction: 10_000, daily: 20_000, monthly: 100_000 };
    const wallet = createWallet({ database: service.database, clock, levels: [limits, limits, limits], defaultCurrency: usd });
    await createWalletAdministration({ database: service.database, clock, wallet, record: () => Promise.resolve() }).credit(asUserId(user(name)), { amountMinor, currency: usd }, 'Test');
    await ask('POST', path(name, '/activate'), { wallet_id: `tw_${name}`, currency: 'USD' });
  };

  it('answers nobody without its key', async () => {
    for (const token of ['', 'another', `${walletApiKey}x`]) expect((await ask('GET', path('nobody'), undefined, token)).status).to.equal(401);
  });

  it('opens an account as pending, with the wallet id that tokens carry, once', async () => {
    expect((await ask('GET', path('ann'))).status).to.equal(404);
    const { body } = await ask('PUT', path('ann'), { wallet_id: 'tw_ann', currency: 'EUR' });
    expect(body).to.include({ user_id: user('ann'), wallet_id: 'tw_ann', user_status: 'pending', wallet_status: 'active', payment_enabled: false, currency: 'EUR', level: 0 });
    expect((await ask('PUT', path('ann'), { wallet_id: 'tw_other', currency: 'USD' })).body).to.deep.equal(body);
    expect((await ask('POST', path('ann', '/activate'), { wallet_id: 'tw_ann', currency: 'EUR' })).body).to.include({ user_status: 'active', payment_enabled: true, level: 1 });
    expect((await ask('POST', '/internal/users/query', { user_ids: [user('ann'), user('stranger')] })).body.accounts).to.have.length(1);
  });

  it('carries out a movement once for each key, however many ask at once', async () => {
    await fund('bea', 10_000);
    const answers = await Promise.all(Array.from({ length: 8 }, () => put('mv_1', transfer('bea', 'carl', 2500))));
    expect(new Set(answers.map(({ body }) => (body as { transaction_id: string }).transaction_id)).size).to.equal(1);
    expect(answers[0]!.body).to.include({ key: 'mv_1', status: 'done' });
    expect(await available('bea')).to.equal(7500);
    expect((await ask('GET', '/internal/movements/mv_1')).body).to.include({ status: 'done', transaction_id: answers[0]!.body.transaction_id });
    expect((await ask('GET', '/internal/movements/mv_unheard')).status).to.equal(404);
    const other = await put('mv_1', transfer('bea', 'carl', 2501));
    expect([other.status, other.body.error.code]).to.deep.equal([409, 'DUPLICATE_TRANSACTION']);
  });

  it('answers what names nobody with 400, and keeps the key free', async () => {
    await fund('gina', 1000);
    expect((await put('mv_free', transfer('gina', 'carl', 100, { to: { user_id: 'nobody' } }))).status).to.equal(400);
    expect((await put('mv_free', transfer('gina', 'carl', 100))).body.status).to.equal('done');
  });

  it('refuses for ever what it refused once', async () => {
    await fund('dora', 100);
    const refused = await put('mv_2', transfer('dora', 'carl', 500));
    expect(refused.body).to.deep.include({ status: 'refused', refusal: { code: 'INSUFFICIENT_FUNDS', message: 'Wallet balance too low', details: { required_amount: '5.00', available_balance: '1.00', currency: 'USD' } } });
    await fund('dora', 10_000);
    expect((await put('mv_2', transfer('dora', 'carl', 500))).body.status).to.equal('refused');
    expect((await put('mv_3', transfer('dora', 'carl', 500))).body.status).to.equal('done');
  });

  it('holds, and ends a hold once', async () => {
    await fund('eve', 1000);
    await put('mv_hold', transfer('eve', 'carl', 400, { kind: 'hold' }));
    expect((await ask('GET', path('eve', '/balance'))).body.balances[0]).to.include({ available_minor: 600, held_minor: 400 });
    expect((await put('mv_end', { kind: 'release', hold: 'mv_hold', outcome: 'rejected' })).body.status).to.equal('done');
    expect((await put('mv_end', { kind: 'release', hold: 'mv_hold', outcome: 'rejected' })).body.status).to.equal('done');
    expect((await put('mv_end_again', { kind: 'capture', hold: 'mv_hold' })).status).to.equal(409);
    expect(await available('eve')).to.equal(1000);
  });

  it('says what a user could send, and what they have', async () => {
    await fund('finn', 5000);
    const eligibility = async (amount: string): Promise<ApiResponse> => ask('GET', path('finn', `/eligibility?amount=${amount}&currency=USD`));
    expect((await eligibility('50.00')).body).to.deep.include({ eligible: true, current_usage: { daily_minor: 0, monthly_minor: 0 } });
    expect((await eligibility('50.01')).body).to.deep.include({ eligible: false });
    expect((await ask('GET', path('finn', '/auth-policy?amount=5000&currency=USD'))).body).to.deep.equal({ available_methods: [], recipient_acceptance_required: false, auth_upgrade_required: false });
    expect((await ask('GET', path('finn', '/verification'))).body).to.have.nested.property('limits.transaction_minor', 1_000_000);
    expect((await ask('GET', path('finn', '/transactions?limit=10'))).body).to.have.property('total', 1);
  });

  it('keeps its books in order', async () => {
    expect(await auditLedger(service.database)).to.deep.equal([]);
  });
});
