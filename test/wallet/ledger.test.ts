import { expect } from 'chai';
import fc from 'fast-check';
import type { UserId } from '../../src/kernel/ids.ts';
import type { Currency } from '../../src/kernel/money.ts';
import { onBothDatabases } from '../support/databases.ts';
import { jpy, openBank, outcome, usd, user, type Bank } from './support.ts';

const people = ['ann', 'ben', 'cat', 'dan'];
const count = (values: readonly string[], value: string): number => values.filter((one) => one === value).length;

/** What a run of random commands must leave, kept as simply as can be. */
class Model {
  readonly balances = new Map<string, number>();
  readonly holds: { readonly id: string; readonly from: UserId; readonly to: UserId; readonly amount: number; readonly currency: Currency; ended: boolean }[] = [];
  key = (userId: UserId, currency: Currency): string => `${userId} ${currency}`;
  of = (userId: UserId, currency: Currency): number => this.balances.get(this.key(userId, currency)) ?? 0;
  add(userId: UserId, currency: Currency, amount: number): void {
    this.balances.set(this.key(userId, currency), this.of(userId, currency) + amount);
  }
}

type Command = { readonly kind: 'credit' | 'move' | 'hold' | 'capture' | 'release'; readonly from: number; readonly to: number; readonly amount: number; readonly currency: Currency };
const commands = fc.array(
  fc.record<Command>({
    kind: fc.constantFrom('credit', 'move', 'move', 'hold', 'hold', 'capture', 'release'),
    from: fc.nat({ max: people.length - 1 }),
    to: fc.nat({ max: people.length - 1 }),
    amount: fc.integer({ min: 1, max: 3000 }),
    currency: fc.constantFrom(usd, jpy),
  }),
  { minLength: 30, maxLength: 60 },
);

async function run(bank: Bank, model: Model, everyone: readonly UserId[], command: Command): Promise<void> {
  const { kind, amount, currency } = command;
  const [from, to] = [everyone[command.from]!, everyone[command.to]!];
  if (kind === 'credit') {
    await bank.fund(from, amount, currency);
    model.add(from, currency, amount);
  } else if (kind === 'move' || kind === 'hold') {
    if (from === to) return;
    const possible = amount <= model.of(from, currency);
    const result = kind === 'move' ? bank.move(from, to, amount, currency) : bank.hold(from, to, amount, currency);
    expect(await outcome(result)).to.equal(possible ? 'done' : 'INSUFFICIENT_FUNDS');
    if (!possible) return;
    model.add(from, currency, -amount);
    if (kind === 'move') model.add(to, currency, amount);
    else model.holds.push({ id: await result, from, to, amount, currency, ended: false });
  } else {
    const hold = model.holds[(command.from * people.length + command.to) % Math.max(1, model.holds.length)];
    if (hold === undefined) return;
    const result = bank.inTransaction((tx) => (kind === 'capture' ? bank.wallet.capture(tx, hold.id) : bank.wallet.release(tx, hold.id, 'rejected')));
    expect(await outcome(result)).to.equal(hold.ended ? 'INVALID_STATE_TRANSITION' : 'done');
    if (hold.ended) return;
    hold.ended = true;
    model.add(kind === 'capture' ? hold.to : hold.from, hold.currency, hold.amount);
  }
}

