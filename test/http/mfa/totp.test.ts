import { expect } from 'chai';
import { generate } from 'otplib';
import { loadEventSchemas } from '../../../src/http/index.ts';
import type { ApiResponse } from '../../support/api.ts';
import { onEveryWallet } from '../../support/databases.ts';
import { startWholeServer, type WholeServer } from '../../support/whole-server.ts';
import { byItself, dump, minute, newUser, newUserWithPin, noticesTo, otherPin, outcome, pin, pinProof, type TestUser } from './support.ts';

const checkContent = loadEventSchemas(new URL('../../../schema/events/', import.meta.url));
const step = 30_000;

onEveryWallet('the authenticator', (databases) => {
  let server: WholeServer;
  before(async () => {
    server = await startWholeServer(databases);
  });
  after(() => server.close());

  const codeOf = (secret: string, steps = 0): Promise<string> => generate({ secret, epoch: Math.floor((server.clock.now() + steps * step) / 1000) });
  const byCode = (code: string): object => ({ method: 'totp', proof: { code } });
  /** The shortest way to have a code judged: it sets the PIN. */
  const tryCode = (user: TestUser, code: string): Promise<ApiResponse> => user.post('/mfa/pin', { pin, auth_proof: byCode(code) });
  /** Sure not to be right, at any time near to now. */
  const wrongCode = async (secret: string): Promise<string> => {
    const right = await Promise.all([-2, -1, 0, 1, 2].map((steps) => codeOf(secret, steps)));
    return ['000000', '111111', '222222', '333333', '444444', '555555'].find((code) => !right.includes(code))!;
  };
  const enrolled = async (): Promise<{ user: TestUser; secret: string; recoveryCodes: string[] }> => {
    const user = await newUser(server);
    const { secret } = (await user.post('/mfa/totp/enroll')).body as { secret: string };
    const confirmed = await user.post('/mfa/totp/confirm', { code: await codeOf(secret) });
    expect(confirmed.status).to.equal(200);
    // At the beginning of a step: what is judged in a moment is judged in the same one.
    server.clock.advance(3 * step - (server.clock.now() % step));
    return { user, secret, recoveryCodes: confirmed.body.recovery_codes as string[] };
  };

  it('is enrolled with a URI and a picture of it, and counts once a code confirms it', async () => {
    const user = await newUser(server);
    const { status, body } = await user.post('/mfa/totp/enroll');
    expect(status).to.equal(201);
    const uri = new URL(body.otpauth_uri as string);
    expect([uri.protocol, uri.host, decodeURIComponent(uri.pathname)]).to.deep.equal(['otpauth:', 'totp', `/example.org:${user.userId}`]);
    expect([uri.searchParams.get('secret'), uri.searchParams.get('issuer')]).to.deep.equal([body.secret, 'example.org']);
    expect(Buffer.from((body.qr_code as string).split(',')[1]!, 'base64').subarray(1, 4).toString()).to.equal('PNG');
    expect((await user.get('/mfa/methods')).body.methods).to.deep.equal([]);
    expect(outcome(await user.post('/mfa/totp/confirm', { code: await wrongCode(body.secret as string) }))).to.deep.equal([401, 'INVALID_MFA_CREDENTIALS']);
    const confirmed = await user.post('/mfa/totp/confirm', { code: await codeOf(body.secret as string) });
    expect([confirmed.status, confirmed.body.status, new Set(confirmed.body.recovery_codes as string[]).size]).to.deep.equal([200, 'active', 10]);
    const overview = (await user.get('/mfa/methods')).body;
    expect(overview).to.deep.equal({ methods: [{ type: 'totp', enabled: true, display_name: 'Authenticator Code' }], recovery_codes_left: 10 });
  });

  it('accepts the code of now and of one step to either side, and no other', async () => {
    const { user, secret } = await enrolled();
    for (const [steps, status] of [[-2, 401], [2, 401], [-1, 201]] as const) expect((await tryCode(user, await codeOf(secret, steps))).status, String(steps)).to.equal(status);
    expect((await tryCode(user, await codeOf(secret, 1))).status).to.equal(200);
  });

  it('spends a code once, and with it the ones before', async () => {
    const { user, secret } = await enrolled();
    const [before, now] = [await codeOf(secret, -1), await codeOf(secret)];
    expect((await tryCode(user, now)).status).to.equal(201);
    expect((await tryCode(user, now)).status).to.equal(401);
    expect((await tryCode(user, before)).status).to.equal(401);
  });

  it('spends a code once when many show it at the same moment', async () => {
    const { user, secret } = await enrolled();
    const code = await codeOf(secret);
    const answers = await Promise.all(Array.from({ length: 3 }, () => tryCode(user, code)));
    expect(answers.map(({ status }) => status).sort()).to.deep.equal([201, 401, 401]);
  });

  it('does not take the code that confirmed it as a proof', async () => {
    const user = await newUser(server);
    const { secret } = (await user.post('/mfa/totp/enroll')).body as { secret: string };
    const code = await codeOf(secret);
    await user.post('/mfa/totp/confirm', { code });
    expect((await tryCode(user, code)).status).to.equal(401);
  });

  it('keeps a code that was right, when what it was for was refused', async () => {
    const { user, secret } = await enrolled();
    const code = await codeOf(secret);
    const refused = await user.remove('/devices/device_none', { auth_proof: byCode(code) });
    expect(outcome(refused)).to.deep.equal([404, 'NOT_FOUND']);
    expect((await tryCode(user, code)).status).to.equal(201);
  });

  it('locks after three wrong codes, recovery codes included', async () => {
    const { user, secret, recoveryCodes } = await enrolled();
    expect((await tryCode(user, await wrongCode(secret))).status).to.equal(401);
    expect((await tryCode(user, 'aaaa-bbbb-cccc-dddd')).body.error.details).to.deep.equal({ method: 'totp', attempts_remaining: 1 });
    expect((await tryCode(user, await wrongCode(secret))).status).to.equal(401);
    expect(outcome(await tryCode(user, await codeOf(secret)))).to.deep.equal([429, 'MFA_LOCKED']);
    expect(outcome(await tryCode(user, recoveryCodes[0]!))).to.deep.equal([429, 'MFA_LOCKED']);
    server.clock.advance(16 * minute);
    expect((await tryCode(await user.again(), await codeOf(secret))).status).to.equal(201);
  });

  it('takes each recovery code once, and says so in the notice room', async () => {
    const { user, recoveryCodes } = await enrolled();
    expect((await tryCode(user, recoveryCodes[3]!)).status).to.equal(201);
    expect((await tryCode(user, recoveryCodes[3]!)).status).to.equal(401);
    expect((await tryCode(user, recoveryCodes[4]!.toUpperCase().replace(/-/g, ' '))).status).to.equal(200);
    expect((await user.get('/mfa/methods')).body.recovery_codes_left).to.equal(8);
    const used = (await noticesTo(server, user)).filter(({ content }) => content['m.tween.mfa'].change === 'used');
    expect(used).to.have.length(2);
    for (const { content } of await noticesTo(server, user)) expect(checkContent('m.tween.mfa.notice', { ...content, delivery_id: 'job_x' })).to.deep.equal([]);
  });

  it("takes no other user's recovery code", async () => {
    const { recoveryCodes } = await enrolled();
    const { user } = await enrolled();
    expect((await tryCode(user, recoveryCodes[0]!)).status).to.equal(401);
  });

  it('is replaced with proof; the old one counts until the new one is confirmed', async () => {
    const { user, secret, recoveryCodes } = await enrolled();
    expect(outcome(await user.post('/mfa/totp/enroll'))).to.deep.equal([402, 'MFA_REQUIRED']);
    const next = await user.post('/mfa/totp/enroll', { auth_proof: byCode(await codeOf(secret)) });
    expect(next.status).to.equal(201);
    server.clock.advance(2 * step);
    expect((await tryCode(user, await codeOf(secret))).status).to.equal(201);
    const confirmed = await user.post('/mfa/totp/confirm', { code: await codeOf(next.body.secret as string) });
    expect(confirmed.body).to.have.property('limits_lowered_until');
    server.clock.advance(2 * step);
    expect((await tryCode(user, await codeOf(secret))).status).to.equal(401);
    expect((await tryCode(user, recoveryCodes[0]!)).status).to.equal(401);
    expect((await tryCode(user, await codeOf(next.body.secret as string))).status).to.equal(200);
  });

  it('is removed with proof only, and its recovery codes with it', async () => {
    const { user, secret, recoveryCodes } = await enrolled();
    expect((await tryCode(user, await codeOf(secret))).status).to.equal(201);
    expect(outcome(await user.remove('/mfa/totp'))).to.deep.equal([402, 'MFA_REQUIRED']);
    expect(outcome(await user.remove('/mfa/totp', { auth_proof: pinProof(otherPin) }))).to.deep.equal([401, 'INVALID_MFA_CREDENTIALS']);
    const removed = await user.remove('/mfa/totp', { auth_proof: pinProof(pin) });
    expect([removed.status, removed.body.status], JSON.stringify(removed.body)).to.deep.equal([200, 'removed']);
    expect((await user.get('/mfa/methods')).body).to.deep.include({ recovery_codes_left: 0 });
    expect(outcome(await user.remove('/mfa/totp', { auth_proof: pinProof(pin) }))).to.deep.equal([404, 'NOT_FOUND']);
    expect(outcome(await tryCode(user, recoveryCodes[0]!))).to.deep.equal([401, 'INVALID_MFA_CREDENTIALS']);
  });

  it('is not confirmed as the first factor once there is another', async () => {
    const user = await newUser(server);
    const { secret } = (await user.post('/mfa/totp/enroll')).body as { secret: string };
    expect((await user.post('/mfa/pin', { pin })).status).to.equal(201);
    expect(outcome(await user.post('/mfa/totp/confirm', { code: await codeOf(secret) }))).to.deep.equal([402, 'MFA_REQUIRED']);
  });

  it('is not confirmed when it waited for too long', async () => {
    const user = await newUser(server);
    const { secret } = (await user.post('/mfa/totp/enroll')).body as { secret: string };
    server.clock.advance(16 * minute);
    expect(outcome(await user.post('/mfa/totp/confirm', { code: await codeOf(secret) }))).to.deep.equal([404, 'NOT_FOUND']);
  });

  it('leaves no secret, code or recovery code in the log and the database', async () => {
    const { user, secret, recoveryCodes } = await enrolled();
    const code = await codeOf(secret);
    await tryCode(user, code);
    await tryCode(await newUserWithPin(server), recoveryCodes[0]!);
    await tryCode(user, recoveryCodes[1]!);
    const database = await dump(server);
    const log = server.log.lines.join('\n');
    for (const known of [secret, code, ...recoveryCodes, ...recoveryCodes.map((one) => one.replace(/-/g, ''))]) {
      expect(database, 'database').not.to.match(byItself(known));
      expect(log, 'log').not.to.match(byItself(known));
    }
  });
});
