import { createHash, sign } from 'node:crypto';
import { expect } from 'chai';
import { isoTime } from '../../../src/kernel/clock.ts';
import { asUserId, sha256Hex } from '../../../src/kernel/ids.ts';
import { purgeExpiredMfa, readAuthProof, type Mfa, type PaymentTerms } from '../../../src/mfa/index.ts';
import { onEveryWallet } from '../../support/databases.ts';
import { startWholeServer, type WholeServer } from '../../support/whole-server.ts';
import { malleated, newEcKey, newRsaKey, signDer, signRaw, type DeviceKey } from './device-key.ts';
import { errorCodeOf, openChallenge, openDoor, spend, terms } from './door.ts';
import { minute, newUser, newUserWithPin, pin, pinProof, tryPin, type TestUser } from './support.ts';

onEveryWallet('proofs over the terms of a payment', (databases) => {
  let server: WholeServer;
  let mfa: Mfa;
  before(async () => {
    server = await startWholeServer(databases);
    mfa = await openDoor(server);
  });
  after(() => server.close());

  const timestamp = (offMs = 0): string => isoTime(server.clock.now() + offMs);
  const withDevice = async (key: DeviceKey, deviceId = 'device_1'): Promise<TestUser> => {
    const user = await newUser(server);
    expect((await user.post('/devices/register', { device_id: deviceId, public_key: key.publicKey })).status).to.equal(201);
    return user;
  };
  const signature = (signed: string, at: string, deviceId = 'device_1'): object => ({ method: 'biometric', proof: { signature: signed, device_id: deviceId, timestamp: at } });
  const prove = (user: TestUser, of: PaymentTerms, authProof: unknown) => mfa.proveTerms({ userId: asUserId(user.userId), terms: of, evidence: readAuthProof(authProof)! });
  const provenAndSpent = async (user: TestUser, of: PaymentTerms, authProof: unknown): Promise<string | undefined> => errorCodeOf(prove(user, of, authProof).then((proof) => spend(server, proof)));

  it('are signatures over the stored amount in one of two spellings', async () => {
    const key = newEcKey();
    const user = await withDevice(key);
    const sign = (of: PaymentTerms, amount: string): Promise<string | undefined> => {
      const at = timestamp();
      return provenAndSpent(user, of, signature(signDer(key, `${of.id}:${amount}:${of.currency}:${at}`), at));
    };
    for (const [amountMinor, right, wrong] of [
      [500000, ['5000.00', '5000'], ['5000.0', '5e3']],
      [1250, ['12.50', '12.5'], ['12,50', '1250']],
      [5, ['0.05'], ['.05', '00.05']],
    ] as const) {
      for (const amount of wrong) expect(await sign(terms({ id: `pay_${amountMinor}`, amountMinor }), amount), amount).to.equal('INVALID_SIGNATURE');
      for (const amount of right) expect(await sign(terms({ id: `pay_${amountMinor}`, amountMinor }), amount), amount).to.equal(undefined);
    }
    const yen = terms({ id: 'pay_yen', currency: 'JPY', exponent: 0, amountMinor: 12345n });
    const at = timestamp();
    expect(await provenAndSpent(user, yen, signature(signRaw(key, `pay_yen:12345:JPY:${at}`), at))).to.equal(undefined);
  });

  for (const [what, text] of [
    ['another amount', (at: string) => `pay_abc123:5000.01:USD:${at}`],
    ['another currency', (at: string) => `pay_abc123:5000.00:EUR:${at}`],
    ['another payment', (at: string) => `pay_abc124:5000.00:USD:${at}`],
    ['another time', () => `pay_abc123:5000.00:USD:${isoTime(0)}`],
    ['what an attestation signs', (at: string) => `pay_abc123:mfa_ch_x:${at}`],
  ] as const) {
    it(`are not signatures over ${what}`, async () => {
      const key = newEcKey();
      const user = await withDevice(key);
      const at = timestamp();
      expect(await provenAndSpent(user, terms(), signature(signDer(key, text(at)), at))).to.equal('INVALID_SIGNATURE');
    });
  }

  it('are not signatures over a digest', async () => {
    const key = newEcKey();
    const user = await withDevice(key);
    const at = timestamp();
    const digest = createHash('sha256').update(`pay_abc123:5000.00:USD:${at}`).digest();
    for (const data of [digest, Buffer.from(digest.toString('hex'))]) {
      expect(await provenAndSpent(user, terms(), signature(sign('sha256', data, key.privateKey).toString('base64'), at))).to.equal('INVALID_SIGNATURE');
    }
  });

  it('are signatures of five minutes around now', async () => {
    const key = newRsaKey();
    const user = await withDevice(key);
    await server.clock.still(async () => {
      for (const [offMs, code] of [[-5 * minute - 1, 'INVALID_SIGNATURE'], [5 * minute + 1, 'INVALID_SIGNATURE'], [-5 * minute, undefined], [5 * minute, undefined]] as const) {
        const at = timestamp(offMs);
        expect(await provenAndSpent(user, terms(), signature(signDer(key, `pay_abc123:5000.00:USD:${at}`), at)), String(offMs)).to.equal(code);
      }
    });
  });

  // Of a wallet service: wallet-service.test.ts.
  const hereOnly = (title: string, test: () => Promise<void>): void => void (databases.wallet === undefined && it(title, test));

  it('are spent with what they allow, and only then', async () => {
    const key = newEcKey();
    const user = await withDevice(key);
    const at = timestamp();
    const raw = signRaw(key, `pay_abc123:5000.00:USD:${at}`);
    const proof = await prove(user, terms(), signature(raw, at));
    const rolledBack = server.database.inTransaction(async (tx) => {
      await proof.spend(tx);
      throw new Error('insufficient funds');
    });
    expect(await errorCodeOf(rolledBack)).to.contain('insufficient funds');
    const again = await Promise.all(Array.from({ length: 6 }, (_, index) => provenAndSpent(user, terms(), signature(index % 2 === 0 ? raw : malleated(raw), at))));
    expect(again.filter((code) => code === undefined)).to.have.length(1);
    expect(again.filter((code) => code === 'INVALID_SIGNATURE')).to.have.length(5);
  });

  it('say which devices have no key, for the payment to ask for another method', async () => {
    const user = await newUserWithPin(server);
    const at = timestamp();
    expect(await provenAndSpent(user, terms(), signature(signDer(newEcKey(), 'x'), at, 'device_unknown'))).to.equal('DEVICE_NOT_REGISTERED');
    expect(await mfa.methodsOf(asUserId(user.userId))).to.deep.equal(['transaction_pin']);
  });

  hereOnly('do not outlive the key or the PIN that they were judged by', async () => {
    const key = newEcKey();
    const user = await newUserWithPin(server);
    await user.post('/devices/register', { device_id: 'device_1', public_key: key.publicKey, auth_proof: pinProof(pin) });
    const at = timestamp();
    const byKey = await prove(user, terms(), signature(signDer(key, `pay_abc123:5000.00:USD:${at}`), at));
    const byPin = await prove(user, terms(), pinProof(pin));
    expect((await user.remove('/devices/device_1', { auth_proof: pinProof(pin) })).status).to.equal(200);
    expect((await tryPin(user, pin)).status).to.equal(200);
    expect(await errorCodeOf(spend(server, byKey))).to.equal('INVALID_SIGNATURE');
    expect(await errorCodeOf(spend(server, byPin))).to.equal('INVALID_MFA_CREDENTIALS');
  });

  it('by PIN count with all other attempts of the user, and survive a refused payment', async () => {
    const user = await newUserWithPin(server);
    expect((await tryPin(user, '604713')).status).to.equal(401);
    expect(await provenAndSpent(user, terms(), pinProof('604713'))).to.equal('INVALID_MFA_CREDENTIALS');
    expect(await provenAndSpent(user, terms(), { method: 'pin', proof: { hashed_pin: sha256Hex(pin), device_id: 'device_1' } })).to.equal(undefined);
    for (let index = 0; index < 4; index += 1) await prove(user, terms(), pinProof(pin));
    expect(await provenAndSpent(user, terms(), pinProof(pin))).to.equal(undefined);
  });
});