onBothDatabases('the ledger', (databases) => {
  let bank: Bank;
  before(async () => {
    bank = await openBank(databases);
  });
  afterEach(async () => expect(await bank.audit()).to.deep.equal([]));
  after(() => bank.close());

  it('ends at what a plain sum says, whatever is asked of it', async function () {
    this.timeout(60_000);
    let round = 0;
    await fc.assert(
      fc.asyncProperty(commands, async (list) => {
        round += 1;
        const everyone = people.map((name) => user(`${name}${round}`));
        const model = new Model();
        for (const person of everyone) {
          await bank.fund(person, 1000, usd);
          model.add(person, usd, 1000);
        }
        for (const command of list) await run(bank, model, everyone, command);
        for (const person of everyone) {
          for (const currency of [usd, jpy]) expect(await bank.available(person, currency), `${person} ${currency}`).to.equal(model.of(person, currency));
        }
      }),
      { numRuns: 8 },
    );
  });

  it('spends a balance once, however many try at the same moment', async () => {
    const payer = await bank.fund(user('racer'), 1000);
    const outcomes = await Promise.all(Array.from({ length: 16 }, (_, n) => outcome(bank.move(payer, user(`racer-to-${n % 3}`), 300))));
    expect([count(outcomes, 'done'), count(outcomes, 'INSUFFICIENT_FUNDS')]).to.deep.equal([3, 13]);
    expect(await bank.available(payer)).to.equal(100);
  });

  it('lets transfers in a ring pass each other', async () => {
    const ring = await Promise.all(people.map((name) => bank.fund(user(`ring-${name}`), 10_000)));
    const outcomes = await Promise.all(Array.from({ length: 48 }, (_, n) => outcome(bank.move(ring[n % 4]!, ring[(n + 1 + (n % 3)) % 4]!, 10))));
    expect(count(outcomes, 'done')).to.equal(48);
    const balances = await Promise.all(ring.map((person) => bank.available(person)));
    expect(balances.reduce((a, b) => a + b)).to.equal(40_000);
  });

  it('ends a hold once, however many try to end it', async () => {
    const payer = await bank.fund(user('holder'), 1000);
    const payee = user('held-for');
    for (let n = 0; n < 3; n += 1) {
      const id = await bank.hold(payer, payee, 100);
      expect(await bank.available(payer)).to.equal(900 - (await bank.available(payee)));
      const outcomes = await Promise.all(
        Array.from({ length: 8 }, (_, k) => outcome(bank.inTransaction((tx) => (k % 2 === 0 ? bank.wallet.capture(tx, id) : bank.wallet.release(tx, id, 'expired'))))),
      );
      expect([count(outcomes, 'done'), count(outcomes, 'INVALID_STATE_TRANSITION')]).to.deep.equal([1, 7]);
      expect((await bank.available(payer)) + (await bank.available(payee))).to.equal(1000);
    }
  });

  it('writes nothing of a transfer whose transaction fails afterwards', async () => {
    const payer = await bank.fund(user('undone'), 500);
    const result = bank.inTransaction(async (tx) => {
      await bank.wallet.transfer(tx, { from: { user: payer }, to: { user: user('undone-to') }, amountMinor: 200, currency: usd, code: 'p2p', ref: 'p2p_undone' });
      throw new Error('died');
    });
    expect(await outcome(result)).to.equal('Error: died');
    expect(await bank.available(payer)).to.equal(500);
    expect(await bank.wallet.find(user('undone-to'))).to.equal(undefined);
  });

  it('opens a wallet for whom money is meant, once, and that cannot spend', async () => {
    const payer = await bank.fund(user('generous'), 1000);
    await Promise.all(Array.from({ length: 6 }, () => bank.move(payer, user('newcomer'), 10)));
    expect(await bank.wallet.find(user('newcomer'))).to.include({ level: 0, activatedAt: undefined });
    expect(await bank.available(user('newcomer'))).to.equal(60);
    expect(await outcome(bank.move(user('newcomer'), payer, 10))).to.equal('P2P_SEND_NOT_ALLOWED');
    expect(await outcome(bank.move(user('nobody'), payer, 10))).to.equal('P2P_SEND_NOT_ALLOWED');
  });

  it('stops a frozen wallet in both directions, and lets what was held before end', async () => {
    const [payer, frozen] = [await bank.fund(user('before-frost'), 1000), await bank.fund(user('frozen'), 1000)];
    const id = await bank.hold(payer, frozen, 100);
    await bank.administration.freeze(frozen, 'case 17');
    expect(await outcome(bank.move(payer, frozen, 1))).to.equal('USER_SUSPENDED');
    expect(await outcome(bank.move(frozen, payer, 1))).to.equal('USER_SUSPENDED');
    expect(await outcome(bank.administration.freeze(frozen, 'again'))).to.equal('INVALID_STATE_TRANSITION');
    await bank.inTransaction((tx) => bank.wallet.release(tx, id, 'expired'));
    await bank.administration.unfreeze(frozen);
    expect(await outcome(bank.move(frozen, payer, 1))).to.equal('done');
  });

  describe('the database itself', () => {
    const refuses = async (work: () => PromiseLike<unknown>, why: RegExp): Promise<void> => {
      const result = await Promise.resolve(work()).then(
        () => 'accepted',
        (error: unknown) => (error as Error).message,
      );
      expect(result).to.match(why);
    };

    it('refuses to change or delete what was booked', async () => {
      await bank.fund(user('immutable'), 100);
      await refuses(() => bank.database.sql('ledger_transfer').update({ amount: 1 }), /append-only/);
      await refuses(() => bank.database.sql('ledger_transfer').where({ ref: 'none' }).delete().then(() => bank.database.sql('ledger_transfer').delete()), /append-only/);
      await refuses(() => bank.database.sql('ledger_account').delete(), /append-only/);
    });

    it('refuses an overdrawn account, an amount of nothing, an account paying itself, and two currencies in one transfer', async () => {
      const payer = await bank.fund(user('bare'), 100);
      await bank.fund(user('bare'), 100, jpy);
      const accounts = await bank.database.sql<{ id: string; currency: string; owner: string }>('ledger_account').where({ owner: payer }).orderBy('currency');
      const [yen, dollars] = accounts.map(({ id }) => id);
      const row = { id: 'txn_bad', kind: 'single', debit: dollars, credit: 'acc_none', currency: 'USD', amount: 1, code: 'p2p', ref: 'x', limited: 0, created_at: 1 };
      await refuses(() => bank.database.sql('ledger_account').where({ id: dollars }).update({ dr_posted: 101 }), /ledger_account_covered/);
      await refuses(() => bank.database.sql('ledger_transfer').insert(row), /foreign key/i);
      await refuses(() => bank.database.sql('ledger_transfer').insert({ ...row, credit: yen }), /foreign key/i);
      await refuses(() => bank.database.sql('ledger_transfer').insert({ ...row, credit: dollars }), /ledger_transfer_sides/);
      await refuses(() => bank.database.sql('ledger_transfer').insert({ ...row, amount: 0 }), /ledger_transfer_amount/);
    });

    it('refuses to end a hold twice, or on other terms', async () => {
      const payer = await bank.fund(user('terms'), 100);
      const id = await bank.hold(payer, user('terms-to'), 60);
      const hold = await bank.database.sql<Record<string, unknown>>('ledger_transfer').where({ id }).first();
      await refuses(() => bank.database.sql('ledger_transfer').insert({ ...hold, id: 'txn_more', kind: 'post', pending_id: id, amount: 61 }), /foreign key/i);
      await refuses(() => bank.database.sql('ledger_transfer').insert({ ...hold, id: 'txn_back', kind: 'post', pending_id: id, debit: hold?.credit, credit: hold?.debit }), /foreign key/i);
      await bank.inTransaction((tx) => bank.wallet.capture(tx, id));
      await refuses(() => bank.database.sql('ledger_transfer').insert({ ...hold, id: 'txn_twice', kind: 'void', pending_id: id }), /unique/i);
    });
  });
});

