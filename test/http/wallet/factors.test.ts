import { expect } from 'chai';
import { isoTime } from '../../../src/kernel/clock.ts';
import type { ApiResponse } from '../../support/api.ts';
import { onEveryWallet } from '../../support/databases.ts';
import { startWholeServer, type WholeServer } from '../../support/whole-server.ts';
import { newEcKey, signDer, type DeviceKey } from '../mfa/device-key.ts';
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
});
