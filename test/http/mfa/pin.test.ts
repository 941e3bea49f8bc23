import { join } from 'node:path';
import { expect } from 'chai';
import { loadEventSchemas } from '../../../src/http/index.ts';
import { sha256Hex } from '../../../src/kernel/ids.ts';
import { onEveryWallet } from '../../support/databases.ts';
import { eventually } from '../../support/eventually.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { startWholeServer, type WholeServer } from '../../support/whole-server.ts';
import { byItself, dump, hour, minute, newUser, newUserWithPin, noticesTo, otherPin, outcome, pin, pinProof, tryPin } from './support.ts';

const checkContent = loadEventSchemas(new URL('../../../schema/events/', import.meta.url));

onEveryWallet('the PIN', (databases) => {
  let server: WholeServer;
  before(async () => {
    server = await startWholeServer(databases);
  });
  after(() => server.close());

  it('is set by a session that a Matrix token has just proven, and is then a method', async () => {
    const user = await newUser(server);
    expect((await user.get('/mfa/methods')).body).to.deep.equal({ methods: [], recovery_codes_left: 0 });
    const set = await user.post('/mfa/pin', { pin });
    expect([set.status, set.body]).to.deep.equal([201, { status: 'set' }]);
    expect((await user.get('/mfa/methods')).body.methods).to.deep.equal([{ type: 'transaction_pin', enabled: true, display_name: 'Transaction PIN' }]);
  });

  it('is not set by an older session, until the Matrix token is exchanged again', async () => {
    const user = await newUser(server, 'tmcp_p2p');
    server.clock.advance(5 * minute + 1000);
    expect(outcome(await user.post('/mfa/pin', { pin }))).to.deep.equal([403, 'FRESH_SIGN_IN_REQUIRED']);
    expect((await (await user.again()).post('/mfa/pin', { pin })).status).to.equal(201);
  });

  it('is changed with proof by the old one only, which lowers limits for a day', async () => {
    const user = await newUserWithPin(server);
    const without = await user.post('/mfa/pin', { pin: otherPin });
    expect(outcome(without)).to.deep.equal([402, 'MFA_REQUIRED']);
    expect(without.body.error.details).to.deep.equal({ methods: ['transaction_pin'], sign: `mfa.pin.set:${user.userId}:{timestamp}` });
    const wrong = await user.post('/mfa/pin', { pin: otherPin, current_pin: '604713' });
    expect(outcome(wrong)).to.deep.equal([401, 'INVALID_MFA_CREDENTIALS']);
    expect(wrong.body.error.details).to.deep.equal({ method: 'transaction_pin', attempts_remaining: 2 });
    expect(wrong.headers.get('www-authenticate')).to.contain('insufficient_user_authentication');
    const before = server.clock.now();
    const right = await user.post('/mfa/pin', { pin: otherPin, current_pin: pin });
    expect([right.status, right.body.status]).to.deep.equal([200, 'changed']);
    expect(Date.parse(right.body.limits_lowered_until as string)).to.be.within(before + 24 * hour, server.clock.now() + 24 * hour);
    expect((await user.get('/mfa/methods')).body.limits_lowered_until).to.equal(right.body.limits_lowered_until);
    expect((await tryPin(user, pin)).status).to.equal(401);
    expect((await tryPin(user, otherPin)).status).to.equal(200);
  });

  it('is the same given as digits and as their SHA-256', async () => {
    const user = await newUser(server);
    expect((await user.post('/mfa/pin', { hashed_pin: sha256Hex(pin) })).status).to.equal(201);
    const proofs = [
      pinProof(pin),
      pinProof(sha256Hex(pin)),
      { method: 'pin', proof: { hashed_pin: sha256Hex(pin).toUpperCase(), device_id: 'device_1' } },
      { method: 'transaction_pin', proof: pin },
    ];
    for (const proof of proofs) expect((await user.post('/mfa/pin', { pin: sha256Hex(pin), auth_proof: proof })).status, JSON.stringify(proof)).to.equal(200);
  });

  for (const [weak, why] of [
    ['12345', 'too short'],
    ['1234567890123', 'too long'],
    ['12345a', 'not digits'],
    ['123456', 'a run'],
    ['890123', 'a run past nine'],
    ['98765432', 'a run downwards'],
    ['000000', 'one digit'],
    ['12121212', 'two digits'],
    ['1231231', 'three digits, cut off'],
  ] as const) {
    it(`is refused when it is ${why}, naming the field and not the value`, async () => {
      const user = await newUser(server);
      const answer = await user.post('/mfa/pin', { pin: weak });
      expect([...outcome(answer), answer.body.error.details[0].field]).to.deep.equal([400, 'INVALID_REQUEST', 'pin']);
      expect(JSON.stringify(answer.body)).not.to.contain(`"${weak}"`);
      if (why === 'too long' || why === 'not digits') return;
      const hashed = await user.post('/mfa/pin', { hashed_pin: sha256Hex(weak) });
      expect([...outcome(hashed), hashed.body.error.details[0].field]).to.deep.equal([400, 'INVALID_REQUEST', 'hashed_pin']);
    });
  }

  it('is asked for in exactly one form, of a type that can be one', async () => {
    const user = await newUser(server);
    for (const body of [{}, { pin, hashed_pin: sha256Hex(pin) }, { pin: 739164 }, { hashed_pin: pin }]) {
      expect(outcome(await user.post('/mfa/pin', body)), JSON.stringify(body)).to.deep.equal([400, 'INVALID_REQUEST']);
    }
    const known = await newUserWithPin(server);
    for (const authProof of [{}, { method: 'pin' }, { method: 'magic', proof: {} }, { method: 'pin', proof: {} }, { method: 'pin', proof: { pin: 'abc' } }, { method: 'totp', proof: { code: '12' } }]) {
      expect(outcome(await known.post('/mfa/pin', { pin, auth_proof: authProof })), JSON.stringify(authProof)).to.deep.equal([400, 'INVALID_REQUEST']);
    }
  });

  it('locks after three wrong attempts, for twice as long each time, and only success forgets them', async () => {
    const user = await newUserWithPin(server);
    for (const [lockMinutes, retries] of [[15, 1], [30, 2], [60, 3]] as const) {
      const at = server.clock.now();
      for (const remaining of [2, 1, 0]) {
        const wrong = await tryPin(await user.again(), '604713');
        expect([wrong.status, wrong.body.error.details.attempts_remaining], `lock ${retries}`).to.deep.equal([401, remaining]);
      }
      const locked = await tryPin(await user.again(), pin);
      expect(outcome(locked)).to.deep.equal([429, 'MFA_LOCKED']);
      const lockedUntil = Date.parse(locked.body.error.details.locked_until as string);
      expect(lockedUntil).to.be.within(at + lockMinutes * minute, server.clock.now() + lockMinutes * minute);
      expect(Number(locked.headers.get('retry-after'))).to.be.within(lockMinutes * 60 - 60, lockMinutes * 60);
      expect((await (await user.again()).get('/mfa/methods')).body.methods[0]).to.include({ enabled: false, locked_until: locked.body.error.details.locked_until });
      server.clock.advance(lockMinutes * minute + 1000);
    }
    expect((await tryPin(await user.again(), pin)).status).to.equal(200);
    expect((await tryPin(await user.again(), '604713')).body.error.details.attempts_remaining).to.equal(2);
  });

  it('is judged three times when fifty ask at once, whichever server they ask', async () => {
    const rival = databases.dialect === 'postgres' ? await startWholeServer(databases, { TMCP_SERVER_PUBLIC_URL: server.url }, {}, server.shared) : server;
    try {
      const user = await newUserWithPin(server);
      const answers = await Promise.all(Array.from({ length: 50 }, (_, index) => tryPin(index % 2 === 0 ? user : user.at(rival), String(500_000 + index * 7919))));
      expect(answers.filter(({ status }) => status === 401)).to.have.length(3);
      expect(answers.filter((answer) => outcome(answer)[1] === 'MFA_LOCKED')).to.have.length(47);
    } finally {
      if (rival !== server) await rival.close();
    }
  });

  it('stays locked when the server is started again', async () => {
    const first = await startWholeServer(databases);
    const user = await newUserWithPin(first);
    for (let attempt = 0; attempt < 3; attempt += 1) await tryPin(user, '604713');
    await first.close({ keepWalletService: true });
    const second = await startWholeServer(databases, {}, {}, first.shared);
    try {
      expect(outcome(await tryPin(await user.again(second), pin))).to.deep.equal([429, 'MFA_LOCKED']);
      second.clock.advance(16 * minute);
      expect((await tryPin(await user.again(second), pin)).status).to.equal(200);
    } finally {
      await second.close();
      await first.walletService?.close();
    }
  });

  it('is first set by one of two who try at once', async () => {
    const user = await newUser(server);
    const answers = await Promise.all([user.post('/mfa/pin', { pin }), user.post('/mfa/pin', { pin: otherPin })]);
    expect(answers.map(({ status }) => status).sort()).to.deep.equal([201, 402]);
  });

  it('is announced in the notice room when it is set, changed and reset', async () => {
    const user = await newUserWithPin(server);
    await user.post('/mfa/pin', { pin: otherPin, current_pin: pin });
    await user.post('/mfa/pin/reset', { pin });
    await user.remove('/mfa/pin/reset');
    const notices = await noticesTo(server, user);
    expect(notices.map(({ content }) => [content['m.tween.mfa'].change, content['m.tween.mfa'].allowed_by])).to.deep.equal([
      ['added', 'fresh_sign_in'],
      ['changed', 'transaction_pin'],
      ['reset_requested', 'fresh_sign_in'],
      ['reset_cancelled', 'session'],
    ]);
    for (const { content } of notices) expect(checkContent('m.tween.mfa.notice', { ...content, delivery_id: 'job_x' })).to.deep.equal([]);
    const trail = await server.database.sql('audit_entry').where({ target: user.userId, target_kind: 'user' }).andWhereLike('action', 'factor.%').pluck<string[]>('action');
    expect(trail.sort()).to.deep.equal(['factor.added', 'factor.changed', 'factor.reset_cancelled', 'factor.reset_requested']);
    expect(notices[1]!.content.body).to.contain('PIN for confirming payments was changed').and.to.contain('Limits are lower until');
  });

  it('leaves nothing of itself in the log and the database', async () => {
    const user = await newUserWithPin(server);
    await tryPin(user, '604713');
    await user.post('/mfa/pin', { hashed_pin: sha256Hex(otherPin), current_pin: pin });
    const database = await dump(server);
    const log = server.log.lines.join('\n');
    for (const secret of [sha256Hex(pin), sha256Hex(otherPin), pin, otherPin, '604713']) {
      expect(database, 'database').not.to.match(byItself(secret));
      expect(log, 'log').not.to.match(byItself(secret));
    }
    expect(await server.bank.sql('mfa_pin').where({ user_id: user.userId }).pluck('hash')).to.have.length(1).and.to.satisfy(([hash]: string[]) => hash!.startsWith('$argon2id$'));
  });

  it("is worth nothing in another user's row", async () => {
    const victim = await newUserWithPin(server);
    const thief = await newUser(server);
    await thief.post('/mfa/pin', { pin: otherPin });
    const [row] = await server.bank.sql('mfa_pin').where({ user_id: thief.userId }).select<{ hash: string }[]>('hash');
    await server.bank.sql('mfa_pin').where({ user_id: victim.userId }).update({ hash: row!.hash });
    expect((await tryPin(victim, otherPin)).status).to.equal(401);
  });
});

