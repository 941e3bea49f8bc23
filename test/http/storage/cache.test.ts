import { expect } from 'chai';
import { asUserId } from '../../../src/kernel/ids.ts';
import { onBothDatabases } from '../../support/databases.ts';
import { startWholeServer } from '../../support/whole-server.ts';
import { alice, clientWith, startStorageServer, type Client, type StorageServer } from './support.ts';

const env = { TMCP_STORAGE_CACHE_BYTES: '100000' };

onBothDatabases('stored entries that are read often', (databases) => {
  let server: StorageServer;
  let app: string;
  let client: Client;
  before(async () => {
    server = await startStorageServer(databases, env);
  });
  beforeEach(async () => {
    app = await server.newApp();
    client = await server.client('alice', app);
  });
  after(() => server.close());

  const value = async (key: string, who = client): Promise<unknown> => {
    const { status, body } = await who.get(`/${key}`);
    return status === 200 ? body.value : status;
  };
  /** Behind everybody's back, so that it shows whether an answer came from the cache. */
  const forge = (contentType: string): Promise<unknown> => server.database.sql('storage_entry').whereIn('space_id', server.database.sql('storage_space').where({ user_id: alice, namespace: app }).select('id')).update({ content_type: contentType });
  const typeOf = async (key: string): Promise<unknown> => (await client.get(`/${key}`)).body.metadata.content_type;

  it('are not read from the database again, until something of that user and app changes', async () => {
    await client.put('a', { value: 1 });
    expect(await typeOf('a')).to.equal('application/json');
    await forge('forged/1');
    expect(await typeOf('a')).to.equal('application/json');
    await (await server.client('bob', app)).put('a', { value: 'of bob' });
    expect(await typeOf('a'), "another's write made no difference").to.equal('application/json');
    await client.put('b', { value: 1 });
    expect(await typeOf('a')).to.equal('forged/1');
  });

  it('are never older than an acknowledged write', async () => {
    for (let n = 0; n < 20; n += 1) {
      await client.put('a', { value: n });
      expect(await Promise.all([value('a'), value('a')])).to.deep.equal([n, n]);
    }
    await client.delete('a');
    expect(await value('a')).to.equal(404);
    await client.put('a', { value: 'again' });
    expect(await value('a')).to.equal('again');
  });

  it('are never older than a write that comes at the same moment and was answered', async () => {
    await client.put('a', { value: 0 });
    for (let n = 1; n <= 30; n += 1) {
      const reads = Array.from({ length: 4 }, () => value('a'));
      await client.put('a', { value: n });
      expect(await value('a')).to.equal(n);
      for (const read of await Promise.all(reads)) expect(read).to.be.oneOf([n - 1, n]);
    }
  });

  it('expire at their second', async () => {
    await client.put('a', { value: 1, ttl: 60 });
    expect(await value('a')).to.equal(1);
    server.clock.advance(60_000);
    expect(await value('a')).to.equal(404);
  });

  it("are each user's and app's own", async () => {
    await client.put('a', { value: 'of alice' });
    expect(await value('a')).to.equal('of alice');
    expect(await value('a', await server.client('bob', app))).to.equal(404);
    expect(await value('a', await server.client('alice', await server.newApp()))).to.equal(404);
  });

  it('make room for each other', async () => {
    for (let n = 0; n < 10; n += 1) await client.put(`k${n}`, { value: 'x'.repeat(30_000) });
    for (let round = 0; round < 2; round += 1) for (let n = 0; n < 10; n += 1) expect(await value(`k${n}`)).to.have.length(30_000);
    await client.put('large', { value: 'x'.repeat(200_000) });
    for (let round = 0; round < 2; round += 1) expect(await value('large')).to.have.length(200_000);
  });

  it('are gone with the account', async () => {
    await client.put('a', { value: 1 });
    expect(await value('a')).to.equal(1);
    await server.database.inTransaction((tx) => server.app.storage.erase(tx, asUserId(alice)));
    expect(await value('a')).to.equal(404);
  });

  if (databases.dialect === 'postgres') {
    it('are never older than what another server has acknowledged', async () => {
      const beside = await startWholeServer(databases, { ...env, TMCP_SERVER_PUBLIC_URL: server.url }, {}, server.shared);
      try {
        const there = clientWith(beside.url, client.token);
        for (let n = 0; n < 20; n += 1) {
          await (n % 2 === 0 ? client : there).put('a', { value: n });
          expect([await value('a'), await value('a', there)]).to.deep.equal([n, n]);
        }
      } finally {
        await beside.close();
      }
    });
  }
});
