import { expect } from 'chai';
import { isoTime } from '../../../src/kernel/clock.ts';
import { auditPayments } from '../../../src/payments/index.ts';
import { call, exchange, type ApiResponse } from '../../support/api.ts';
import { onEveryWallet } from '../../support/databases.ts';
import { startWholeServer, type WholeServer } from '../../support/whole-server.ts';
import { newEcKey, signDer } from '../mfa/device-key.ts';
import { pin, pinProof } from '../mfa/support.ts';
import { activate, auditOf, credit, person } from '../wallet/support.ts';
import { act, appToken, asked, auditActions, authorize, error, newShop, paid, signatureOver, type Payer, type Shop, onTheWay } from './support.ts';

const minute = 60_000;
const day = 24 * 60 * minute;
const wrongPin = '604713';

onEveryWallet('payments and second proofs', (databases) => {
  let server: WholeServer;
  let shop: Shop;
  let second: Shop;
  before(async () => {
    server = await startWholeServer(databases, { TMCP_MFA_LOWERED_LIMITS_PERCENT: '100', TMCP_PAYMENTS_AUTHORIZE_SECONDS: '3600' });
    shop = await newShop(server, 'ma_shop');
    second = await newShop(server, 'ma_second');
  });
  afterEach(async () => {
    expect([...(await auditOf(server)), ...(await auditPayments(server.database))]).to.deep.equal([]);
  });
  after(() => server.close());

  /** Somebody with a PIN and, unless told otherwise, a device that was registered just now. */
  const payerWithPin = async (name: string, device = true): Promise<Payer> => {
    const who = await person(server, name);
    await credit(server, who, '5000');
    await activate(who);
    const [token, key, deviceId] = [await appToken(server, who, shop), newEcKey(), `device_${name}`];
    expect((await who.post('/wallet/v1/mfa/pin', { pin })).status).to.equal(201);
    if (device) expect((await who.post('/wallet/v1/devices/register', { device_id: deviceId, public_key: key.publicKey, auth_proof: pinProof(pin) })).status).to.equal(201);
    return { ...who, appToken: token, key, deviceId };
  };
  /** The same person a day later, when the device is not new any more. */
  const aDayLater = async (payer: Payer): Promise<Payer> => {
    server.clock.advance(day + minute);
    const who = await person(server, payer.userId.slice(1, payer.userId.indexOf(':')));
    return { ...payer, ...who, appToken: await appToken(server, who, shop) };
  };
  const verify = (payer: Payer, id: string, challengeId: string, fields: object): Promise<ApiResponse> => act(server, payer.appToken, id, 'mfa/verify', { challenge_id: challengeId, method: 'transaction_pin', credentials: { pin }, ...fields });
  const challenged = async (payer: Payer, id: string, amountMinor = 1000): Promise<ApiResponse['body']> => {
    const answer = await authorize(server, payer, id, amountMinor);
    expect([answer.status, answer.body.status, answer.body.error.code], JSON.stringify(answer.body)).to.deep.equal([402, 'mfa_required', 'MFA_REQUIRED']);
    return answer.body.mfa_challenge;
  };
  const typesOf = (challenge: { methods: { type: string }[] }): string[] => challenge.methods.map(({ type }) => type);

  it('ask for one where the device is new, which completes the payment', async () => {
    const payer = await payerWithPin('anna');
    const id = await asked(server, payer);
    const challenge = await challenged(payer, id);
    expect(challenge).to.deep.include({ required_method: 'any', max_attempts: 3 });
    expect(typesOf(challenge)).to.deep.equal(['transaction_pin']);
    const done = await verify(payer, id, challenge.challenge_id as string, { device_id: payer.deviceId, timestamp: isoTime(server.clock.now()) });
    expect(done.body, JSON.stringify(done.body)).to.deep.include({ payment_id: id, status: 'completed', challenge_id: challenge.challenge_id, proceed_to_processing: true });
    expect(await auditActions(server, id)).to.deep.equal(['payment.requested', 'payment.mfa_required', ...onTheWay(databases), 'payment.completed']);
    expect(error(await verify(payer, id, challenge.challenge_id as string, {}))).to.deep.equal([409, 'INVALID_STATE_TRANSITION']);
  });

  it('ask for one for the first payment to a merchant and for large amounts, and for no others', async () => {
    const payer = await aDayLater(await payerWithPin('ben'));
    const first = await asked(server, payer);
    const challenge = await challenged(payer, first);
    expect(typesOf(challenge)).to.deep.equal(['biometric', 'transaction_pin']);
    expect((await verify(payer, first, challenge.challenge_id as string, { method: 'pin', credentials: pin })).body.status).to.equal('completed');
    await paid(server, payer, 500);
    await challenged(payer, await asked(server, payer, { amount: 500.01 }), 50_001);
    const there = { ...payer, appToken: await appTokenWithPin(payer, second) };
    await challenged(there, await asked(server, there));
  });
  const appTokenWithPin = async (payer: Payer, at: Shop): Promise<string> => {
    const wanted = { client_id: at.id, scope: 'wallet:pay' };
    const { body } = await exchange(server.url, payer.matrixToken, wanted);
    await call(server.url, 'POST', body.consent_ui_endpoint as string, { token: payer.matrixToken, body: { approved_scopes: ['wallet:pay'], auth_proof: pinProof(pin) } });
    return (await exchange(server.url, payer.matrixToken, wanted)).body.access_token as string;
  };

  it('count wrong ones across challenges until they lock', async () => {
    const payer = await payerWithPin('carl');
    const id = await asked(server, payer);
    for (const left of [2, 1, 0]) {
      const { challenge_id: challengeId } = (await challenged(payer, id)) as { challenge_id: string };
      const wrong = await verify(payer, id, challengeId, { credentials: { pin: wrongPin } });
      expect(error(wrong)).to.deep.equal([401, 'INVALID_MFA_CREDENTIALS']);
      expect(wrong.body.error.details).to.deep.include({ payment_id: id, challenge_id: challengeId, status: 'failed', attempts_remaining: left, retry_allowed: left > 0 });
    }
    const { challenge_id: challengeId } = (await challenged(payer, id)) as { challenge_id: string };
    const locked = await verify(payer, id, challengeId, {});
    expect(error(locked)).to.deep.equal([429, 'MFA_LOCKED']);
    expect(locked.body.error.details.locked_until).to.be.a('string');
    expect(locked.headers.get('retry-after')).to.be.a('string');
  });

  it('ask anew when a challenge is over, without forgetting what it excluded', async () => {
    const payer = await payerWithPin('dora');
    const id = await asked(server, payer);
    const first = await challenged(payer, id);
    server.clock.advance(2 * minute + 1000);
    expect(error(await verify(payer, id, first.challenge_id as string, {}))).to.deep.equal([400, 'MFA_CHALLENGE_EXPIRED']);
    const again = await act(server, payer.appToken, id, 'mfa/challenge');
    expect([again.status, again.body.status]).to.deep.equal([200, 'mfa_required']);
    expect(typesOf(again.body.mfa_challenge as never)).to.deep.equal(['transaction_pin']);
    expect(again.body).to.not.have.property('error');
    expect((await verify(payer, id, again.body.mfa_challenge.challenge_id as string, {})).body.status).to.equal('completed');
  });

  it('are for one payment of one user', async () => {
    const [payer, thief] = [await payerWithPin('eva'), await payerWithPin('fred')];
    const [mine, second, theirs] = [await asked(server, payer), await asked(server, payer), await asked(server, thief)];
    const challenge = await challenged(payer, mine);
    await challenged(payer, second);
    await challenged(thief, theirs);
    expect(error(await verify(thief, theirs, challenge.challenge_id as string, {}))).to.deep.equal([404, 'NOT_FOUND']);
    expect(error(await verify(payer, second, challenge.challenge_id as string, {}))).to.deep.equal([404, 'NOT_FOUND']);
    expect(error(await verify(thief, mine, challenge.challenge_id as string, {}))).to.deep.equal([404, 'PAYMENT_NOT_FOUND']);
    const unasked = await asked(server, payer);
    expect(error(await verify(payer, unasked, challenge.challenge_id as string, {}))).to.deep.equal([409, 'INVALID_STATE_TRANSITION']);
  });

  it('alone are enough where the device has no key, or there is none', async () => {
    const payer = await payerWithPin('gina', false);
    for (const body of [{}, signatureOver(server, payer, 'pay_x', 1000)]) {
      const id = await asked(server, payer);
      const answer = await act(server, payer.appToken, id, 'authorize', body);
      expect([answer.status, answer.body.status]).to.deep.equal([402, 'mfa_required']);
      expect((await verify(payer, id, answer.body.mfa_challenge.challenge_id as string, {})).body.status).to.equal('completed');
    }
  });

  it('alone are not enough from a device that is new', async () => {
    const payer = await payerWithPin('hugo');
    const id = await asked(server, payer);
    const { body } = await act(server, payer.appToken, id, 'mfa/challenge');
    const challengeId = body.mfa_challenge.challenge_id as string;
    const attest = (who: Payer): object => {
      const at = isoTime(server.clock.now());
      return { method: 'biometric', credentials: { attestation: signDer(who.key, `${id}:${challengeId}:${at}`), device_id: who.deviceId, timestamp: at } };
    };
    expect(error(await verify(payer, id, challengeId, attest(payer)))).to.deep.equal([401, 'INVALID_MFA_CREDENTIALS']);
    expect((await verify(payer, id, challengeId, {})).body.status).to.equal('completed');
  });

  it('that nobody can give are no way to pay', async () => {
    const who = await person(server, 'ida');
    await credit(server, who, '100');
    await activate(who);
    const bare: Payer = { ...who, appToken: await appToken(server, who, shop), key: newEcKey(), deviceId: 'none' };
    const id = await asked(server, bare);
    for (const body of [{}, signatureOver(server, bare, id, 1000)]) expect(error(await act(server, bare.appToken, id, 'authorize', body))).to.deep.equal([400, 'DEVICE_NOT_REGISTERED']);
    expect(error(await act(server, bare.appToken, id, 'mfa/challenge'))).to.deep.equal([400, 'DEVICE_NOT_REGISTERED']);
    expect((await server.database.sql('payment').where({ id }).first<{ status: string }>()).status).to.equal('pending_authorization');
  });

  it('are led to by a signature once', async () => {
    const payer = await payerWithPin('kim');
    const id = await asked(server, payer);
    const signature = signatureOver(server, payer, id, 1000);
    expect(error(await act(server, payer.appToken, id, 'authorize', signature))).to.deep.equal([402, 'MFA_REQUIRED']);
    expect(error(await act(server, payer.appToken, id, 'authorize', signature))).to.deep.equal([401, 'INVALID_SIGNATURE']);
  });

  it('that lead to nothing leave the payment to be cancelled', async () => {
    const payer = await payerWithPin('jan');
    const id = await asked(server, payer);
    const challenge = await challenged(payer, id);
    expect((await act(server, payer.appToken, id, 'cancel')).body.status).to.equal('cancelled');
    expect(error(await verify(payer, id, challenge.challenge_id as string, {}))).to.deep.equal([409, 'INVALID_STATE_TRANSITION']);
  });
});
