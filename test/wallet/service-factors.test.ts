import { expect } from 'chai';
import { isoTime } from '../../src/kernel/clock.ts';
import { asUserId } from '../../src/kernel/ids.ts';
import { asCurrency } from '../../src/kernel/money.ts';
import { auditLedger, createWallet, createWalletAdministration } from '../../src/wallet/index.ts';
import { call, type ApiResponse } from '../support/api.ts';
import { onBothDatabases } from '../support/databases.ts';
import { startWalletService, walletApiKey, type WalletService } from '../support/wallet-service.ts';
import { TestClock } from '../http/oauth/support.ts';

const pin = '739164';
const wrongPin = '604713';
const hour = 3_600_000;

onBothDatabases('the factors of the wallet service', (databases) => {
  let service: WalletService;
  const clock = new TestClock();
  before(async () => {
    service = await startWalletService({ databaseUrl: await databases.createUrl(), clock, requireProofs: true });
  });
  after(() => service.close());

  let serial = 0;
  const newKey = (): string => `key_${(serial += 1)}`;
  const user = (name: string): string => `@${name}:example.org`;
  const ask = (method: string, path: string, body?: object, key?: string): Promise<ApiResponse> => call(service.url, method, path, { token: walletApiKey, ...(body === undefined ? {} : { body }), ...(key === undefined ? {} : { headers: { 'idempotency-key': key } }) });
  const of = (name: string, rest = ''): string => `/internal/mfa/${encodeURIComponent(user(name))}${rest}`;
  const post = (name: string, rest: string, body: object, key = newKey()): Promise<ApiResponse> => ask('POST', of(name, rest), body, key);
  const byPin = (given: string): object => ({ method: 'transaction_pin', proof: { pin: given } });
  const fresh = (): object => ({ matrix_proven_at: isoTime(clock.now()) });
  const enrol = async (name: string): Promise<void> => {
    expect((await post(name, '/pin', { pin, ...fresh() })).body).to.deep.equal({ is_new: true });
  };
  const terms = { id: 'p2p_1', amount_minor: 500, currency: 'USD', payee: user('carl') };
  const prove = (name: string, given: string, key?: string): Promise<ApiResponse> => post(name, '/proofs', { terms, auth_proof: byPin(given) }, key);
  const move = (name: string, key: string, more: object = {}): Promise<ApiResponse> => ask('PUT', `/internal/movements/${key}`, { kind: 'transfer', from: { user_id: user(name) }, to: { user_id: user('carl') }, amount_minor: 500, currency: 'USD', code: 'p2p', reference: 'p2p_1', ...more });

  it('say no with 422 and one of the codes, and name the field', async () => {
    const codeOf = ({ status, body }: ApiResponse): unknown => [status, body.error.code];
    expect(codeOf(await post('ann', '/pin', { pin }))).to.deep.equal([422, 'FRESH_SIGN_IN_REQUIRED']);
    const weak = await post('ann', '/pin', { pin: '123456', ...fresh() });
    expect([...(codeOf(weak) as unknown[]), weak.body.error.details[0].field]).to.deep.equal([422, 'INVALID_REQUEST', 'pin']);
    expect(codeOf(await ask('POST', of('ann', '/challenges'), { terms }))).to.deep.equal([422, 'DEVICE_NOT_REGISTERED']);
    await enrol('ann');
    expect(codeOf(await post('ann', '/pin', { pin: '850372', ...fresh() }))).to.deep.equal([422, 'MFA_REQUIRED']);
    expect(codeOf(await post('ann', '/pin', { pin: '850372', auth_proof: byPin(wrongPin) }))).to.deep.equal([422, 'INVALID_MFA_CREDENTIALS']);
    expect((await ask('GET', of('ann'))).body).to.deep.equal({ methods: [{ type: 'transaction_pin', enabled: true, display_name: 'Transaction PIN' }], recovery_codes_left: 0 });
    expect((await ask('GET', `/internal/user/${encodeURIComponent(user('ann'))}/auth-policy?amount=5.00&currency=USD`)).body).to.deep.equal({ available_methods: ['pin'], recommended_method: 'pin', recipient_acceptance_required: false, auth_upgrade_required: false });
  });

  it('require a proof by the policy, challenge, and judge the answer', async () => {
    await enrol('bea');
    expect((await ask('POST', of('bea', '/requirements'), { terms, first_to_payee: false })).body).to.deep.equal({ mfa_required: false, reasons: [], available_methods: ['transaction_pin'], max_attempts: 3 });
    expect((await ask('POST', of('bea', '/requirements'), { terms: { ...terms, amount_minor: 50_001 }, first_to_payee: true })).body).to.deep.include({ mfa_required: true, reasons: ['amount', 'first_payment'] });
    const { body: challenge } = await ask('POST', of('bea', '/challenges'), { terms });
    expect(challenge).to.deep.include({ required_method: 'any', max_attempts: 3 });
    const answerWith = (given: string, key?: string): Promise<ApiResponse> => post('bea', `/challenges/${challenge.challenge_id as string}/verify`, { payment_id: 'p2p_1', method: 'transaction_pin', credentials: { pin: given } }, key);
    expect((await answerWith(wrongPin, 'att_1')).body).to.deep.include({ verified: false, attempts_remaining: 2, locked: false });
    expect((await answerWith(wrongPin, 'att_1')).body.attempts_remaining).to.equal(2);
    expect((await answerWith(pin)).body).to.include({ verified: true, method: 'transaction_pin' });
    expect((await answerWith(pin)).body.error.code).to.equal('INVALID_STATE_TRANSITION');
  });

  it('lock after three wrong proofs, until administrators lift it', async () => {
    await enrol('cleo');
    for (const remaining of [2, 1, 0]) expect((await prove('cleo', wrongPin)).body).to.include({ verified: false, attempts_remaining: remaining, locked: remaining === 0 });
    const locked = (await prove('cleo', pin)).body;
    expect([locked.verified, locked.locked, locked.refusal.code]).to.deep.equal([false, true, 'MFA_LOCKED']);
    expect((await post('cleo', '/unlock', { administrator: 'root' })).body).to.deep.equal({ unlocked: true });
    expect((await prove('cleo', pin)).body.verified).to.equal(true);
    expect(((await ask('GET', of('cleo', '/changes'))).body.changes as { change: string }[]).map(({ change }) => change)).to.deep.equal(['added', 'unlocked']);
  });

  it('let one movement spend a proof, with the money or not at all', async () => {
    const limits = { transaction: 10_000, daily: 20_000, monthly: 100_000 };
    const wallet = createWallet({ database: service.database, clock, levels: [limits, limits, limits], defaultCurrency: asCurrency('USD') });
    await enrol('dana');
    await createWalletAdministration({ database: service.database, clock, wallet, record: () => Promise.resolve() }).credit(asUserId(user('dana')), { amountMinor: 700, currency: asCurrency('USD') }, 'Test');
    await ask('POST', `/internal/user/${encodeURIComponent(user('dana'))}/activate`, { wallet_id: 'tw_dana', currency: 'USD' });
    const [proof, other] = [(await prove('dana', pin)).body.proof_id as string, (await prove('dana', pin)).body.proof_id as string];
    const both = await Promise.all([move('dana', 'wi_a', { proof_id: proof }), move('dana', 'wi_b', { proof_id: proof })]);
    expect(both.map(({ body }) => body.status as string).sort()).to.deep.equal(['done', 'refused']);
    expect((await move('dana', 'wi_c', { proof_id: proof })).body.refusal.code).to.equal('PAYMENT_FAILED');
    expect((await move('dana', 'wi_d', { proof_id: other })).body.refusal.code).to.equal('INSUFFICIENT_FUNDS');
    expect(await service.database.sql('service_proof').where({ id: other }).pluck('spent_by')).to.deep.equal([null]);
    expect(await auditLedger(service.database)).to.deep.equal([]);
  });

  it('are changed by one of many at once, and a reset takes effect when its time has come', async () => {
    await enrol('elsa');
    const answers = await Promise.all(Array.from({ length: 4 }, () => post('elsa', '/pin', { pin: '850372', auth_proof: byPin(pin) }, 'att_change')));
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).to.equal(1);
    expect((await post('elsa', '/pin/reset', { pin, ...fresh() })).status).to.equal(200);
    clock.advance(24 * hour + 1000);
    expect((await prove('elsa', pin)).body.verified).to.equal(true);
    expect(((await ask('GET', of('elsa', '/changes'))).body.changes as { change: string }[]).map(({ change }) => change)).to.deep.equal(['added', 'changed', 'reset_requested', 'reset_done']);
  });

  it('forget answers after an hour, and proofs a day after their end', async () => {
    await enrol('fay');
    await prove('fay', pin, 'att_old');
    clock.advance(2 * hour);
    await ask('GET', of('fay'));
    expect(await service.database.sql('service_call').where({ key: 'att_old' }).select('key')).to.deep.equal([]);
    clock.advance(25 * hour);
    await ask('GET', of('fay'));
    expect(await service.database.sql('service_proof').where({ user_id: user('fay') }).select('id')).to.deep.equal([]);
  });

  it('run a request again that died, and leave one alone that may still run', async () => {
    await enrol('gwen');
    await prove('gwen', wrongPin, 'att_died');
    await service.database.sql('service_call').where({ key: 'att_died' }).update({ answer_sealed: null });
    expect([(await prove('gwen', wrongPin, 'att_died')).status, (await prove('gwen', wrongPin, 'att_died')).body.error.code]).to.deep.equal([409, 'REQUEST_IN_PROGRESS']);
    clock.advance(61_000);
    expect((await prove('gwen', wrongPin, 'att_died')).body).to.include({ verified: false, attempts_remaining: 1 });
  });
});
