import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { isoTime } from '../../../src/kernel/clock.ts';
import type { ApiResponse } from '../../support/api.ts';
import { onEveryWallet } from '../../support/databases.ts';
import { startWholeServer, type WholeServer } from '../../support/whole-server.ts';
import { malleated, newEcKey, newRsaKey, signDer, signRaw, type DeviceKey } from './device-key.ts';
import { newUser, newUserWithPin, noticesTo, outcome, pin, pinProof, type TestUser } from './support.ts';

onEveryWallet('device keys', (databases) => {
  let server: WholeServer;
  before(async () => {
    server = await startWholeServer(databases);
  });
  after(() => server.close());

  const bodyOf = (key: DeviceKey, deviceId = 'device_xyz789', more: object = {}): object => ({ device_id: deviceId, device_name: "Alice's iPhone 15", platform: 'ios', public_key: key.publicKey, biometric_capabilities: ['face_id'], ...more });
  const timestamp = (offMs = 0): string => isoTime(server.clock.now() + offMs);
  const hashOf = (key: DeviceKey): string => `sha256:${createHash('sha256').update(Buffer.from(key.publicKey.key_data, 'base64')).digest('hex')}`;
  const withDevice = async (key: DeviceKey): Promise<TestUser> => {
    const user = await newUser(server);
    const answer = await user.post('/devices/register', bodyOf(key));
    expect(answer.status).to.equal(201);
    return user;
  };
  const bySignature = (signature: string, at: string, deviceId = 'device_xyz789'): object => ({ method: 'biometric', proof: { signature, device_id: deviceId, timestamp: at } });
  const setPinText = (user: TestUser, at: string): string => `mfa.pin.set:${user.userId}:${at}`;
  /** The shortest way to have a signature judged: it sets the PIN. */
  const trySignature = (user: TestUser, signature: string, at: string, deviceId?: string): Promise<ApiResponse> => user.post('/mfa/pin', { pin, auth_proof: bySignature(signature, at, deviceId) });

  it('are registered, listed and removed', async () => {
    const key = newEcKey();
    const user = await newUser(server);
    const { status, body } = await user.post('/devices/register', bodyOf(key));
    expect([status, body.device_id, body.status, body.public_key_hash, body.algorithm]).to.deep.equal([201, 'device_xyz789', 'active', hashOf(key), 'ES256']);
    expect((await user.get('/devices')).body.devices).to.deep.equal([body]);
    expect((await user.get('/mfa/methods')).body.methods).to.deep.equal([{ type: 'biometric', enabled: true, display_name: 'Biometric Authentication', biometric_types: ['fingerprint', 'face_recognition'] }]);
    expect(outcome(await user.remove('/devices/device_xyz789'))).to.deep.equal([402, 'MFA_REQUIRED']);
    const at = timestamp();
    const removed = await user.remove('/devices/device_xyz789', { auth_proof: bySignature(signDer(key, `mfa.device.remove:device_xyz789:${at}`), at) });
    expect([removed.status, removed.body.status]).to.deep.equal([200, 'removed']);
    expect((await user.get('/devices')).body.devices).to.deep.equal([]);
    expect((await noticesTo(server, user)).map(({ content }) => content['m.tween.mfa'].change)).to.deep.equal(['added', 'removed']);
  });

  it('need a fresh sign-in for the first, and a proof over the key for any other', async () => {
    const user = await newUser(server);
    server.clock.advance(6 * 60_000);
    const [first, second] = [newEcKey(), newRsaKey()];
    expect(outcome(await user.post('/devices/register', bodyOf(first)))).to.deep.equal([403, 'FRESH_SIGN_IN_REQUIRED']);
    const fresh = await user.again();
    expect((await fresh.post('/devices/register', bodyOf(first))).status).to.equal(201);
    const refused = await fresh.post('/devices/register', bodyOf(second, 'device_2'));
    expect([...outcome(refused), refused.body.error.details.sign]).to.deep.equal([402, 'MFA_REQUIRED', `mfa.device.register:${hashOf(second)}:{timestamp}`]);
    const at = timestamp();
    const forAnother = bySignature(signDer(first, `mfa.device.register:${hashOf(newEcKey())}:${at}`), at);
    expect(outcome(await fresh.post('/devices/register', bodyOf(second, 'device_2', { auth_proof: forAnother })))).to.deep.equal([401, 'INVALID_SIGNATURE']);
    const forThis = bySignature(signDer(first, `mfa.device.register:${hashOf(second)}:${at}`), at);
    const added = await fresh.post('/devices/register', bodyOf(second, 'device_2', { auth_proof: forThis }));
    expect([added.status, added.body.algorithm]).to.deep.equal([201, 'RS256']);
    expect(added.body).to.have.property('limits_lowered_until');
  });

  it('of a device are replaced with proof only', async () => {
    const [old, next] = [newEcKey(), newEcKey()];
    const user = await withDevice(old);
    expect(outcome(await user.post('/devices/register', bodyOf(next)))).to.deep.equal([402, 'MFA_REQUIRED']);
    const at = timestamp();
    const replaced = await user.post('/devices/register', bodyOf(next, undefined, { auth_proof: bySignature(signDer(old, `mfa.device.register:${hashOf(next)}:${at}`), at) }));
    expect(replaced.body.public_key_hash).to.equal(hashOf(next));
    const later = timestamp(1000);
    expect(outcome(await trySignature(user, signDer(old, setPinText(user, later)), later))).to.deep.equal([401, 'INVALID_SIGNATURE']);
    expect((await trySignature(user, signDer(next, setPinText(user, later)), later)).status).to.equal(201);
  });

  it('are taken with proof of possession, and refused with a wrong one', async () => {
    const [key, other] = [newEcKey(), newEcKey()];
    const user = await newUser(server);
    const at = timestamp();
    const text = `device_xyz789:${hashOf(key)}:${at}`;
    const register = (proof: object): Promise<ApiResponse> => user.post('/devices/register', bodyOf(key, undefined, { proof }));
    expect(outcome(await register({ signature: signDer(other, text), timestamp: at }))).to.deep.equal([401, 'INVALID_SIGNATURE']);
    const old = timestamp(-31_000);
    expect(outcome(await register({ signature: signDer(key, `device_xyz789:${hashOf(key)}:${old}`), timestamp: old }))).to.deep.equal([401, 'INVALID_SIGNATURE']);
    expect((await register({ signature: signRaw(key, text), timestamp: at })).status).to.equal(201);
  });

  const spki = (key: DeviceKey): string => key.publicKey.key_data;
  const weak: [string, () => object, string][] = [
    ['another curve', () => ({ algorithm: 'ECDSA_P256', key_data: spki(newEcKey('secp384r1')) }), 'public_key.key_data'],
    ['secp256k1', () => ({ algorithm: 'ECDSA_P256', key_data: spki(newEcKey('secp256k1')) }), 'public_key.key_data'],
    ['1024 bits', () => ({ algorithm: 'RSA_2048', key_data: spki(newRsaKey(1024)) }), 'public_key.key_data'],
    ['exponent 3', () => ({ algorithm: 'RSA_2048', key_data: spki(newRsaKey(2048, 3)) }), 'public_key.key_data'],
    ['another kind than it says', () => ({ algorithm: 'RSA_2048', key_data: spki(newEcKey()) }), 'public_key.key_data'],
    ['no key', () => ({ algorithm: 'ECDSA_P256', key_data: 'AAAA' }), 'public_key.key_data'],
    ['an unknown algorithm', () => ({ algorithm: 'ED25519', key_data: spki(newEcKey()) }), 'public_key.algorithm'],
    ['an unknown format', () => ({ algorithm: 'ECDSA_P256', format: 'JWK', key_data: spki(newEcKey()) }), 'public_key.format'],
  ];
  for (const [name, make, field] of weak) {
    it(`are refused when they are ${name}, naming the field`, async () => {
      const answer = await (await newUser(server)).post('/devices/register', { device_id: 'device_1', public_key: make() });
      expect([...outcome(answer), answer.body.error.details[0].field]).to.deep.equal([400, 'INVALID_REQUEST', field]);
    });
  }

  it('have ids without a colon, so that what is signed can be read in one way only', async () => {
    const answer = await (await newUser(server)).post('/devices/register', bodyOf(newEcKey(), '9.99:USD'));
    expect([...outcome(answer), answer.body.error.details[0].field]).to.deep.equal([400, 'INVALID_REQUEST', 'device_id']);
  });

  it('sign in DER, as r and s, and as RS256', async () => {
    for (const [key, signWith] of [[newEcKey(), signDer], [newEcKey(), signRaw], [newRsaKey(), signDer]] as const) {
      const user = await withDevice(key);
      const at = timestamp();
      expect((await trySignature(user, signWith(key, setPinText(user, at)), at)).status).to.equal(201);
    }
  });

  it('sign nothing that was hashed before, for another user, or by another key', async () => {
    const key = newEcKey();
    const user = await withDevice(key);
    const at = timestamp();
    const hashed = createHash('sha256').update(setPinText(user, at));
    const { privateKey } = key;
    const digest = hashed.digest();
    const { sign } = await import('node:crypto');
    expect(outcome(await trySignature(user, sign('sha256', digest, privateKey).toString('base64'), at))).to.deep.equal([401, 'INVALID_SIGNATURE']);
    expect(outcome(await trySignature(user, signDer(key, setPinText(await newUser(server), at)), at))).to.deep.equal([401, 'INVALID_SIGNATURE']);
    const third = await trySignature(user, signDer(newEcKey(), setPinText(user, at)), at);
    expect([...outcome(third), third.body.error.details.attempts_remaining]).to.deep.equal([401, 'INVALID_SIGNATURE', 0]);
    expect(outcome(await trySignature(user, signDer(key, setPinText(user, at)), at))).to.deep.equal([429, 'MFA_LOCKED']);
  });

  it('sign for half a minute around now, and a time outside of it is no attempt', async () => {
    const key = newEcKey();
    const user = await withDevice(key);
    await server.clock.still(async () => {
      for (const offMs of [-30_001, 30_001, -3_600_000, 3_600_000]) {
        const at = timestamp(offMs);
        const answer = await trySignature(user, signDer(key, setPinText(user, at)), at);
        expect([...outcome(answer), answer.body.error.details[0].field], String(offMs)).to.deep.equal([401, 'INVALID_SIGNATURE', 'timestamp']);
      }
      const at = timestamp(-30_000);
      expect((await trySignature(user, signDer(key, setPinText(user, at)), at)).status).to.equal(201);
    });
    for (const odd of ['yesterday', '2025-12-18', '1766068215', '2025-12-18T14:30:15']) {
      expect(outcome(await trySignature(user, signDer(key, setPinText(user, odd)), odd)), odd).to.deep.equal([400, 'INVALID_REQUEST']);
    }
  });

  it('sign once: not again, not in another encoding, not with the other s', async () => {
    const key = newEcKey();
    const user = await withDevice(key);
    const at = timestamp();
    const raw = signRaw(key, setPinText(user, at));
    expect((await trySignature(user, raw, at)).status).to.equal(201);
    for (const again of [raw, malleated(raw), signDer(key, setPinText(user, at))]) {
      expect(outcome(await trySignature(user, again, at))).to.deep.equal([401, 'INVALID_SIGNATURE']);
    }
  });

  it('sign once when many show it at the same moment', async () => {
    const key = newEcKey();
    const user = await withDevice(key);
    const at = timestamp();
    const raw = signRaw(key, setPinText(user, at));
    const answers = await Promise.all(Array.from({ length: 8 }, () => trySignature(user, raw, at)));
    expect(answers.filter(({ status }) => status === 401)).to.have.length(7);
    expect(answers.filter(({ status }) => status === 201)).to.have.length(1);
  });

  it("are nobody else's", async () => {
    const key = newEcKey();
    const owner = await withDevice(key);
    const other = await newUserWithPin(server);
    const at = timestamp();
    expect(outcome(await trySignature(other, signDer(key, setPinText(other, at)), at))).to.deep.equal([400, 'DEVICE_NOT_REGISTERED']);
    expect(outcome(await other.remove('/devices/device_xyz789', { auth_proof: pinProof(pin) }))).to.deep.equal([404, 'NOT_FOUND']);
    expect((await other.get('/devices')).body.devices).to.deep.equal([]);
    expect((await owner.get('/devices')).body.devices).to.have.length(1);
  });

  it('are at most twenty', async () => {
    const user = await newUserWithPin(server);
    const key = newEcKey();
    for (let index = 0; index < 20; index += 1) expect((await user.post('/devices/register', bodyOf(key, `device_${index}`, { auth_proof: pinProof(pin) }))).status).to.equal(201);
    expect(outcome(await user.post('/devices/register', bodyOf(key, 'device_20', { auth_proof: pinProof(pin) })))).to.deep.equal([409, 'ALREADY_EXISTS']);
    expect((await user.post('/devices/register', bodyOf(newEcKey(), 'device_3', { auth_proof: pinProof(pin) }))).status).to.equal(201);
  });
});
