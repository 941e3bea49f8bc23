import type { RequestListener } from 'node:http';
import { expect } from 'chai';
import { generate } from 'otplib';
import { asUserId } from '../../../src/kernel/ids.ts';
import { readAuthProof, type Mfa } from '../../../src/mfa/index.ts';
import { tellingJobKind } from '../../../src/mfa/remote/telling.ts';
import { call, type ApiResponse } from '../../support/api.ts';
import { onWalletService as databases } from '../../support/databases.ts';
import { walletApiKey, type WalletService } from '../../support/wallet-service.ts';
import { queued, startWholeServer, type WholeServer } from '../../support/whole-server.ts';
import { errorCodeOf, openDoor, terms } from './door.ts';
import { byItself, dump, hour, minute, newUser, newUserWithPin, noticesTo, otherPin, outcome, pin, pinProof, tryPin, type TestUser } from './support.ts';

const wrongPin = '604713';

/** Has the service do what it is asked, and loses the answer. */
const losing = (times: number, matches: (url: string) => boolean): WalletService['between'] => {
  let left = times;
  return (serve, req, res) => {
    if (left > 0 && matches(req.url ?? '')) {
      left -= 1;
      res.writeHead = () => res;
      res.end = () => res.destroy();
    }
    return serve(req, res);
  };
};