onEveryWallet('challenges', (databases) => {
  let server: WholeServer;
  let mfa: Mfa;
  before(async () => {
    server = await startWholeServer(databases);
    mfa = await openDoor(server);
  });
  after(() => server.close());

  const open = (user: TestUser, of = terms(), excludedDevice?: string) => openChallenge(server, mfa, { userId: asUserId(user.userId), terms: of, excludedDevice });
  const answerTo = (user: TestUser, challengeId: string, method: string, credentials: unknown, subject = 'pay_abc123', more: object = {}): Promise<string | undefined> =>
    errorCodeOf(mfa.challenges.verify(asUserId(user.userId), subject, { challenge_id: challengeId, method, credentials, ...more }).then((proof) => spend(server, proof)));
  const addDevice = async (user: TestUser, key: DeviceKey, deviceId = 'device_1'): Promise<void> =>
    void expect((await user.post('/devices/register', { device_id: deviceId, public_key: key.publicKey, auth_proof: pinProof(pin) })).status).to.equal(201);

  it('name the methods that the user has, as v1.2.0 section 7.4.2 spells them', async () => {
    const user = await newUserWithPin(server);
    const challenge = (await open(user))!;
    expect(challenge.challenge_id).to.match(/^mfa_ch_/);
    expect(Date.parse(challenge.expires_at) - server.clock.now()).to.be.within(110_000, 120_000);
    expect(challenge).to.deep.include({ methods: [{ type: 'transaction_pin', enabled: true, display_name: 'Transaction PIN' }], required_method: 'any', max_attempts: 3 });
    expect(await open(await newUser(server))).to.equal(undefined);
  });

  it('are answered once, by a PIN in any of its forms', async () => {
    const user = await newUserWithPin(server);
    for (const credentials of [{ pin }, pin, { hashed_pin: sha256Hex(pin) }, { pin: sha256Hex(pin) }]) {
      const { challenge_id: id } = (await open(user))!;
      expect(await answerTo(user, id, 'transaction_pin', credentials)).to.equal(undefined);
      expect(await answerTo(user, id, 'transaction_pin', credentials)).to.equal('INVALID_STATE_TRANSITION');
    }
  });

  it('are answered once when many answer at the same moment', async () => {
    const user = await newUserWithPin(server);
    const { challenge_id: id } = (await open(user))!;
    const codes = await Promise.all(Array.from({ length: 3 }, () => answerTo(user, id, 'transaction_pin', { pin })));
    expect(codes.filter((code) => code === undefined)).to.have.length(1);
  });

  const hereOnly = (title: string, test: () => Promise<void>): void => void (databases.wallet === undefined && it(title, test));

  hereOnly('stay open when what they allow fails', async () => {
    const user = await newUserWithPin(server);
    const { challenge_id: id } = (await open(user))!;
    const proof = await mfa.challenges.verify(asUserId(user.userId), 'pay_abc123', { challenge_id: id, method: 'transaction_pin', credentials: { pin } });
    await errorCodeOf(server.database.inTransaction(async (tx) => {
      await proof.spend(tx);
      throw new Error('insufficient funds');
    }));
    expect(await answerTo(user, id, 'transaction_pin', { pin })).to.equal(undefined);
  });

  it('are over after two minutes', async () => {
    const user = await newUserWithPin(server);
    const { challenge_id: id } = (await open(user))!;
    server.clock.advance(2 * minute + 1000);
    expect(await answerTo(user, id, 'transaction_pin', { pin })).to.equal('MFA_CHALLENGE_EXPIRED');
  });

  it("are unknown to other users, and to another payment's path", async () => {
    const user = await newUserWithPin(server);
    const { challenge_id: id } = (await open(user))!;
    expect(await answerTo(await newUserWithPin(server), id, 'transaction_pin', { pin })).to.equal('NOT_FOUND');
    expect(await answerTo(user, id, 'transaction_pin', { pin }, 'pay_other')).to.equal('NOT_FOUND');
    expect(await answerTo(user, 'mfa_ch_none', 'transaction_pin', { pin })).to.equal('NOT_FOUND');
  });

  it('forget no failure when they are abandoned', async () => {
    const user = await newUserWithPin(server);
    for (let index = 0; index < 3; index += 1) expect(await answerTo(user, (await open(user))!.challenge_id, 'transaction_pin', { pin: '604713' })).to.equal('INVALID_MFA_CREDENTIALS');
    const { challenge_id: id } = (await open(user))!;
    expect(await answerTo(user, id, 'transaction_pin', { pin })).to.equal('MFA_LOCKED');
    expect((await tryPin(user, pin)).status).to.equal(429);
  });

  it('are attested by a device key over challenge and time, within half a minute and once', async () => {
    const key = newEcKey();
    const user = await newUserWithPin(server);
    await addDevice(user, key);
    server.clock.advance(25 * 60 * minute);
    const attest = async (offMs: number, text: (id: string, at: string) => string = (id, at) => `pay_abc123:${id}:${at}`, beside = false): Promise<string | undefined> => {
      const { challenge_id: id } = (await open(user))!;
      const at = isoTime(server.clock.now() + offMs);
      const attestation = signDer(key, text(id, at));
      return beside
        ? answerTo(user, id, 'biometric', { attestation, biometric_type: 'fingerprint', platform: 'ios' }, 'pay_abc123', { device_id: 'device_1', timestamp: at })
        : answerTo(user, id, 'biometric', { attestation, device_id: 'device_1', timestamp: at });
    };
    await server.clock.still(async () => {
      expect(await attest(30_000)).to.equal(undefined);
      expect(await attest(-30_000, undefined, true)).to.equal(undefined);
      expect(await attest(-30_001)).to.equal('INVALID_MFA_CREDENTIALS');
      expect(await attest(30_001)).to.equal('INVALID_MFA_CREDENTIALS');
    });
    expect(await attest(0, (_id, at) => `pay_abc123:5000.00:USD:${at}`)).to.equal('INVALID_MFA_CREDENTIALS');
    expect(await attest(0, (id, at) => `pay_other:${id}:${at}`)).to.equal('INVALID_MFA_CREDENTIALS');
  });

  it('are not answered by a device alone that is new, and stay open', async () => {
    const key = newEcKey();
    const user = await newUserWithPin(server);
    await addDevice(user, key);
    const { challenge_id: id } = (await open(user))!;
    const at = isoTime(server.clock.now());
    expect(await answerTo(user, id, 'biometric', { attestation: signDer(key, `pay_abc123:${id}:${at}`), device_id: 'device_1', timestamp: at })).to.equal('INVALID_MFA_CREDENTIALS');
    expect(await answerTo(user, id, 'transaction_pin', { pin })).to.equal(undefined);
  });

  it('are not answered by the new device that they are about, nor by methods that were not named', async () => {
    const key = newEcKey();
    const user = await newUserWithPin(server);
    const { challenge_id: early } = (await open(user))!;
    await addDevice(user, key);
    const at = isoTime(server.clock.now());
    const attested = (id: string): object => ({ attestation: signDer(key, `pay_abc123:${id}:${at}`), device_id: 'device_1', timestamp: at });
    expect(await answerTo(user, early, 'biometric', attested(early))).to.equal('INVALID_REQUEST');
    const excluding = (await open(user, terms(), 'device_1'))!;
    expect(excluding.methods.map(({ type }) => type)).to.deep.equal(['transaction_pin']);
    expect(await answerTo(user, excluding.challenge_id, 'biometric', attested(excluding.challenge_id))).to.equal('INVALID_REQUEST');
    await addDevice(user, newEcKey(), 'device_2');
    const both = (await open(user, terms(), 'device_1'))!;
    expect(both.methods.map(({ type }) => type)).to.deep.equal(['biometric', 'transaction_pin']);
    expect(await answerTo(user, both.challenge_id, 'biometric', attested(both.challenge_id))).to.equal('INVALID_REQUEST');
  });

  it('are forgotten a day after they were over, with spent signatures and old ceremonies', async () => {
    const user = await newUserWithPin(server);
    const { challenge_id: id } = (await open(user))!;
    const kept = async (): Promise<number> => (await server.bank.sql('mfa_challenge').where({ id }).select('id')).length;
    const purge = (): Promise<void> => server.bank.inTransaction((tx) => purgeExpiredMfa(tx, server.clock.now()));
    const now = server.clock.now();
    await server.bank.sql('mfa_spent_signature').insert([{ hash: 'over', expires_at: now }, { hash: 'counts', expires_at: now + 60 * minute }]);
    server.clock.advance(3 * minute);
    await purge();
    expect([await kept(), await server.bank.sql('mfa_spent_signature').whereIn('hash', ['over', 'counts']).pluck('hash')]).to.deep.equal([1, ['counts']]);
    server.clock.advance(24 * 60 * minute);
    await purge();
    expect(await kept()).to.equal(0);
  });

  it('are required by the policy: the amount, a new device, the first payment to somebody', async () => {
    const user = await newUserWithPin(server);
    await addDevice(user, newEcKey());
    const required = (of: PaymentTerms, deviceId: string | undefined, isFirstToPayee: boolean) => mfa.challenges.requirementFor({ userId: asUserId(user.userId), terms: of, deviceId, isFirstToPayee });
    expect(await required(terms({ amountMinor: 50_000 }), undefined, false)).to.deep.equal({ reasons: [], excludedDevice: undefined });
    expect(await required(terms({ amountMinor: 50_001 }), 'device_1', true)).to.deep.equal({ reasons: ['amount', 'new_device', 'first_payment'], excludedDevice: 'device_1' });
    server.clock.advance(24 * 60 * minute + 1000);
    expect(await required(terms({ amountMinor: 1 }), 'device_1', false)).to.deep.equal({ reasons: [], excludedDevice: undefined });
  });

  it('lower the limits that the wallet reads for a day after a change', async () => {
    const loweredUntil = async ({ userId }: TestUser): Promise<number | undefined> => (await mfa.overviewOf(asUserId(userId))).limitsLoweredUntil;
    const user = await newUserWithPin(server);
    expect(await loweredUntil(user)).to.equal(undefined);
    await addDevice(user, newEcKey());
    const until = (await loweredUntil(user))!;
    expect(until - server.clock.now()).to.be.within(24 * 60 * minute - 60_000, 24 * 60 * minute);
    server.clock.advance(24 * 60 * minute);
    expect(await loweredUntil(user)).to.equal(undefined);
  });
});