onBothDatabases('limits', (databases) => {
  let bank: Bank;
  before(async () => {
    bank = await openBank(databases);
  });
  afterEach(async () => expect(await bank.audit()).to.deep.equal([]));
  after(() => bank.close());

  const rich = (name: string): Promise<UserId> => bank.fund(user(name), 100_000_000);
  const days = (n: number): void => void (bank.clock.time += n * 86_400_000);

  it('hold for one transfer, a day and a month, to the cent', async () => {
    bank.clock.time = Date.UTC(2026, 0, 1, 23, 59, 59, 999);
    const payer = await rich('limited');
    expect(await outcome(bank.move(payer, user('shop'), 1_000_001))).to.equal('AMOUNT_EXCEEDS_LIMIT');
    for (let n = 0; n < 5; n += 1) expect(await outcome(bank.move(payer, user('shop'), 1_000_000)), String(n)).to.equal('done');
    expect(await outcome(bank.move(payer, user('shop'), 1))).to.equal('DAILY_LIMIT_EXCEEDED');
    bank.clock.time += 1;
    for (let n = 0; n < 5; n += 1) expect(await outcome(bank.move(payer, user('shop'), 1_000_000)), String(n)).to.equal('done');
    days(1);
    expect(await outcome(bank.move(payer, user('shop'), 1))).to.equal('MONTHLY_LIMIT_EXCEEDED');
    bank.clock.time = Date.UTC(2026, 1, 1);
    expect(await outcome(bank.move(payer, user('shop'), 1))).to.equal('done');
  });

  it('count what is held, and give back to the day of the hold what is released later', async () => {
    bank.clock.time = Date.UTC(2026, 2, 30, 12);
    const payer = await rich('patient');
    const holds = await Promise.all(Array.from({ length: 5 }, () => bank.hold(payer, user('shop'), 1_000_000)));
    expect(await outcome(bank.hold(payer, user('shop'), 1))).to.equal('DAILY_LIMIT_EXCEEDED');
    await bank.inTransaction((tx) => bank.wallet.release(tx, holds[0]!, 'rejected'));
    expect(await outcome(bank.move(payer, user('shop'), 1_000_000))).to.equal('done');
    days(2);
    await bank.inTransaction((tx) => bank.wallet.release(tx, holds[1]!, 'expired'));
    await bank.inTransaction((tx) => bank.wallet.capture(tx, holds[2]!));
    const usage = await bank.database.sql<{ user_id: string; period: string; used: number; reserved: number }>('limit_usage').where({ user_id: payer }).orderBy('period').select<object[]>('period', 'used', 'reserved');
    expect(usage).to.deep.equal([
      { period: 'day', used: 2_000_000, reserved: 2_000_000 },
      { period: 'month', used: 2_000_000, reserved: 2_000_000 },
    ]);
  });

  it('are not passed by transfers at the same moment', async () => {
    days(1);
    const payer = await rich('hasty');
    const outcomes = await Promise.all(Array.from({ length: 12 }, (_, n) => outcome(bank.move(payer, user(`shop-${n}`), 900_000))));
    expect([count(outcomes, 'done'), count(outcomes, 'DAILY_LIMIT_EXCEEDED')]).to.deep.equal([5, 7]);
  });

  it('are apart for each currency, and follow its decimals', async () => {
    const payer = await rich('traveller');
    await bank.fund(payer, 100_000, jpy);
    for (let n = 0; n < 5; n += 1) await bank.move(payer, user('shop'), 1_000_000);
    expect(await outcome(bank.move(payer, user('shop'), 10_001, jpy))).to.equal('AMOUNT_EXCEEDS_LIMIT');
    expect(await outcome(bank.move(payer, user('shop'), 10_000, jpy))).to.equal('done');
  });
});

