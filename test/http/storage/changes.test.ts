import { expect } from 'chai';
import { call, firstPartyToken, type ApiResponse } from '../../support/api.ts';
import { onBothDatabases } from '../../support/databases.ts';
import { asUserId } from '../../../src/kernel/ids.ts';
import { alice, recount, startStorageServer, type Client, type StorageServer } from './support.ts';

type Change = { key: string; rev: number; deleted: boolean; value?: unknown };

onBothDatabases('changes of stored entries', (databases) => {
  let server: StorageServer;
  let app: string;
  let client: Client;
  before(async () => {
    server = await startStorageServer(databases, { TMCP_STORAGE_POLL_INTERVAL_MS: '50' });
  });
  beforeEach(async () => {
    app = await server.newApp();
    client = await server.client('alice', app);
  });
  after(() => server.close());

  const changes = async (query = ''): Promise<ApiResponse> => client.get(`/changes${query}`);
  const shown = ({ body }: ApiResponse): unknown[] => (body.changes as Change[]).map(({ key, rev, deleted, value }) => (deleted ? [rev, key] : [rev, key, value]));

  it('come in order, each key once with its latest state, page by page', async () => {
    for (const [key, value] of [['a', 1], ['b', 1], ['c', 1], ['a', 2]] as const) await client.put(key, { value });
    await client.delete('b');
    expect(shown(await changes())).to.deep.equal([[3, 'c', 1], [4, 'a', 2], [5, 'b']]);
    const pages: unknown[] = [];
    for (let since = 0, more = true; more; ) {
      const page = await changes(`?since=${since}&limit=1`);
      pages.push(...shown(page));
      since = page.body.next_since as number;
      more = page.body.has_more as boolean;
    }
    expect(pages).to.deep.equal([[3, 'c', 1], [4, 'a', 2], [5, 'b']]);
    expect((await changes('?since=5')).body).to.deep.equal({ changes: [], next_since: 5, has_more: false });
    expect(shown(await changes('?since=4'))).to.deep.equal([[5, 'b']]);
  });

  it('have room for large values, a few at a time', async () => {
    for (let n = 0; n < 6; n += 1) await client.put(`k${n}`, { value: 'x'.repeat(1_000_000) });
    const first = await changes();
    expect(first.body.changes).to.have.length(5);
    expect(first.body.has_more).to.equal(true);
    expect((await changes(`?since=${first.body.next_since}`)).body.changes).to.have.length(1);
  });

  it('show what has expired as deleted, at the moment it has', () =>
    server.clock.still(async () => {
      await client.put('a', { value: 1, ttl: 60 });
      await client.put('b', { value: 1, ttl: 61 });
      await client.put('c', { value: 1 });
      server.clock.advance(59_999);
      expect(shown(await changes())).to.deep.equal([[1, 'a', 1], [2, 'b', 1], [3, 'c', 1]]);
      server.clock.advance(1);
      expect(shown(await changes())).to.deep.equal([[2, 'b', 1], [3, 'c', 1], [4, 'a']]);
      server.clock.advance(1000);
      expect(shown(await changes('?since=4'))).to.deep.equal([[5, 'b']]);
      expect((await client.put('a', { value: 'again' })).body.rev).to.equal(6);
    }));

  it('say that there are more, also of what has just expired', async () => {
    for (const key of ['a', 'b', 'c', 'd']) await client.put(key, { value: 1, ttl: 60 });
    server.clock.advance(61_000);
    const first = await changes('?since=4&limit=3');
    expect([shown(first), first.body.has_more]).to.deep.equal([[[5, 'a'], [6, 'b'], [7, 'c']], true]);
    expect((await changes('?since=7&limit=3')).body.has_more).to.equal(false);
  });

  it('refuse a revision that was never given', async () => {
    await client.put('a', { value: 1 });
    expect((await changes('?since=2')).body.error.code).to.equal('RESYNC_REQUIRED');
    for (const since of ['-1', '1.5', 'x', '9007199254740992']) expect((await changes(`?since=${since}`)).body.error.details[0].field).to.equal('since');
    expect((await changes('?wait=61')).body.error.details[0].field).to.equal('wait');
  });

  it('wait for a change, and answer at once when there is one', async () => {
    await client.put('a', { value: 1 });
    const waiting = changes('?since=1&wait=60');
    const other = await server.client('alice', await server.newApp());
    await other.put('elsewhere', { value: 1 });
    await client.put('b', { value: 2 });
    expect(shown(await waiting)).to.deep.equal([[2, 'b', 2]]);
    expect(shown(await changes('?since=1&wait=60'))).to.deep.equal([[2, 'b', 2]]);
  });

  it('wait no longer than they were asked to', async () => {
    const start = server.clock.now();
    expect((await changes('?wait=1')).body).to.deep.equal({ changes: [], next_since: 0, has_more: false });
    expect(server.clock.now() - start).to.be.at.least(1000);
  });

  it('wait for an entry to expire', async () => {
    await client.put('a', { value: 1, ttl: 60 });
    const waiting = changes('?since=1&wait=60');
    server.clock.advance(60_000);
    expect(shown(await waiting)).to.deep.equal([[2, 'a']]);
  });

  it('of another process are seen by who waits here', async () => {
    await client.put('a', { value: 1 });
    const waiting = changes('?since=1&wait=60');
    // As another process does: nobody tells this one.
    await server.database.inTransaction(async (tx) => {
      const [space] = await tx.sql('storage_space').where({ user_id: alice, namespace: app }).update({ rev: 2 }).returning<{ id: number }[]>('id');
      await tx.sql('storage_entry').insert({ space_id: space!.id, key: 'gone', rev: 2, written_at: 0, created_at: 0, updated_at: 0, deleted_at: 0, bytes: 0 });
    });
    expect(shown(await waiting)).to.deep.equal([[2, 'gone']]);
  });

  it('are not told to whom the token was taken away meanwhile', async () => {
    await client.put('a', { value: 1 });
    const waiting = changes('?since=1&wait=60');
    const again = await server.client('alice', app);
    await again.put('b', { value: 2 });
    expect((await waiting).status).to.equal(401);
  });

  describe('when the app is uninstalled', () => {
    const uninstall = async (): Promise<number> => (await call(server.url, 'DELETE', `/api/v1/store/apps/${app}/install`, { token: await firstPartyToken(server.url, 'syt_alice', 'tmcp_store') })).status;
    const install = async (): Promise<void> => void (await call(server.url, 'POST', `/api/v1/store/apps/${app}/install`, { token: await firstPartyToken(server.url, 'syt_alice', 'tmcp_store') }));
    const left = async (): Promise<number> => {
      const spaces = server.database.sql('storage_space').where({ user_id: alice, namespace: app }).select('id');
      const counts = await Promise.all(['storage_entry', 'storage_mutation'].map((table) => server.database.sql(table).whereIn('space_id', spaces.clone()).count<{ n: number | string }[]>({ n: '*' })));
      return counts.reduce((sum, [count]) => sum + Number(count!.n), 0);
    };

    it('all of it goes, and what others have stays', async () => {
      await install();
      const bobs = await server.client('bob', app);
      await bobs.put('k', { value: "bob's" });
      await client.put('a', { value: 1, mutation_id: 'm' });
      await client.put('b', { value: 1, ttl: 60 });
      await client.delete('a');
      expect(await left()).to.equal(3);
      expect(await uninstall()).to.equal(200);
      expect(await left()).to.equal(0);
      expect((await bobs.get('/k')).body.value).to.equal("bob's");
      expect((await client.get('')).status).to.equal(401);
      for (const counts of await recount(server)) expect(counts).to.include({ bytes: counts.counted_bytes, keys: counts.counted_keys });
    });

    it('a device that comes back with an old revision starts again', async () => {
      await install();
      await client.put('a', { value: 1 });
      await client.put('b', { value: 1 });
      await uninstall();
      await install();
      client = await server.client('alice', app);
      for (const since of [1, 2]) expect((await changes(`?since=${since}`)).body.error.code).to.equal('RESYNC_REQUIRED');
      expect((await changes()).body).to.deep.equal({ changes: [], next_since: 3, has_more: false });
      await client.put('a', { value: 'new' });
      expect(shown(await changes('?since=3'))).to.deep.equal([[4, 'a', 'new']]);
    });

    it('nothing is written behind it by requests that were under way', async () => {
      await install();
      const writes = Array.from({ length: 30 }, (_, n) => client.put(`k${n}`, { value: n }));
      const [status] = await Promise.all([uninstall(), ...writes]);
      expect(status).to.equal(200);
      expect(await left()).to.equal(0);
      for (const { status: written } of await Promise.all(writes)) expect([200, 401]).to.include(written);
    });

    it('nothing of an app that never stored anything is left either', async () => {
      await install();
      await uninstall();
      expect(await server.database.sql('storage_space').where({ user_id: alice, namespace: app })).to.deep.equal([]);
    });
  });

  it("are erased with the user's account, in every app, and nobody else's", async () => {
    const bobs = await server.client('bob', app);
    for (const one of [client, bobs, await server.client('alice', await server.newApp())]) await one.put('k', { value: 1, mutation_id: 'm' });
    const { storage } = server.app;
    await server.database.inTransaction((tx) => storage.erase(tx, asUserId(alice)));
    expect(await server.database.sql('storage_space').where({ user_id: alice })).to.deep.equal([]);
    expect((await client.get('')).body.keys).to.deep.equal([]);
    expect((await bobs.get('/k')).status).to.equal(200);
    const orphans = await server.database.sql('storage_entry').whereNotIn('space_id', server.database.sql('storage_space').select('id'));
    expect(orphans).to.deep.equal([]);
  });

  it('export everything as JSON lines, values as they were sent', async () => {
    const items = Array.from({ length: 100 }, (_, n) => ({ key: `k${String(n).padStart(3, '0')}`, value: { n } }));
    await client.post('/batch/set', { items });
    await client.put('odd', '{"value":1.0}');
    await client.put('gone', { value: 1, ttl: 60 });
    await client.delete('k050');
    server.clock.advance(60_000);
    const response = await fetch(`${server.url}/api/v1/storage/export`, { headers: { authorization: `Bearer ${client.token}` } });
    expect(response.headers.get('content-type')).to.equal('application/x-ndjson');
    const lines = (await response.text()).trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { key: string }).key)).to.deep.equal([...items.map(({ key }) => key).filter((key) => key !== 'k050'), 'odd']);
    expect(lines.at(-1)).to.contain('"value":1.0');
  });
});
