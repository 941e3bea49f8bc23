import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import SqliteDatabase from 'better-sqlite3';
import { migrate, openDatabase } from '../src/database/index.ts';
import { createJobQueue } from '../src/jobs/index.ts';
import { systemClock as clock } from '../src/kernel/clock.ts';
import { asUserId, type UserId } from '../src/kernel/ids.ts';
import { asCurrency } from '../src/kernel/money.ts';
import { createRoomEvents } from '../src/matrix/index.ts';
import { createAuditRecorder } from '../src/security/audit/index.ts';
import { createTransfers } from '../src/transfers/index.ts';
import { createWallet, createWalletAdministration } from '../src/wallet/index.ts';
import { inTurns, type Measurement } from './support.ts';

const perRound = 400;
const rounds = 5;
export const people = 20;
const usd = asCurrency('USD');
export const user = (n: number): UserId => asUserId(`@user${n % people}:bench.test`);

/** Runs `work` for each of `items`, some at a time. Returns how many a second. */
export async function rateOf<T>(items: readonly T[], inFlight: number, work: (item: T) => Promise<unknown>): Promise<number> {
  const started = performance.now();
  let next = 0;
  const run = async (): Promise<void> => {
    while (next < items.length) await work(items[next++]!);
  };
  await Promise.all(Array.from({ length: inFlight }, run));
  return (1000 * items.length) / (performance.now() - started);
}

/** The least that a transfer can be: two balances and two rows, durable, with statements that are compiled once. */
export function bareLedger(directory: string) {
  const database = new SqliteDatabase(join(directory, 'bare.db'));
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
    CREATE TABLE account (id text PRIMARY KEY, balance integer NOT NULL CHECK (balance >= 0)) WITHOUT ROWID;
    CREATE TABLE entry (id integer PRIMARY KEY, account text NOT NULL, amount integer NOT NULL)`);
  for (let n = 0; n < people; n += 1) database.prepare('INSERT INTO account VALUES (?, ?)').run(user(n), 1e12);
  const change = database.prepare('UPDATE account SET balance = balance + ? WHERE id = ?');
  const enter = database.prepare('INSERT INTO entry (account, amount) VALUES (?, ?)');
  const transfer = database.transaction((from: UserId, to: UserId, amount: number) => {
    change.run(-amount, from);
    change.run(amount, to);
    enter.run(from, -amount);
    enter.run(to, amount);
  });
  return { transfer: (n: number) => Promise.resolve(transfer.immediate(user(n), user(n + 1), 100)), close: () => void database.close() };
}

async function realTransfers(directory: string) {
  const database = openDatabase({ url: `sqlite:${join(directory, 'real.db')}`, poolSize: 1, busyTimeoutMs: 5000, lockTimeoutMs: 5000 });
  await migrate(database);
  const unlimited = { transaction: 1e9, daily: 1e9, monthly: 1e9 };
  const wallet = createWallet({ database, clock, levels: [unlimited, unlimited, unlimited], defaultCurrency: usd });
  const administration = createWalletAdministration({ database, clock, wallet, record: () => Promise.resolve() });
  for (let n = 0; n < people; n += 1) await administration.credit(user(n), { amountMinor: 1e10, currency: usd }, 'Bench');
  await database.sql('wallet').update({ activated_at: clock.now(), level: 3 });
  const queue = createJobQueue(clock);
  const roomId = '!bench:bench.test' as never;
  const transfers = createTransfers({
    database,
    clock,
    queue,
    events: createRoomEvents(queue),
    wallet,
    sharedRooms: { requireShared: () => Promise.resolve({ roomId, isEncrypted: false, members: new Map() }), isKnownEncrypted: () => Promise.resolve(false) },
    proofs: { methodsOf: () => Promise.resolve(['pin']), prove: () => Promise.resolve({ spend: () => Promise.resolve() }) },
    activation: { send: () => Promise.resolve() },
    notices: { publish: () => {} }, audit: createAuditRecorder({ clock, queue }), mayHaveWallet: () => true,
    policy: { acceptance: 'never', acceptanceAbove: 0, confirmMs: 3_600_000, acceptanceMs: 1000, secondEvent: false },
  });
  const offer = (): Promise<{ id: string; payer: UserId }[]> =>
    database.inTransaction(async (tx) => {
      const offered: { id: string; payer: UserId }[] = [];
      for (let n = 0; n < perRound; n += 1) {
        offered.push(await transfers.initiate(tx, { payer: user(n), payee: user(n + 1), amountMinor: 100, currency: usd, note: undefined, roomId }, { roomEncrypted: false, methods: ['pin'], acceptanceRequired: undefined }));
      }
      return offered;
    });
  return { offer, confirm: ({ id, payer }: { id: string; payer: UserId }) => transfers.confirm(payer, id, {}), close: () => database.close() };
}

/** A transfer that is confirmed (state, ledger, limits, history, event; everything but judging the proof) against a bare two-row ledger transaction. */
export async function measureWallet(): Promise<Measurement[]> {
  const directory = mkdtempSync(join(tmpdir(), 'tmcp-bench-'));
  const [bare, real] = [bareLedger(directory), await realTransfers(directory)];
  const numbers = Array.from({ length: perRound }, (_, n) => n);
  try {
    const measurements: Measurement[] = [];
    for (const inFlight of [1, 16]) {
      await rateOf(await real.offer(), inFlight, real.confirm);
      const rates = await inTurns(
        rounds,
        async () => rateOf(await real.offer(), inFlight, real.confirm),
        () => rateOf(numbers, inFlight, bare.transfer),
      );
      measurements.push({ what: `transfer confirmed, ${inFlight} in flight`, ratio: rates.ours / rates.floor, atLeast: inFlight === 1 ? 0 : 0.1, detail: `${rates.ours.toFixed(0)}/s, ${rates.floor.toFixed(0)}/s bare two-row transactions` });
    }
    return measurements;
  } finally {
    bare.close();
    await real.close();
    rmSync(directory, { recursive: true, force: true });
  }
}