describe('factors that a wallet service keeps', () => {
  let server: WholeServer;
  let service: WalletService;
  let mfa: Mfa;
  before(async () => {
    server = await startWholeServer(databases);
    service = server.walletService!;
    mfa = await openDoor(server);
  });
  afterEach(() => {
    service.between = undefined;
  });
  after(() => server.close());

  const failures = async ({ userId }: TestUser): Promise<number> => (await service.database.sql('mfa_attempt').where({ user_id: userId }).first<{ failures: number } | undefined>('failures'))?.failures ?? 0;
  const ask = (method: string, path: string, body?: object, key?: string): Promise<ApiResponse> => call(service.url, method, path, { token: walletApiKey, ...(body === undefined ? {} : { body }), ...(key === undefined ? {} : { headers: { 'idempotency-key': key } }) });
  const factorsOf = ({ userId }: TestUser, rest: string): string => `/internal/mfa/${encodeURIComponent(userId)}${rest}`;
  const prove = (user: TestUser, given: string, key: string): Promise<ApiResponse> => ask('POST', factorsOf(user, '/proofs'), { terms: { id: 'pay_1', amount_minor: 500, currency: 'USD', payee: 'ma_shop' }, auth_proof: pinProof(given) }, key);
  const runTellingJobs = async (): Promise<void> => {
    for (const body of await queued<{ user_id: string }>(server.database, tellingJobKind)) {
      const write = await server.app.jobs[tellingJobKind]!.run({ body } as never);
      if (write !== undefined) await server.database.inTransaction(async (tx) => void (await write(tx)));
    }
  };
  const changesTold = async (user: TestUser): Promise<unknown[]> => (await noticesTo(server, user)).map(({ content }) => content['m.tween.mfa'].change);

  it('count an attempt once whose answer was lost', async () => {
    const user = await newUserWithPin(server);
    service.between = losing(1, (url) => url.endsWith('/pin'));
    const wrong = await tryPin(user, wrongPin);
    expect([...outcome(wrong), wrong.body.error.details.attempts_remaining]).to.deep.equal([401, 'INVALID_MFA_CREDENTIALS', 2]);
    expect(await failures(user)).to.equal(1);
  });

  it('answer the same attempt with the same verdict, at once and later, and another under its key not at all', async () => {
    const user = await newUserWithPin(server);
    const answers = [...(await Promise.all(Array.from({ length: 4 }, () => prove(user, wrongPin, 'att_same')))), await prove(user, wrongPin, 'att_same')];
    for (const { status, body } of answers) expect([status, body.verified, body.attempts_remaining, body.locked, body.refusal.code]).to.deep.equal([200, false, 2, false, 'INVALID_MFA_CREDENTIALS']);
    expect(await failures(user)).to.equal(1);
    expect(outcome(await prove(user, pin, 'att_same'))).to.deep.equal([409, 'DUPLICATE_TRANSACTION']);
    const [first, again] = [await prove(user, pin, 'att_good'), await prove(user, pin, 'att_good')];
    expect(first.body).to.include({ verified: true, method: 'transaction_pin' });
    expect(again.body).to.deep.equal(first.body);
    expect(outcome(await ask('POST', factorsOf(user, '/proofs'), {}))).to.deep.equal([400, 'INVALID_REQUEST']);
  });

  it('are changed once where the answer was lost, and the change is told once', async () => {
    const user = await newUserWithPin(server);
    service.between = losing(1, (url) => url.endsWith('/pin'));
    expect((await user.post('/mfa/pin', { pin: otherPin, current_pin: pin })).body).to.include({ status: 'changed' });
    expect(await failures(user)).to.equal(0);
    await runTellingJobs();
    expect(await changesTold(user)).to.deep.equal(['added', 'changed']);
  });

  it('are told of by a job where this server never heard the answer', async () => {
    const user = await newUserWithPin(server);
    service.between = losing(2, (url) => url.endsWith('/pin'));
    expect(outcome(await user.post('/mfa/pin', { pin: otherPin, current_pin: pin }))).to.deep.equal([503, 'SERVICE_UNAVAILABLE']);
    service.between = undefined;
    expect(await changesTold(user)).to.deep.equal(['added']);
    await runTellingJobs();
    expect(await changesTold(user)).to.deep.equal(['added', 'changed']);
    expect((await tryPin(user, otherPin)).status).to.equal(200);
  });

  it('tell of a PIN reset that took effect there', async () => {
    const user = await newUserWithPin(server);
    await user.post('/mfa/pin/reset', { pin: otherPin });
    server.clock.advance(24 * hour + minute);
    await runTellingJobs();
    await runTellingJobs();
    expect(await changesTold(user)).to.deep.equal(['added', 'reset_requested', 'reset_done']);
    expect(await server.database.sql('audit_entry').where({ target: user.userId, action: 'factor.reset_done' }).pluck('actor_kind')).to.deep.equal(['system']);
    expect((await tryPin(await user.again(), pin)).status).to.equal(401);
    expect((await tryPin(await user.again(), otherPin)).status).to.equal(200);
  });

  it('are away with the service, which counts nothing', async () => {
    const away = await startWholeServer(databases, { TMCP_WALLET_REMOTE_BREAKER_FAILURES: '4' });
    try {
      const user = await newUserWithPin(away);
      const down: RequestListener = (_req, res) => void res.writeHead(503).end();
      away.walletService!.between = (_serve, ...parts) => down(...parts);
      for (let index = 0; index < 3; index += 1) expect(outcome(await tryPin(user, wrongPin))).to.deep.equal([503, 'SERVICE_UNAVAILABLE']);
      const open = await user.get('/mfa/methods');
      expect([...outcome(open), open.body.error.circuit_state]).to.deep.equal([503, 'SERVICE_UNAVAILABLE', 'OPEN']);
      expect(Number(open.headers.get('retry-after'))).to.be.within(1, 60);
      away.walletService!.between = undefined;
      away.clock.advance(61_000);
      expect((await tryPin(user, wrongPin)).body.error.details.attempts_remaining).to.equal(2);
      expect((await tryPin(user, pin)).status).to.equal(200);
    } finally {
      await away.close();
    }
  });

  it('leave no code, secret or recovery code in the log and the database of this server', async () => {
    const user = await newUser(server);
    const { secret } = (await user.post('/mfa/totp/enroll')).body as { secret: string };
    const code = await generate({ secret, epoch: Math.floor(server.clock.now() / 1000) });
    const { recovery_codes: recoveryCodes } = (await user.post('/mfa/totp/confirm', { code })).body as { recovery_codes: string[] };
    expect((await user.post('/mfa/pin', { pin, auth_proof: { method: 'totp', proof: { recovery_code: recoveryCodes[0] } } })).status).to.equal(201);
    expect(await changesTold(user)).to.deep.equal(['added', 'used', 'added']);
    const [database, log] = [await dump(server), [...server.log.lines, ...service.log.lines].join('\n')];
    for (const shown of [secret, ...recoveryCodes, ...recoveryCodes.map((one) => one.replaceAll('-', ''))]) {
      expect(database, 'database').not.to.contain(shown);
      expect(log, 'log').not.to.contain(shown);
    }
    expect(log).not.to.match(byItself(code));
    for (const table of ['mfa_pin', 'mfa_totp', 'mfa_recovery_code', 'mfa_attempt', 'mfa_challenge', 'mfa_spent_signature']) expect(await server.database.sql(table).select('*'), table).to.deep.equal([]);
    const theirs = JSON.stringify(await service.database.sql('service_call').select('*'));
    for (const shown of [secret, recoveryCodes[0]!, pin]) expect(theirs).not.to.match(byItself(shown));
  });

  describe('allow a movement of money', () => {
    let serial = 0;
    const give = async (user: TestUser): Promise<string> => {
      const proof = await mfa.proveTerms({ userId: asUserId(user.userId), terms: terms({ id: 'p2p_1', amountMinor: 500, recipient: '@carl:example.org' }), evidence: readAuthProof(pinProof(pin))! });
      return proof.ticket!.proofId;
    };
    const move = async (user: TestUser, changed: object): Promise<string> => {
      serial += 1;
      const { status, body } = await ask('PUT', `/internal/movements/wi_${serial}`, { kind: 'transfer', from: { user_id: user.userId }, to: { user_id: '@carl:example.org' }, amount_minor: 500, currency: 'USD', code: 'p2p', reference: 'p2p_1', ...changed });
      expect(status, JSON.stringify(body)).to.equal(200);
      // A proof that is good leads to the next question: there is no money here.
      return (body.refusal as { code: string }).code;
    };

    it('of no other terms, and of no other user', async () => {
      const user = await newUserWithPin(server);
      const proofId = await give(user);
      for (const changed of [{ amount_minor: 501 }, { currency: 'EUR' }, { reference: 'p2p_2' }, { to: { user_id: '@dora:example.org' } }, { to: { miniapp_id: 'ma_shop' }, code: 'payment' }]) expect(await move(user, { proof_id: proofId, ...changed }), JSON.stringify(changed)).to.equal('PAYMENT_FAILED');
      expect(await move(await newUserWithPin(server), { proof_id: proofId })).to.equal('PAYMENT_FAILED');
      expect(await move(user, { proof_id: proofId })).to.equal('P2P_SEND_NOT_ALLOWED');
    });

    it('which can not do without one', async () => {
      expect(await move(await newUserWithPin(server), {})).to.equal('PAYMENT_FAILED');
      expect(await move(await newUserWithPin(server), { proof_id: 'mfa_pr_made_up' })).to.equal('PAYMENT_FAILED');
    });

    it('into escrow by what the user proved', async () => {
      const user = await newUserWithPin(server);
      const proofId = await give(user);
      const gift = { to: { escrow: 'gift_1' }, code: 'gift', reference: 'gift_1', proof_id: proofId };
      expect(await move(user, gift)).to.equal('PAYMENT_FAILED');
      expect(await move(user, { ...gift, proven: { id: 'p2p_1', payee: '!room:example.org' } })).to.equal('PAYMENT_FAILED');
      expect(await move(user, { ...gift, proven: { id: 'p2p_1', payee: '@carl:example.org' } })).to.equal('P2P_SEND_NOT_ALLOWED');
    });

    it('for a quarter of an hour, and not once a factor was changed', async () => {
      const user = await newUserWithPin(server);
      const over = await give(user);
      server.clock.advance(14 * minute);
      expect(await move(user, { proof_id: over })).to.equal('P2P_SEND_NOT_ALLOWED');
      server.clock.advance(minute + 1000);
      expect(await move(user, { proof_id: over })).to.equal('PAYMENT_FAILED');
      const fresh = await give(user);
      expect(await move(user, { proof_id: fresh })).to.equal('P2P_SEND_NOT_ALLOWED');
      expect((await tryPin(await user.again(), pin)).status).to.equal(200);
      expect(await move(user, { proof_id: fresh })).to.equal('PAYMENT_FAILED');
    });
  });

  it('use up a proof of an action with the verdict', async () => {
    const user = await newUserWithPin(server);
    const body = { terms: { action: 'oauth.consent', subject: 'ma_shop' }, auth_proof: pinProof(pin) };
    const first = await ask('POST', factorsOf(user, '/proofs'), body, 'att_action');
    expect(first.body).to.deep.equal({ verified: true, locked: false, method: 'transaction_pin' });
    const proof = await mfa.proveTerms({ userId: asUserId(user.userId), terms: { kind: 'action', action: 'oauth.consent', subject: 'ma_shop' }, evidence: readAuthProof(pinProof(pin))! });
    expect(proof).not.to.have.property('ticket');
    expect(await errorCodeOf(server.database.inTransaction((tx) => proof.spend(tx)))).to.equal(undefined);
  });

  it('can be unlocked and removed by administrators, which the user is told', async () => {
    const user = await newUserWithPin(server);
    for (let index = 0; index < 3; index += 1) await tryPin(user, wrongPin);
    expect((await tryPin(user, pin)).status).to.equal(429);
    expect(await server.database.sql('audit_entry').where({ target: user.userId, action: 'factor.locked' }).pluck('result')).to.deep.equal(['refused']);
    const { administration } = mfa as Mfa & { administration: { unlock(userId: string, by: string): Promise<boolean>; removeAll(userId: string, by: string): Promise<number> } };
    expect(await administration.unlock(user.userId, 'carol')).to.equal(true);
    expect((await tryPin(user, pin)).status).to.equal(200);
    expect(await administration.removeAll(user.userId, 'carol')).to.equal(1);
    expect(await changesTold(user)).to.deep.equal(['added', 'unlocked', 'changed', 'removed']);
    expect((await user.get('/mfa/methods')).body.methods).to.deep.equal([]);
  });
});
