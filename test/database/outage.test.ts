import { join } from 'node:path';
import { expect } from 'chai';
import { openDatabase, outageOf, type Database } from '../../src/database/index.ts';
import { requireOrSkip } from '../support/availability.ts';
import { postgresAvailable, sharedPostgres } from '../support/postgres.ts';
import { freePort, temporaryDirectory } from '../support/temporary.ts';

/** What the real databases say when they can't, by whom it is told apart. */
describe('an outage of the database', () => {
  const open: Database[] = [];
  const openAt = (url: string): Database => {
    const database = openDatabase({ url, poolSize: 2, busyTimeoutMs: 20, lockTimeoutMs: 20 });
    open.push(database);
    return database;
  };
  afterEach(async () => {
    for (const database of open.splice(0)) await database.close();
  });

  const failureOf = (work: Promise<unknown>): Promise<unknown> => work.then(() => expect.fail('it went well'), (error: unknown) => error);
  /** What `other` hears of its own transaction while one that has changed the only row is open. */
  const besideAnOpenOne = async (one: Database, other: Database): Promise<unknown> => {
    await one.sql.schema.createTable('note', (table) => void table.text('id').primary());
    await one.sql('note').insert({ id: 'a' });
    const change = (database: Database, then: () => Promise<unknown>): Promise<unknown> =>
      database.inTransaction(async (tx) => {
        await tx.sql('note').update({ id: 'b' });
        return then();
      });
    return change(one, () => failureOf(change(other, () => Promise.resolve())));
  };

  it('is that SQLite is busy with another process', async () => {
    const url = `sqlite:${join(temporaryDirectory('outage'), 'test.db')}`;
    expect(outageOf(await besideAnOpenOne(openAt(url), openAt(url)))).to.deep.equal({ kind: 'busy', message: 'The database is busy just now' });
  });

  it('is that PostgreSQL holds a lock for somebody else', async function () {
    requireOrSkip(this, await postgresAvailable());
    const url = await (await sharedPostgres()).createDatabase();
    expect(outageOf(await besideAnOpenOne(openAt(url), openAt(url)))).to.deep.equal({ kind: 'busy', message: 'The database is busy just now' });
  }).timeout(60_000);

  it('is that nobody listens where PostgreSQL should be', async () => {
    const database = openAt(`postgres://nobody@127.0.0.1:${await freePort()}/none`);
    expect(outageOf(await failureOf(database.check()))).to.deep.equal({ kind: 'away', message: 'The database can not be reached just now' });
  });

  it('is none when a statement is wrong', async () => {
    const database = openAt('sqlite::memory:');
    expect(outageOf(await failureOf(database.sql('nowhere').select()))).to.equal(undefined);
    expect(outageOf(undefined)).to.equal(undefined);
  });
});
