import { expect } from 'chai';
import { isoTime } from '../../../src/kernel/clock.ts';
import type { ApiResponse } from '../../support/api.ts';
import { onEveryWallet } from '../../support/databases.ts';
import { startWholeServer, type WholeServer } from '../../support/whole-server.ts';
import { newEcKey, signDer, type DeviceKey } from '../mfa/device-key.ts';
import { byItself } from '../mfa/support.ts';
import { fund, link, runJob, withdraw } from '../external/support.ts';
import { auditOf, credit, funded, person, room, type Person } from './support.ts';

const pin = '739164';
const error = ({ status, body }: ApiResponse): [number, string] => [status, body.error?.code as string];
let serial = 0;

/** Nothing between the wallet and the factors is a stand-in here. */
onEveryWallet('money and real factors', (databases) => {
  let server: WholeServer;
  let alice: Person;
  let bob: Person;
  let roomId: string;
  let phone: DeviceKey;
  before(async () => {
    server = await startWholeServer(databases);
    [alice, bob] = [await funded(server, 'alice', '1000'), await funded(server, 'bob', '0.01')];
    roomId = room(server, 'chat', [alice, bob]);
    phone = newEcKey();
  });
  afterEach(async () => expect(await auditOf(server)).to.deep.equal([]));
  after(() => server.close());

  const initiate = async (fields: object = {}): Promise<string> => {
    serial += 1;
    const { status, body } = await alice.post('/wallet/v1/p2p/initiate', { recipient: bob.userId, amount: 10, currency: 'USD', idempotency_key: `real-${serial}`, room_id: roomId, ...fields });
    expect(status, JSON.stringify(body)).to.equal(200);
    return body.transfer_id as string;
  };
  const confirm = (id: string, authProof?: object, who = alice): Promise<ApiResponse> => who.post(`/wallet/v1/p2p/${id}/confirm`, authProof === undefined ? {} : { auth_proof: authProof });
  const byPin = (given: string): object => ({ method: 'pin', proof: { pin: given } });
  const balance = async (who: Person): Promise<number> => (await who.get('/wallet/v1/balance')).body.balance.available as number;
  const signed = (key: DeviceKey, text: string, at: string): object => ({ method: 'biometric', proof: { signature: signDer(key, `${text}:${at}`), device_id: 'phone', timestamp: at } });

  it('nothing is confirmed by who has no factor', async () => {
    const id = await initiate();
    expect(error(await confirm(id))).to.deep.equal([400, 'DEVICE_NOT_REGISTERED']);
    expect(error(await confirm(id, byPin(pin)))).to.deep.equal([401, 'INVALID_MFA_CREDENTIALS']);
    expect(await balance(alice)).to.equal(1000);
  });

  it('a PIN confirms a transfer', async () => {
    expect((await alice.post('/wallet/v1/mfa/pin', { pin })).status).to.equal(201);
    const id = await initiate({ amount: 12.5 });
    const asked = await confirm(id);
    expect(error(asked)).to.deep.equal([402, 'MFA_REQUIRED']);
    expect(asked.body.error.details.available_methods).to.deep.equal(['pin']);
    const done = await confirm(id, byPin(pin));
    expect([done.status, done.body.status]).to.deep.equal([200, 'completed']);
    expect([await balance(alice), await balance(bob)]).to.deep.equal([987.5, 12.51]);
  });

  it('a wrong PIN confirms nothing, and three lock it for every transfer', async () => {
    const [first, second] = [await initiate(), await initiate()];
    const before = await balance(alice);
    expect(error(await confirm(first, byPin('111222')))).to.deep.equal([401, 'INVALID_MFA_CREDENTIALS']);
    expect(error(await confirm(second, byPin('111222')))).to.deep.equal([401, 'INVALID_MFA_CREDENTIALS']);
    expect(error(await confirm(first, byPin('111222')))).to.deep.equal([401, 'INVALID_MFA_CREDENTIALS']);
    expect(error(await confirm(second, byPin(pin)))).to.deep.equal([429, 'MFA_LOCKED']);
    expect(await balance(alice)).to.equal(before);
  });

  it("a device's signature confirms exactly the terms that it names, once", async () => {
    // The PIN is locked for a quarter of an hour; tokens live for one.
    server.clock.advance(16 * 60_000);
    alice = await person(server, 'alice');
    const registered = await alice.post('/wallet/v1/devices/register', { device_id: 'phone', device_name: 'Phone', platform: 'ios', public_key: phone.publicKey, auth_proof: byPin(pin) });
    expect(registered.status, JSON.stringify(registered.body)).to.equal(201);
    const id = await initiate({ amount: 20 });
    const before = await balance(alice);
    const at = isoTime(server.clock.now());
    expect(error(await confirm(id, signed(phone, `${id}:2.00:USD`, at)))).to.deep.equal([401, 'INVALID_SIGNATURE']);
    expect(error(await confirm(id, signed(newEcKey(), `${id}:20.00:USD`, at)))).to.deep.equal([401, 'INVALID_SIGNATURE']);
    const good = signed(phone, `${id}:20.00:USD`, at);
    const both = await Promise.all([confirm(id, good), confirm(id, good)]);
    expect(both.filter(({ status }) => status === 200), JSON.stringify(both.map(({ body }) => body as unknown))).not.to.deep.equal([]);
    expect(await balance(alice), 'once').to.equal(before - 20);
    expect(error(await confirm(await initiate({ amount: 20 }), good)), 'a signature over another transfer').to.deep.equal([401, 'INVALID_SIGNATURE']);
  });

  it("is the payer's own hand: another's PIN does not do", async () => {
    expect((await bob.post('/wallet/v1/mfa/pin', { pin: '850372' })).status).to.equal(403);
    bob = await person(server, 'bob');
    expect((await bob.post('/wallet/v1/mfa/pin', { pin: '850372' })).status).to.equal(201);
    const id = await initiate();
    expect(error(await confirm(id, byPin('850372')))).to.deep.equal([401, 'INVALID_MFA_CREDENTIALS']);
    expect(error(await confirm(id, byPin('850372'), bob))).to.deep.equal([404, 'TRANSFER_NOT_FOUND']);
  });

  it('a gift to a room is confirmed over its total and the room', async () => {
    serial += 1;
    const key = `gift-${serial}`;
    const at = isoTime(server.clock.now());
    const fields = { type: 'group', room_id: roomId, total_amount: 30, currency: 'USD', count: 2, message: 'Hi', idempotency_key: key };
    const before = await balance(alice);
    expect(error(await alice.post('/wallet/v1/gift/create', { ...fields, auth_proof: signed(phone, `${key}:3.00:USD`, at) }))).to.deep.equal([401, 'INVALID_SIGNATURE']);
    const made = await alice.post('/wallet/v1/gift/create', { ...fields, auth_proof: signed(phone, `${key}:30.00:USD`, at) });
    expect([made.status, made.body.status], JSON.stringify(made.body)).to.deep.equal([200, 'active']);
    expect(await balance(alice)).to.equal(before - 30);
  });

  it('a change of factors lowers the limits for a day', async () => {
    const limits = async (): Promise<number> => (await alice.get('/wallet/v1/verification')).body.limits.transaction_limit as number;
    server.clock.advance(25 * 3_600_000);
    alice = await person(server, 'alice');
    await credit(server, alice, '5000');
    const full = await limits();
    const changed = await alice.post('/wallet/v1/mfa/pin', { pin: '625184', auth_proof: byPin(pin) });
    expect(changed.status, JSON.stringify(changed.body)).to.equal(200);
    expect(await limits()).to.equal(full / 5);
    serial += 1;
    const tooMuch = { recipient: bob.userId, amount: full / 5 + 1, currency: 'USD', idempotency_key: `real-${serial}`, room_id: roomId };
    expect(error(await alice.post('/wallet/v1/p2p/initiate', tooMuch))).to.deep.equal([400, 'AMOUNT_EXCEEDS_LIMIT']);
    server.clock.advance(25 * 3_600_000);
    alice = await person(server, 'alice');
    expect(await limits()).to.equal(full);
    expect((await alice.post('/wallet/v1/p2p/initiate', { ...tooMuch, idempotency_key: `later-${serial}` })).status).to.equal(200);
  });

  if (databases.wallet === 'remote') {
    it('where a wallet service keeps the money, accounts outside are its business, and an activation takes no PIN', async () => {
      const carol = await person(server, 'carol');
      expect(error(await link(carol))).to.deep.equal([404, 'NOT_FOUND']);
      const refused = await carol.post('/wallet/v1/activate', { verification_data: { terms_accepted: true, pin } });
      expect([...error(refused), refused.body.error.details[0].field]).to.deep.equal([400, 'INVALID_REQUEST', 'verification_data.pin']);
      expect((await carol.get('/wallet/v1/balance')).body.user_status).to.equal('pending');
    });
  } else {
    it('an account outside is linked, and money withdrawn to it, by what the device signed of exactly that', async () => {
      const carol = await funded(server, 'carol', '100');
      const [key, device] = [newEcKey(), 'phone'];
      expect((await carol.post('/wallet/v1/devices/register', { device_id: device, public_key: key.publicKey })).status).to.equal(201);
      const linked = await link(carol);
      expect(error(linked)).to.deep.equal([402, 'MFA_REQUIRED']);
      const id = linked.body.external_account_id as string;
      const at = isoTime(server.clock.now());
      const proven = (text: string) => carol.post(`/wallet/v1/external/${id}/confirm`, { auth_proof: signed(key, text, at) });
      expect(error(await proven(`external.link:${id}:bank_account:USD:7891`))).to.deep.equal([401, 'INVALID_SIGNATURE']);
      expect((await proven(`external.link:${id}:bank_account:USD:7890`)).body.status).to.equal('pending_verification');
      await runJob(server, 'external_account.begin', id);
      await carol.post('/wallet/v1/external/verify', { external_account_id: id, verification_data: { micro_deposits: [0.32, 0.45] } });

      const wish = `wish-${(serial += 1)}`;
      const made = await withdraw(carol, id, { amount: 10, idempotency_key: wish, auth_proof: signed(key, `${wish}:10.00:USD`, at) });
      expect([made.status, made.body.status], JSON.stringify(made.body)).to.deep.equal([200, 'processing']);
      const again = await withdraw(carol, id, { amount: 10, idempotency_key: `${wish}b`, auth_proof: signed(key, `${wish}:10.00:USD`, at) });
      expect(error(again), 'a signature over another wish').to.deep.equal([401, 'INVALID_SIGNATURE']);
      const funding = await fund(carol, id, { amount: 5 });
      expect(error(await carol.post(`/wallet/v1/external/fund/${funding.body.funding_id}/confirm`, { auth_proof: byPin(pin) }))).to.deep.equal([401, 'INVALID_MFA_CREDENTIALS']);
      const fid = funding.body.funding_id as string;
      expect((await carol.post(`/wallet/v1/external/fund/${fid}/confirm`, { auth_proof: signed(key, `${fid}:5:USD`, at) })).body.status).to.equal('processing');
    });

    it('an activation brings the first PIN along, or neither happens (decision D20)', async () => {
      const activation = (who: Person, given: string): Promise<ApiResponse> => who.post('/wallet/v1/activate', { verification_data: { terms_accepted: true, pin: given } });
      const isActive = async (who: Person): Promise<boolean> => (await who.get('/wallet/v1/balance')).body.user_status === 'active';
      const methods = async (who: Person): Promise<unknown[]> => (await who.get('/wallet/v1/mfa/methods')).body.methods as unknown[];
      let dora = await person(server, 'dora');
      const weak = await activation(dora, '123456');
      expect([...error(weak), weak.body.error.details[0].field]).to.deep.equal([400, 'INVALID_REQUEST', 'verification_data.pin']);
      server.clock.advance(300_001);
      expect(error(await activation(dora, pin)), 'a session that is too old').to.deep.equal([403, 'FRESH_SIGN_IN_REQUIRED']);
      dora = await person(server, 'dora');
      expect([await isActive(dora), await methods(dora)]).to.deep.equal([false, []]);
      const answers = await Promise.all([activation(dora, pin), activation(dora, '850372')]);
      expect(answers.filter(({ status }) => status === 200), JSON.stringify(answers)).to.have.length(1);
      expect([await isActive(dora), (await methods(dora)).length]).to.deep.equal([true, 1]);
      await credit(server, dora, '20');
      const winner = answers[0].status === 200 ? pin : '850372';
      const sent = await dora.post('/wallet/v1/p2p/initiate', { recipient: bob.userId, amount: 1, currency: 'USD', idempotency_key: 'dora-1', room_id: room(server, 'doras', [dora, bob]) });
      expect((await confirm(sent.body.transfer_id as string, byPin(winner), dora)).body.status).to.equal('completed');

      const erik = await person(server, 'erik');
      await erik.post('/wallet/v1/mfa/pin', { pin });
      const second = await activation(erik, '850372');
      expect([...error(second), second.body.error.details[0].field], 'there is a factor already').to.deep.equal([400, 'INVALID_REQUEST', 'verification_data.pin']);
      expect(await isActive(erik)).to.equal(false);
      const finn = await funded(server, 'finn', '1');
      expect(error(await activation(finn, pin)), 'active already').to.deep.equal([409, 'INVALID_STATE_TRANSITION']);
      expect(await methods(finn), 'and so without a PIN').to.deep.equal([]);
      const stored = JSON.stringify([await server.database.sql('mfa_pin').select(), await server.database.sql('audit_entry').select(), await server.database.sql('job').select()]);
      for (const secret of [pin, '850372']) expect(stored).not.to.match(byItself(secret));
    });
  }
});
