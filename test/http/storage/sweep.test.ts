import { expect } from 'chai';
import { onBothDatabases } from '../../support/databases.ts';
import { recount, startStorageServer, type Client, type StorageServer } from './support.ts';

const dayMs = 86_400_000;

onBothDatabases('sweeping of stored entries', (databases) => {
  let server: StorageServer;
  let app: string;
  let client: Client;
  // Each with a server of its own: the clock goes far, and administrators' tokens do not last.
  beforeEach(async () => {
    server = await startStorageServer(databases);
    app = await server.newApp();
    client = await server.client('alice', app);
  });
  afterEach(() => server.close());

  const sweep = (): Promise<boolean> => server.database.inTransaction((tx) => server.app.storage.sweep(tx, server.clock.now()));
  /** Moves the clock and signs in again: tokens do not live that long. */
  const wait = async (ms: number): Promise<void> => {
    server.clock.advance(ms);
    client = await server.client('alice', app);
  };
  const rows = async (): Promise<{ key: string; value: unknown }[]> => {
    const spaces = server.database.sql('storage_space').where({ namespace: app }).select('id');
    return server.database.sql<{ key: string; value: unknown }>('storage_entry').whereIn('space_id', spaces).orderBy('rev').select('key', 'value');
  };

  it('clears what has expired out of the table, and leaves its tombstone in the feed', async () => {
    await client.put('brief', { value: 'x', ttl: 60 });
    await client.put('longer', { value: 'y', ttl: 120 });
    server.clock.advance(60_000);
    await sweep();
    expect((await rows()).map(({ key, value }) => [key, value === null])).to.deep.equal([['longer', false], ['brief', true]]);
    expect((await client.get('/changes?since=2')).body.changes).to.have.length(1);
    server.clock.advance(60_000);
    await sweep();
    expect((await rows()).map(({ key, value }) => [key, value === null])).to.deep.equal([['brief', true], ['longer', true]]);
    for (const { bytes, keys, counted_bytes, counted_keys } of await recount(server)) expect({ bytes, keys }).to.deep.equal({ bytes: counted_bytes, keys: counted_keys });
  });

  it('forgets deletions after 90 days; a device that was away for longer is told to start again, others are not', async () => {
    await client.put('a', { value: 1 });
    await client.put('b', { value: 1 });
    await client.delete('a');
    await wait(50 * dayMs);
    await client.delete('b');
    await wait(39.9 * dayMs);
    await sweep();
    expect(await rows()).to.have.length(2);
    expect((await client.get('/changes?since=1')).status).to.equal(200);
    await wait(0.2 * dayMs);
    await sweep();
    expect((await rows()).map(({ key }) => key)).to.deep.equal(['b']);
    for (const since of [1, 2]) expect((await client.get(`/changes?since=${since}`)).body.error.code).to.equal('RESYNC_REQUIRED');
    expect((await client.get('/changes?since=3')).body.changes).to.have.length(1);
    await wait(50 * dayMs);
    await sweep();
    expect(await rows()).to.deep.equal([]);
    expect((await client.get('/changes?since=4')).body).to.deep.equal({ changes: [], next_since: 4, has_more: false });
    expect((await client.get('/changes')).body).to.deep.equal({ changes: [], next_since: 4, has_more: false });
    expect((await client.put('a', { value: 2 })).body.rev).to.equal(5);
  });

  it('forgets kept answers after the same time', async () => {
    await client.put('k', { value: 1, mutation_id: 'm' });
    await wait(89 * dayMs);
    await sweep();
    expect((await client.put('k', { value: 1, mutation_id: 'm' })).headers.get('idempotency-replayed')).to.equal('true');
    await wait(2 * dayMs);
    await sweep();
    expect((await client.put('k', { value: 1, mutation_id: 'm' })).body.rev).to.equal(2);
  });

  it('keeps the latest 1,000 answers, and no more bytes of them than the quota has', async () => {
    const value = 'x'.repeat(1_000_000);
    await client.put('big', { value });
    for (let n = 0; n < 14; n += 1) expect((await client.put('big', { value: 1, client_timestamp: 1, mutation_id: `big${n}` })).body.applied).to.equal(false);
    const kept = async (): Promise<number> => Number((await server.database.sql('storage_mutation').whereIn('space_id', server.database.sql('storage_space').where({ namespace: app }).select('id')).count<{ n: number }[]>({ n: '*' }))[0]!.n);
    expect(await kept()).to.equal(10);
    for (let n = 0; n < 1100; n += 100) await client.post('/batch/set', { items: Array.from({ length: 100 }, (_, i) => ({ key: 'small', value: n + i, mutation_id: `small${n + i}` })) });
    expect(await kept()).to.be.within(1000, 1064);
    expect((await client.put('small', { value: 1099, mutation_id: 'small1099' })).headers.get('idempotency-replayed')).to.equal('true');
  });
});
