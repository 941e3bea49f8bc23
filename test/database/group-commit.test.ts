import { AsyncLocalStorage } from 'node:async_hooks';
import { join } from 'node:path';
import { expect } from 'chai';
import { inSnapshot, insertRows, openDatabase, runSql, type Database, type Transaction } from '../../src/database/index.ts';
import { temporaryDirectory } from '../support/temporary.ts';

describe('SQLite transactions that wait for each other', () => {
  let path: string;
  let database: Database;
  /** As another process sees it. */
  let beside: Database;
  const open = (): Database => openDatabase({ url: `sqlite:${path}`, poolSize: 1, busyTimeoutMs: 5000, lockTimeoutMs: 5000 });

  beforeEach(async () => {
    path = join(temporaryDirectory('group'), 'test.db');
    database = open();
    beside = open();
    await database.sql.schema.createTable('note', (table) => void table.text('id').primary());
  });
  afterEach(async () => {
    await database.close();
    await beside.close();
  });

  const write = (id: string, failure?: Error): Promise<string> =>
    database.inTransaction(async (tx) => {
      await tx.sql('note').insert({ id });
      if (failure !== undefined) throw failure;
      return id;
    });
  const stored = async (): Promise<string[]> => (await beside.sql<{ id: string }>('note').pluck('id')).sort();
  const outcomes = async (writes: Promise<string>[]): Promise<string[]> => (await Promise.allSettled(writes)).map((one) => (one.status === 'fulfilled' ? one.value : (one.reason as Error).message));

  it('share a commit, and none is told before it', async () => {
    const told: string[] = [];
    const all = ['a', 'b', 'c'].map(async (id) => {
      await write(id);
      told.push(`${id}: ${(await stored()).join()}`);
    });
    await Promise.all(all);
    expect(told.sort()).to.deep.equal(['a: a,b,c', 'b: a,b,c', 'c: a,b,c']);
  });

  it('fail alone: the first, one behind it, the last', async () => {
    const failure = new Error('refused');
    expect(await outcomes([write('a', failure), write('b'), write('c', failure), write('d'), write('e', failure)])).to.deep.equal(['refused', 'b', 'refused', 'd', 'refused']);
    expect(await stored()).to.deep.equal(['b', 'd']);
  });

  it('see what those before them wrote, and not what was undone', async () => {
    const seen = (): Promise<string> => database.inTransaction(async (tx) => (await tx.sql<{ id: string }>('note').pluck('id')).join());
    expect(await outcomes([write('a'), seen(), write('b', new Error('refused')), seen()])).to.deep.equal(['a', 'a', 'refused', 'a']);
  });

  it('are all undone, and all told so, when the database rolls everything back', async () => {
    await database.sql.raw(`CREATE TRIGGER full BEFORE INSERT ON note WHEN NEW.id = 'full' BEGIN SELECT RAISE(ROLLBACK, 'disk full'); END`);
    const [first, second, third] = await outcomes([write('a'), write('full'), write('c')]);
    expect([first, second].map((message) => message?.includes('disk full')), String([first, second])).to.deep.equal([true, true]);
    expect(third).to.equal('c');
    expect(await stored()).to.deep.equal(['c']);
  });

  it('are undone, and told so, when the commit itself is refused, and the next go on', async () => {
    await database.sql.raw('CREATE TABLE answer (id text PRIMARY KEY, note text REFERENCES note (id) DEFERRABLE INITIALLY DEFERRED)');
    const dangling = database.inTransaction((tx) => tx.sql('answer').insert({ id: 'x', note: 'nowhere' }));
    const [first, second] = await outcomes([dangling.then(String), write('b')]);
    expect([first, second]).to.deep.equal(['FOREIGN KEY constraint failed', 'FOREIGN KEY constraint failed']);
    expect(await outcomes([write('c')])).to.deep.equal(['c']);
    expect(await stored()).to.deep.equal(['c']);
  });

  it('are more than one group when they are many', async () => {
    const ids = Array.from({ length: 100 }, (_, n) => `n${n}`);
    expect(await outcomes(ids.map((id) => write(id)))).to.deep.equal(ids);
    expect(await stored()).to.have.length(100);
  });

  it('run in the asynchronous context of their own callers, their hooks too', async () => {
    const caller = new AsyncLocalStorage<string>();
    const seen: string[] = [];
    const note = (where: string): void => void seen.push(`${where} ${caller.getStore()}`);
    const run = (name: string): Promise<void> =>
      caller.run(name, () =>
        database.inTransaction(async (tx) => {
          note('work');
          tx.beforeCommit({}, () => note('before'));
          tx.afterCommit(() => note('after'));
          await tx.sql('note').insert({ id: name });
          note('work');
        }),
      );
    await Promise.all([run('alice'), run('bob')]);
    expect(seen).to.deep.equal(['work alice', 'work alice', 'before alice', 'work bob', 'work bob', 'before bob', 'after alice', 'after bob']);
  });

  it('begin with the write lock, even where another process just wrote', async () => {
    const increment = (db: Database): Promise<void> =>
      db.inTransaction(async (tx) => {
        const count = (await tx.sql('note').pluck('id')).length;
        await tx.sql('note').insert({ id: `row ${count}` });
      });
    for (let n = 0; n < 20; n += 1) {
      await increment(database);
      await increment(beside);
    }
    expect(await stored()).to.have.length(40);
  });

  describe('and reads beside them', () => {
    const notes = async (): Promise<string[]> => (await runSql<{ id: string }>(database, 'SELECT id FROM note ORDER BY id')).map(({ id }) => id);

    it('wait for none, and see only what was committed', async () => {
      await write('a');
      const seen = await database.inTransaction(async (tx) => {
        await tx.sql('note').insert({ id: 'b' });
        return { within: await tx.sql<{ id: string }>('note').pluck('id'), beside: await notes() };
      });
      expect(seen).to.deep.equal({ within: ['a', 'b'], beside: ['a'] });
      expect(await notes()).to.deep.equal(['a', 'b']);
    });

    it('write nothing by mistake: what changes something goes the other way', async () => {
      expect(await runSql(database, "INSERT INTO note (id) VALUES ('a') RETURNING id")).to.deep.equal([{ id: 'a' }]);
      expect(await stored()).to.deep.equal(['a']);
    });

    it('stay at one moment in a snapshot', async () => {
      await write('a');
      const seen = await inSnapshot(database, async (db) => {
        const first = await runSql(db, 'SELECT id FROM note');
        await beside.sql('note').insert({ id: 'b' });
        return [first, await runSql(db, 'SELECT id FROM note')];
      });
      expect(seen).to.deep.equal([[{ id: 'a' }], [{ id: 'a' }]]);
    });
  });

  it('refuse statements that come when they are over', async () => {
    let kept: Transaction | undefined;
    const { built } = await database.inTransaction((tx) => Promise.resolve({ tx: (kept = tx), built: tx.sql('note').insert({ id: 'late' }) }));
    for (const late of [async () => built, () => Promise.resolve().then(() => kept!.sql('note')), () => runSql(kept!, "INSERT INTO note (id) VALUES ('late')"), () => insertRows(kept!, 'note', { id: 'text' }, [{ id: 'late' }])]) {
      expect(await late().catch((error: unknown) => (error as Error).message)).to.equal('the transaction is over');
    }
    expect(await stored()).to.deep.equal([]);
  });
});
