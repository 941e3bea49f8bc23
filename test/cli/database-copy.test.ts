import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { lockSqliteForServer, openDatabase, type Database } from '../../src/database/index.ts';
import { call } from '../support/api.ts';
import { requireOrSkip } from '../support/availability.ts';
import { postgresAvailable, sharedPostgres } from '../support/postgres.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { tmcp, tmcpJson } from '../support/tmcp.ts';
import { startWholeServer, type WholeServer } from '../support/whole-server.ts';
import { fakeProofs, proofOf } from '../http/wallet/fake-proofs.ts';
import { funded, room } from '../http/wallet/support.ts';

describe('tmcp database copy', () => {
  const sourcePath = join(temporaryDirectory('copy'), 'tmcp.db');
  const source = `sqlite:${sourcePath}`;
  let old: WholeServer;
  let token: string;
  let other: string;
  let target: string;
  before(async function () {
    this.timeout(60_000);
    requireOrSkip(this, await postgresAvailable());
    target = await newTarget();
    const proofs = fakeProofs();
    old = await startWholeServer({ dialect: 'sqlite', createUrl: () => Promise.resolve(source) }, {}, { proofs });
    const [alice, bob] = [await funded(old, 'alice'), await funded(old, 'bob')];
    [token, other] = [alice.token, bob.token];
    proofs.enrolled.add(alice.userId);
    const roomId = room(old, 'chat', [alice, bob]);
    const { body } = await alice.post('/wallet/v1/p2p/initiate', { recipient: bob.userId, amount: 12.5, currency: 'USD', idempotency_key: 'k', room_id: roomId, note: 'für dich 🎁' });
    await alice.post(`/wallet/v1/p2p/${body.transfer_id}/confirm`, { auth_proof: proofOf({ id: body.transfer_id as string, amountMinor: 1250, recipient: bob.userId }) });
    for (let n = 0; n < 250; n += 1) await call(old.url, 'PUT', `/api/v1/storage/k${n}`, { token, body: { value: { n, text: 'ä'.repeat(n) }, mutation_id: `m${n}` } });
    await old.close();
  });
  const newTarget = async (): Promise<string> => (await sharedPostgres()).createDatabase();
  const copy = (to: string, from = source) => tmcp(['database', 'copy', '--json'], { env: { TMCP_DATABASE_URL: from, COPY_TO_DATABASE_URL: to } });
  const withTarget = async <T>(url: string, work: (database: Database) => Promise<T>): Promise<T> => {
    const database = openDatabase({ url, poolSize: 1, busyTimeoutMs: 5000, lockTimeoutMs: 5000 });
    try {
      return await work(database);
    } finally {
      await database.close();
    }
  };

  it('refuses a database whose server runs, and leaves the target empty', async () => {
    const lock = lockSqliteForServer(sourcePath);
    const { code, stderr } = await copy(target);
    lock.release();
    expect([code, stderr.includes('another tmcp-server is running')]).to.deep.equal([1, true]);
    expect(await withTarget(target, (database) => database.sql.schema.hasTable('wallet'))).to.equal(false);
  });

  it('refuses what is no such target', async () => {
    for (const to of ['', 'sqlite:x.db', 'mysql://x']) expect((await copy(to)).stderr, to).to.contain('postgres:// URL');
    expect((await copy(target, target)).stderr).to.contain('is not SQLite');
    expect((await copy(target, 'sqlite:/nowhere/tmcp.db')).code).to.equal(1);
  });

  it('copies every row, and the server goes on from there: tokens, entries, money, sequences', async function () {
    this.timeout(60_000);
    const { tables } = (await tmcpJson(['database', 'copy', '--json'], { env: { TMCP_DATABASE_URL: source, COPY_TO_DATABASE_URL: target } })) as { tables: { table: string; rows: number }[] };
    const rows = Object.fromEntries(tables.map(({ table, rows: count }) => [table, count]));
    expect(rows).to.include({ storage_entry: 250, storage_mutation: 250, p2p_transfer: 1, wallet: 2 });
    await withTarget(target, async ({ sql }) => {
      for (const [table, count] of Object.entries(rows)) expect(Number((await sql(table).count<{ n: string }[]>({ n: '*' }))[0]!.n), table).to.equal(count);
    });
    expect(await tmcpJson(['wallet', 'audit', '--json'], { env: { TMCP_DATABASE_URL: target } })).to.deep.include({ breaks: [] });

    const after = await startWholeServer({ dialect: 'postgres', createUrl: () => Promise.resolve(target) }, { TMCP_SERVER_PUBLIC_URL: old.url }, {}, { ...old.shared, databaseUrl: target });
    try {
      const get = (path: string, as: string) => call(after.url, 'GET', path, { token: as });
      expect((await get('/api/v1/storage/k249', token)).body.value).to.deep.equal({ n: 249, text: 'ä'.repeat(249) });
      expect((await get('/wallet/v1/balance', other)).body.balance.available).to.equal(1012.5);
      expect(JSON.stringify((await get('/wallet/v1/transactions', token)).body)).to.contain('für dich 🎁');
      expect((await call(after.url, 'PUT', '/api/v1/storage/first', { token: other, body: { value: 1 } })).body.rev, 'a space of their own gets a number of its own').to.equal(1);

      // Divided by user, as an administrator may do it (config/partition-storage.sql).
      await withTarget(target, ({ sql }) => sql.raw(readFileSync(new URL('../../config/partition-storage.sql', import.meta.url), 'utf8')));
      expect((await get('/api/v1/storage/k1', token)).body.value.n).to.equal(1);
      expect((await call(after.url, 'PUT', '/api/v1/storage/k1', { token, body: { value: 'new', mutation_id: 'p1' } })).body.rev).to.equal(251);
      expect((await call(after.url, 'PUT', '/api/v1/storage/k1', { token, body: { value: 'new', mutation_id: 'p1' } })).headers.get('idempotency-replayed')).to.equal('true');
      expect((await call(after.url, 'DELETE', '/api/v1/storage/k2', { token })).body.rev).to.equal(252);
      expect((await get('/api/v1/storage/changes?since=250', token)).body.changes).to.have.length(2);
      const parts = await after.database.sql.raw<{ rows: { n: string }[] }>(`SELECT count(*) AS n FROM pg_inherits WHERE inhparent = 'storage_entry'::regclass`);
      expect(Number(parts.rows[0]!.n)).to.equal(16);
    } finally {
      await after.close();
    }
  });

  it('refuses a target that is not empty', async () => {
    const { code, stderr } = await copy(target);
    expect([code, stderr.includes('not empty')]).to.deep.equal([1, true]);
  });

  it('writes nothing when the books do not hold, or a row can not be written', async function () {
    this.timeout(30_000);
    const fresh = await newTarget();
    const damage = async (sql: string): Promise<void> => withTarget(source, async (database) => void (await database.sql.raw(sql)));
    await damage(`UPDATE limit_usage SET used = used + 1`);
    expect((await copy(fresh)).stderr).to.contain('the books do not hold');
    await damage(`UPDATE limit_usage SET used = used - 1`);
    await damage(`UPDATE wallet_history SET note = 'a' || char(0) || 'b'`);
    expect((await copy(fresh)).stderr).to.contain('wallet_history');
    expect(await withTarget(fresh, (database) => database.sql.schema.hasTable('wallet'))).to.equal(false);
  });
});
