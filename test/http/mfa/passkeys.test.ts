import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { expect } from 'chai';
import { asUserId } from '../../../src/kernel/ids.ts';
import { readAuthProof, type Mfa, type PaymentTerms } from '../../../src/mfa/index.ts';
import type { ApiResponse } from '../../support/api.ts';
import { requireOrSkip } from '../../support/availability.ts';
import { chromiumAvailable } from '../../support/browser.ts';
import { onEveryWallet } from '../../support/databases.ts';
import { startWholeServer, type WholeServer } from '../../support/whole-server.ts';
import { errorCodeOf, openChallenge, openDoor, spend, terms } from './door.ts';
import { minute, newUser, newUserWithPin, noticesTo, outcome, pin, pinProof, type TestUser } from './support.ts';
import { startVirtualAuthenticator, type Assertion, type VirtualAuthenticator } from './virtual-authenticator.ts';

/** A page of another origin. */
async function startPage(): Promise<{ readonly origin: string; readonly server: Server }> {
  const server = createServer((_req, res) => void res.setHeader('content-type', 'text/html').end('<!doctype html><title>A page</title>')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { origin: `http://localhost:${(server.address() as AddressInfo).port}`, server };
}

onEveryWallet('passkeys', (databases) => {
  let server: WholeServer;
  let own: Awaited<ReturnType<typeof startPage>>;
  let foreign: Awaited<ReturnType<typeof startPage>>;
  let mfa: Mfa;
  let authenticator: VirtualAuthenticator;
  let elsewhere: VirtualAuthenticator;
  before(async function () {
    this.timeout(60_000);
    requireOrSkip(this, await chromiumAvailable());
    [own, foreign] = await Promise.all([startPage(), startPage()]);
    server = await startWholeServer(databases, { TMCP_MFA_WEBAUTHN_RP_ID: 'localhost', TMCP_MFA_WEBAUTHN_ORIGINS: own.origin });
    mfa = await openDoor(server, [own.origin]);
    [authenticator, elsewhere] = await Promise.all([startVirtualAuthenticator(own.origin), startVirtualAuthenticator(foreign.origin)]);
  });
  after(async () => {
    await Promise.all([authenticator?.close(), elsewhere?.close(), server?.close()]);
    for (const page of [own, foreign]) page?.server.close();
  });

  const register = async (user: TestUser, authProof?: object, at = authenticator): Promise<ApiResponse> => {
    const { status, body } = await user.post('/mfa/webauthn/register/options', authProof === undefined ? {} : { auth_proof: authProof });
    if (status !== 200) return { status, body, headers: new Headers() };
    return user.post('/mfa/webauthn/register/verify', { credential: await at.create(body.options as object), name: 'My laptop' });
  };
  const withPasskey = async (): Promise<TestUser> => {
    const user = await newUser(server);
    expect((await register(user)).status).to.equal(201);
    return user;
  };
  const assertion = async (user: TestUser, binding: object): Promise<Assertion> => {
    const { status, body } = await user.post('/mfa/webauthn/authenticate/options', binding);
    expect(status, JSON.stringify(body)).to.equal(200);
    return authenticator.get(body.options as object);
  };
  const payment = (changed: object = {}): object => ({ terms: { id: 'pay_abc123', amount: 5000, currency: 'USD', recipient: 'ma_shop_001', ...changed } });
  const proven = (user: TestUser, proof: object, of: PaymentTerms = terms()): Promise<string | undefined> =>
    errorCodeOf(mfa.proveTerms({ userId: asUserId(user.userId), terms: of, evidence: readAuthProof({ method: 'biometric', proof })! }).then((good) => spend(server, good)));

  it('are registered, count as biometric, are listed, and removed with proof', async () => {
    const user = await newUser(server);
    const { status, body } = await register(user);
    expect([status, body.name, body.status]).to.deep.equal([201, 'My laptop', 'active']);
    expect(((await user.get('/mfa/methods')).body.methods as { type: string }[]).map(({ type }) => type)).to.deep.equal(['biometric']);
    expect((await user.get('/mfa/webauthn')).body.passkeys).to.deep.equal([body]);
    const path = `/mfa/webauthn/${body.credential_id as string}`;
    expect(outcome(await user.remove(path))).to.deep.equal([402, 'MFA_REQUIRED']);
    const webauthn = await assertion(user, { action: 'mfa.webauthn.remove', subject: body.credential_id });
    expect((await user.remove(path, { auth_proof: { method: 'webauthn', proof: { webauthn } } })).body.status).to.equal('removed');
    expect((await noticesTo(server, user)).map(({ content }) => content['m.tween.mfa'].change)).to.deep.equal(['added', 'removed']);
  });

  it('need a fresh sign-in for the first, and a proof for any other', async () => {
    const user = await newUser(server);
    server.clock.advance(6 * minute);
    expect(outcome(await register(user))).to.deep.equal([403, 'FRESH_SIGN_IN_REQUIRED']);
    const known = await newUserWithPin(server);
    expect(outcome(await register(known))).to.deep.equal([402, 'MFA_REQUIRED']);
    expect((await register(known, pinProof(pin))).body).to.have.property('limits_lowered_until');
  });

  it('are refused from another origin, for another user, twice, and too late', async () => {
    expect(outcome(await register(await newUser(server), undefined, elsewhere))).to.deep.equal([401, 'INVALID_MFA_CREDENTIALS']);
    const user = await newUser(server);
    const options = async (): Promise<object> => (await user.post('/mfa/webauthn/register/options')).body.options as object;
    const credential = await authenticator.create(await options());
    expect(outcome(await (await newUser(server)).post('/mfa/webauthn/register/verify', { credential }))).to.deep.equal([401, 'INVALID_MFA_CREDENTIALS']);
    const late = await authenticator.create(await options());
    expect((await user.post('/mfa/webauthn/register/verify', { credential })).status).to.equal(201);
    expect(outcome(await user.post('/mfa/webauthn/register/verify', { credential }))).to.deep.equal([401, 'INVALID_MFA_CREDENTIALS']);
    server.clock.advance(3 * minute);
    expect(outcome(await user.post('/mfa/webauthn/register/verify', { credential: late }))).to.deep.equal([401, 'INVALID_MFA_CREDENTIALS']);
    for (const odd of [{}, { response: {} }, { response: { clientDataJSON: 'AAAA' } }]) expect(outcome(await user.post('/mfa/webauthn/register/verify', { credential: odd }))).to.deep.equal([401, 'INVALID_MFA_CREDENTIALS']);
  });

  it('are not registered as the first factor once there is another', async () => {
    const user = await newUser(server);
    const { body } = await user.post('/mfa/webauthn/register/options');
    const credential = await authenticator.create(body.options as object);
    await user.post('/mfa/pin', { pin });
    expect(outcome(await user.post('/mfa/webauthn/register/verify', { credential }))).to.deep.equal([402, 'MFA_REQUIRED']);
  });

  it('prove the terms that the challenge is bound to, once', async () => {
    const user = await withPasskey();
    const webauthn = await assertion(user, payment());
    expect(await proven(user, { webauthn })).to.equal(undefined);
    expect(await proven(user, { webauthn })).to.equal('INVALID_SIGNATURE');
  });

  it('prove once when many show the same assertion at the same moment', async () => {
    const user = await withPasskey();
    const webauthn = await assertion(user, payment({ amount: '5000.00' }));
    const codes = await Promise.all(Array.from({ length: 3 }, () => proven(user, { webauthn })));
    expect(codes.filter((code) => code === undefined)).to.have.length(1);
  });

  for (const [what, changed] of [['amount', { amountMinor: 500001 }], ['currency', { currency: 'EUR' }], ['recipient', { recipient: 'ma_other' }], ['payment', { id: 'pay_abc124' }]] as const) {
    it(`do not prove another ${what}`, async () => {
      const user = await withPasskey();
      expect(await proven(user, { webauthn: await assertion(user, payment()) }, terms(changed))).to.equal('INVALID_SIGNATURE');
    });
  }

  it("prove nothing with another user's assertion, a changed one, or one that is too old", async () => {
    const user = await withPasskey();
    const other = await withPasskey();
    const webauthn = await assertion(user, payment());
    expect(await proven(other, { webauthn })).to.equal('INVALID_SIGNATURE');
    const { signature, authenticatorData } = webauthn.response as { signature: string; authenticatorData: string };
    const flipped = Buffer.from(authenticatorData, 'base64url');
    flipped[32]! ^= 0x04;
    expect(await proven(user, { webauthn: { ...webauthn, response: { ...webauthn.response, authenticatorData: flipped.toString('base64url') } } })).to.equal('INVALID_SIGNATURE');
    expect(await proven(user, { webauthn: { ...webauthn, response: { ...webauthn.response, signature: `${signature.slice(0, -4)}AAAA` } } })).to.equal('INVALID_SIGNATURE');
    expect(await proven(user, { webauthn })).to.equal(undefined);
    const old = await assertion(user, payment());
    server.clock.advance(3 * minute);
    expect(await proven(user, { webauthn: old })).to.equal('INVALID_SIGNATURE');
  });

  it('need a user whom the authenticator has verified', async () => {
    const user = await withPasskey();
    const { body } = await user.post('/mfa/webauthn/authenticate/options', payment());
    await authenticator.verifyUser(false);
    try {
      expect(body.options.userVerification).to.equal('required');
      const asked = await authenticator.get({ ...(body.options as object), userVerification: 'discouraged' });
      expect(await proven(user, { webauthn: asked })).to.equal('INVALID_SIGNATURE');
    } finally {
      await authenticator.verifyUser(true);
    }
  });

  it('answer a challenge, whose frozen terms they are bound to', async () => {
    const user = await withPasskey();
    const userId = asUserId(user.userId);
    const challenge = (await openChallenge(server, mfa, { userId, terms: terms() }))!;
    const webauthn = await assertion(user, { challenge_id: challenge.challenge_id });
    const proof = await mfa.challenges.verify(userId, 'pay_abc123', { challenge_id: challenge.challenge_id, method: 'biometric', credentials: { webauthn } });
    await spend(server, proof);
    expect(outcome(await user.post('/mfa/webauthn/authenticate/options', { challenge_id: challenge.challenge_id }))).to.deep.equal([409, 'INVALID_STATE_TRANSITION']);
    expect(outcome(await (await withPasskey()).post('/mfa/webauthn/authenticate/options', { challenge_id: challenge.challenge_id }))).to.deep.equal([404, 'NOT_FOUND']);
  });

  it('give a proof that another window presents, for the same terms, once', async () => {
    const user = await withPasskey();
    const taken = async (): Promise<string> => (await user.post('/mfa/webauthn/authenticate/verify', { credential: await assertion(user, payment()) })).body.webauthn_proof as string;
    const proof = await taken();
    expect(await proven(user, { webauthn_proof: proof }, terms({ amountMinor: 1 }))).to.equal('INVALID_SIGNATURE');
    expect(await proven(await withPasskey(), { webauthn_proof: proof })).to.equal('INVALID_SIGNATURE');
    expect(await proven(user, { webauthn_proof: proof })).to.equal(undefined);
    expect(await proven(user, { webauthn_proof: proof })).to.equal('INVALID_SIGNATURE');
    const late = await taken();
    server.clock.advance(3 * minute);
    expect(await proven(user, { webauthn_proof: late })).to.equal('INVALID_SIGNATURE');
  });

  it('are not spent twice by being presented as an assertion and as its proof', async () => {
    const user = await withPasskey();
    const credential = await assertion(user, payment());
    const { body } = await user.post('/mfa/webauthn/authenticate/verify', { credential });
    expect(outcome(await user.post('/mfa/webauthn/authenticate/verify', { credential }))).to.deep.equal([401, 'INVALID_SIGNATURE']);
    expect(await proven(user, { webauthn: credential })).to.equal('INVALID_SIGNATURE');
    expect(await proven(user, { webauthn_proof: body.webauthn_proof as string })).to.equal(undefined);
  });

  it('are asked only for what can be signed', async () => {
    const user = await withPasskey();
    for (const binding of [{}, { action: 'mfa.pin.set' }, payment({ amount: '5e3' }), payment({ amount: -5 }), payment({ currency: 'usd' }), { action: 'a:b', subject: 'x' }]) {
      expect(outcome(await user.post('/mfa/webauthn/authenticate/options', binding)), JSON.stringify(binding)).to.deep.equal([400, 'INVALID_REQUEST']);
    }
    expect(outcome(await (await newUserWithPin(server)).post('/mfa/webauthn/authenticate/options', payment()))).to.deep.equal([400, 'DEVICE_NOT_REGISTERED']);
  });
});