onEveryWallet('a PIN that was forgotten', (databases) => {
  let server: WholeServer;
  before(async () => {
    server = await startWholeServer(databases);
  });
  after(() => server.close());

  it('is replaced after a day, which lowers limits', async () => {
    const user = await newUserWithPin(server);
    const asked = await user.post('/mfa/pin/reset', { pin: otherPin });
    expect([asked.status, asked.body.status]).to.deep.equal([202, 'pending']);
    expect((await user.get('/mfa/methods')).body.pin_reset).to.deep.equal({ status: 'pending', effective_at: asked.body.effective_at });
    expect(outcome(await user.post('/mfa/pin/reset', { pin: otherPin }))).to.deep.equal([409, 'ALREADY_EXISTS']);
    expect((await user.post('/mfa/pin', { pin, auth_proof: pinProof(otherPin) })).status).to.equal(401);
    server.clock.advance(24 * hour + 1000);
    server.app.worker.start();
    try {
      const reset = await eventually(
        async () => {
          const later = await user.again();
          expect((await later.get('/mfa/methods')).body).not.to.have.property('pin_reset');
          return later;
        },
        { description: 'the reset took effect' },
      );
      expect((await reset.get('/mfa/methods')).body).to.have.property('limits_lowered_until');
      expect((await tryPin(reset, pin)).status).to.equal(401);
      expect((await reset.post('/mfa/pin', { pin: otherPin, auth_proof: pinProof(otherPin) })).status).to.equal(200);
      expect(await server.bank.sql('mfa_pin_reset').where({ user_id: user.userId }).select('state', 'hash').first()).to.deep.include({ state: 'done', hash: '' });
    } finally {
      await server.app.worker.stop();
    }
  });

  it('stays when the reset is cancelled, also when its time comes', async () => {
    const user = await newUserWithPin(server);
    await user.post('/mfa/pin/reset', { pin: otherPin });
    expect((await user.remove('/mfa/pin/reset')).body).to.deep.equal({ status: 'cancelled' });
    expect(outcome(await user.remove('/mfa/pin/reset'))).to.deep.equal([404, 'NOT_FOUND']);
    expect((await tryPin(user, pin)).status).to.equal(200);
    expect(await server.bank.sql('mfa_pin_reset').where({ user_id: user.userId }).pluck('state')).to.deep.equal(['cancelled']);
  });

  it('is no longer reset once it is changed with proof', async () => {
    const user = await newUserWithPin(server);
    await user.post('/mfa/pin/reset', { pin: otherPin });
    await tryPin(user, pin);
    expect((await user.get('/mfa/methods')).body).not.to.have.property('pin_reset');
  });

  it('needs a fresh sign-in, and a PIN', async () => {
    const user = await newUser(server);
    expect(outcome(await user.post('/mfa/pin/reset', { pin }))).to.deep.equal([404, 'NOT_FOUND']);
    await user.post('/mfa/pin', { pin });
    server.clock.advance(6 * minute);
    expect(outcome(await user.post('/mfa/pin/reset', { pin: otherPin }))).to.deep.equal([403, 'FRESH_SIGN_IN_REQUIRED']);
  });
});

describe('a PIN of four digits', () => {
  it('is accepted when that is configured', async () => {
    const server = await startWholeServer({ dialect: 'sqlite', createUrl: () => Promise.resolve(`sqlite:${join(temporaryDirectory('pin'), 'tmcp.db')}`) }, { TMCP_MFA_MIN_PIN_LENGTH: '4' });
    try {
      const user = await newUser(server);
      expect((await user.post('/mfa/pin', { pin: '1234' })).status).to.equal(400);
      expect((await user.post('/mfa/pin', { hashed_pin: sha256Hex('4321') })).status).to.equal(400);
      expect((await user.post('/mfa/pin', { pin: '7391' })).status).to.equal(201);
    } finally {
      await server.close();
    }
  });
});
