import { readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { onBothDatabases } from '../../support/databases.ts';
import { eventually } from '../../support/eventually.ts';
import { createJobQueue } from '../../../src/jobs/index.ts';
import { addKey } from '../../../src/security/key-ring.ts';
import { requireFittingRing } from '../../../src/security/ring-fit.ts';
import { listUsedKeys, resealJob } from '../../../src/storage/index.ts';
import { alice, startStorageServer, type Client, type StorageServer } from './support.ts';

interface EntryRow {
  space_id: number;
  key: string;
  key_id: string;
  value: Buffer;
}

onBothDatabases('stored entries at rest', (databases) => {
  let server: StorageServer;
  let app: string;
  let client: Client;
  beforeEach(async () => {
    server = await startStorageServer(databases);
    app = await server.newApp();
    client = await server.client('alice', app);
  });
  afterEach(() => server.close());

  const rows = (): Promise<EntryRow[]> => server.database.sql<EntryRow>('storage_entry').whereNotNull('key_id').orderBy(['space_id', 'key']);
  const put = (row: EntryRow, value: Partial<EntryRow>) => server.database.sql('storage_entry').where({ space_id: row.space_id, key: row.key }).update(value);
  const addRingKey = (): Promise<string> => addKey({ path: server.keyRingPath, clock: server.clock });

  it('show nothing of values, nor do the answers that are kept for replays', async () => {
    await client.put('k', { value: 'the secret value', mutation_id: 'm' });
    await client.put('k', { value: 'other', client_timestamp: 1, mutation_id: 'conflict' });
    const dump = JSON.stringify([await rows(), await server.database.sql('storage_mutation')].map((table) => (table as object[]).map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, Buffer.isBuffer(value) ? value.toString('latin1') : (value as unknown)])))));
    expect(dump).not.to.contain('secret value');
    expect(dump).to.contain('key_');
    expect(server.log.lines.join('\n')).not.to.contain('secret value');
  });

  it('can not be swapped: not between keys, users or apps', async () => {
    await client.put('a', { value: 'a' });
    await client.put('b', { value: 'b' });
    await (await server.client('bob', app)).put('a', { value: "bob's" });
    await (await server.client('alice', await server.newApp())).put('a', { value: 'of another app' });
    const [mine, ...others] = (await rows()) as [EntryRow, ...EntryRow[]];
    expect(others).to.have.length(3);
    for (const other of others) {
      await put(mine, { value: other.value, key_id: other.key_id });
      const { status, body } = await client.get('/a');
      expect([status, body.error.code]).to.deep.equal([503, 'SERVICE_UNAVAILABLE']);
    }
    await put(mine, { value: mine.value });
    expect((await client.get('/a')).body.value).to.equal('a');
  });

  it('say one clear thing when their key is lost, and to administrators which one', async () => {
    await client.put('k', { value: 1 });
    const [row] = await rows();
    await put(row!, { key_id: 'key_lost' });
    const { status, body } = await client.get('/k');
    expect(status).to.equal(503);
    expect(body.error.message).to.contain('the server lacks its key').and.not.to.contain('key_lost');
    expect(server.log.lines.filter((line) => line.includes('key_lost'))).to.have.length(1);
    // Writing over it is the way out.
    expect((await client.put('k', { value: 2 })).status).to.equal(200);
    expect((await client.get('/k')).body.value).to.equal(2);
  });

  it('keep a server from starting with a ring that lacks a key of theirs', async () => {
    await client.put('k', { value: 1 });
    const place = { path: server.keyRingPath };
    await requireFittingRing(place, server.database);
    const added = await addRingKey();
    server.clock.advance(5000);
    await client.put('k2', { value: 1 });
    const ring = JSON.parse(readFileSync(place.path, 'utf8')) as { keys: { id: string }[] };
    writeFileSync(place.path, JSON.stringify({ ...ring, keys: ring.keys.filter(({ id }) => id !== added) }));
    const refused = await requireFittingRing(place, server.database).then(
      () => '',
      (error: unknown) => String(error),
    );
    expect(refused).to.contain(`has no key ${added}, with which the database is sealed`);
  });

  describe('are sealed again with a new key while everything goes on', () => {
    const first = async (): Promise<string> => (await listUsedKeys(server.database))[0]!;
    const startResealing = async (keyId: string): Promise<void> => {
      const queue = createJobQueue(server.clock);
      await server.database.inTransaction(async (tx) => queue.enqueue(tx, resealJob(keyId, server.clock.now())));
    };
    const fill = async (who: Client, count: number): Promise<void> => {
      for (let n = 0; n < count; n += 100) {
        const items = Array.from({ length: Math.min(100, count - n) }, (_, i) => ({ key: `k${n + i}`, value: { n: n + i } }));
        expect((await who.post('/batch/set', { items })).body.success).to.equal(true);
      }
    };

    it('all of them, with the answers kept, until no row has another key', async () => {
      await fill(client, 700);
      await fill(await server.client('bob', app), 600);
      await client.put('replayed', { value: 1, mutation_id: 'm' });
      const revision = (await client.get('/info')).body.rev as number;
      const added = await addRingKey();
      await startResealing(added);
      server.app.worker.start();
      try {
        // Meanwhile people go on writing and reading.
        await Promise.all(Array.from({ length: 20 }, (_, n) => client.put(`k${n}`, { value: `new ${n}` })));
        await eventually(
          async () => {
            server.clock.advance(10_000);
            server.app.worker.wake();
            expect(await listUsedKeys(server.database)).to.deep.equal([added]);
          },
          { description: 'only the new key is used', timeoutMs: 15_000 },
        );
      } finally {
        await server.app.worker.stop();
      }
      for (const table of ['storage_entry', 'storage_mutation']) expect(await server.database.sql(table).whereNot('key_id', added)).to.deep.equal([]);
      expect((await client.get('/k5')).body.value).to.equal('new 5');
      expect((await client.get('/k699')).body.value).to.deep.equal({ n: 699 });
      expect((await client.put('replayed', { value: 1, mutation_id: 'm' })).headers.get('idempotency-replayed')).to.equal('true');
      // Nobody's device is told of it.
      expect((await client.get('/info')).body.rev).to.equal(revision + 20);
    });

    it('and goes on where it was when the process died in the middle', async () => {
      await fill(client, 300);
      const old = await first();
      const added = await addRingKey();
      const job = { id: 'j', stream: 's', kind: 'k', attempt: 1, createdAt: 0, unsettledSince: undefined, body: resealJob(added, 0).body };
      let failing = true;
      const { database } = server;
      const inTransaction = database.inTransaction.bind(database);
      let chunks = 0;
      // The third chunk does not come to its commit.
      database.inTransaction = (work) => ((chunks += 1) === 3 && failing ? Promise.reject(new Error('killed')) : inTransaction(work));
      expect(await server.app.storage.resealing.run(job).then(() => 'done', (error: unknown) => String(error))).to.contain('killed');
      expect((await rows()).filter((row) => row.key_id === old)).to.have.length(200);
      failing = false;
      await server.app.storage.resealing.run(job);
      expect((await rows()).filter((row) => row.key_id !== added)).to.have.length(0);
      const { items } = (await client.post('/batch/get', { keys: Array.from({ length: 100 }, (_, n) => `k${n * 3}`) })).body as { items: { found: boolean }[] };
      expect(items.every(({ found }) => found)).to.equal(true);
    });

    it('not by a process whose ring has no such key yet: it waits', async () => {
      await client.put('k', { value: 1 });
      const job = { id: 'j', stream: 's', kind: 'k', attempt: 1, createdAt: 0, unsettledSince: undefined, body: resealJob('key_abc', 0).body };
      expect(await server.app.storage.resealing.run(job).then(() => 'done', (error: unknown) => (error as Error).name)).to.equal('Unavailable');
    });
  });

  it('are sealed for one user: moved to another, they are closed', async () => {
    await client.put('k', { value: 'x' });
    expect((await server.database.sql('storage_space').where({ user_id: alice })).length).to.equal(1);
    await server.database.sql('storage_space').where({ user_id: alice }).update({ user_id: '@bob:example.org' });
    expect((await (await server.client('bob', app)).get('/k')).status).to.equal(503);
  });
});