onBothDatabases('the audit', (databases) => {
  let bank: Bank;
  beforeEach(async () => {
    bank = await openBank(databases);
    await bank.fund(user('payer'), 1000);
    await bank.move(user('payer'), user('payee'), 300);
    await bank.hold(user('payer'), user('payee'), 100);
    expect(await bank.audit()).to.deep.equal([]);
  });
  afterEach(() => bank.close());

  const tampering: [string, (bank: Bank) => PromiseLike<unknown>, string[]][] = [
    ['a balance that was raised', ({ database }) => database.sql('ledger_account').where({ owner: user('payee') }).increment('cr_posted', 1), ['each balance equals a replay of the transfers', 'the books of each currency sum to zero']],
    ['money that was moved between balances', ({ database }) => database.inTransaction(async (tx) => {
      await tx.sql('ledger_account').where({ owner: user('payee') }).increment('cr_posted', 5);
      await tx.sql('ledger_account').where({ owner: user('payer'), kind: 'wallet' }).decrement('cr_posted', 5);
    }), ['each balance equals a replay of the transfers']],
    ['a transfer without its effect', async ({ database }) => {
      const known = await database.sql<Record<string, unknown>>('ledger_transfer').where({ code: 'p2p', kind: 'single' }).first();
      await database.sql('ledger_transfer').insert({ ...known, id: 'txn_forged' });
    }, ['each balance equals a replay of the transfers', 'every movement of a wallet is in its history', 'limits count what went out']],
    ['an account that may be overdrawn', ({ database }) => database.sql('ledger_account').where({ owner: user('payee') }).update({ may_overdraw: 1 }), ['only accounts of the outside may be overdrawn']],
    ['a history that says otherwise', ({ database }) => database.sql('wallet_history').where({ status: 'pending' }).update({ status: 'completed' }), ['the history says what the books say']],
    ['a missing line of the history', ({ database }) => database.sql('wallet_history').where({ user_id: user('payee'), status: 'completed' }).delete(), ['every movement of a wallet is in its history']],
    ['limits that were reset', ({ database }) => database.sql('limit_usage').delete(), ['limits count what went out']],
    ['a wallet that is gone', ({ database }) => database.sql('wallet').where({ user_id: user('payee') }).delete(), ['whoever has an account has a wallet']],
  ];
  for (const [what, tamper, checks] of tampering) {
    it(`finds ${what}`, async () => {
      await tamper(bank);
      expect([...new Set((await bank.audit()).map(({ check }) => check))]).to.have.members(checks);
    });
  }
});
