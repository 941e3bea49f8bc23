import { expect } from 'chai';
import type { ApiResponse } from '../../support/api.ts';
import { onBothDatabases } from '../../support/databases.ts';
import { startStorageServer, type Client, type StorageServer } from './support.ts';

onBothDatabases('conflicts of stored entries', (databases) => {
  let server: StorageServer;
  let client: Client;
  before(async () => {
    server = await startStorageServer(databases);
  });
  beforeEach(async () => {
    client = await server.client('alice', await server.newApp());
  });
  after(() => server.close());

  const seconds = (ahead = 0): number => Math.floor(server.clock.now() / 1000) + ahead;
  const value = async (key = 'k'): Promise<unknown> => (await client.get(`/${key}`)).body.value;

  describe('preconditions', () => {
    const refused = ({ status, body }: ApiResponse, current: object): void => {
      expect(status).to.equal(412);
      expect(body.error.code).to.equal('PRECONDITION_FAILED');
      expect(body.error.details).to.include(current);
    };

    it('If-Match lets through only who has seen what it replaces, and shows the others what stands', async () => {
      await client.put('k', { value: [1.5] });
      expect((await client.put('k', { value: 'b' }, { 'if-match': '"1"' })).body.rev).to.equal(2);
      refused(await client.put('k', { value: 'c' }, { 'if-match': '"1"' }), { key: 'k', rev: 2, value: 'b', deleted: false });
      expect((await client.put('k', { value: 'c' }, { 'if-match': 'W/"7" , "2"' })).status).to.equal(200);
      expect((await client.put('k', { value: 'd' }, { 'if-match': '*' })).status).to.equal(200);
      refused(await client.put('none', { value: 'd' }, { 'if-match': '*' }), { key: 'none', rev: 0, value: null, deleted: true });
      refused(await client.put('k', { value: 'd' }, { 'if-match': '"04"' }), { rev: 4 });
      refused(await client.delete('k', undefined, { 'if-match': '"1"' }), { rev: 4, value: 'd' });
      expect((await client.delete('k', undefined, { 'if-match': '"4"' })).status).to.equal(200);
      refused(await client.delete('k', undefined, { 'if-match': '"4"' }), { rev: 5, value: null, deleted: true });
      expect((await client.put('k', { value: 1 }, { 'if-match': '4' })).body.error.details[0].field).to.equal('If-Match');
    });

    it('If-None-Match: * creates and replaces nothing', async () => {
      expect((await client.put('k', { value: 1 }, { 'if-none-match': '*' })).status).to.equal(200);
      refused(await client.put('k', { value: 2 }, { 'if-none-match': '*' }), { rev: 1, value: 1 });
      await client.delete('k');
      expect((await client.put('k', { value: 3 }, { 'if-none-match': '*' })).status).to.equal(200);
      await client.put('brief', { value: 1, ttl: 60 });
      server.clock.advance(60_000);
      expect((await client.put('brief', { value: 2 }, { 'if-none-match': '*' })).status).to.equal(200);
    });

    it('If-None-Match spares a reader what it has', async () => {
      await client.put('k', { value: 1 });
      const { status, headers, body } = await client.get('/k', { 'if-none-match': '"1"' });
      expect([status, headers.get('etag'), body]).to.deep.equal([304, '"1"', undefined]);
      expect((await client.get('/k', { 'if-none-match': '"2"' })).status).to.equal(200);
    });

    it('base_rev does the same in a body, a query and a batch; it knows deletions, and 0 for nothing', async () => {
      expect((await client.put('k', { value: 1, base_rev: 0 })).status).to.equal(200);
      refused(await client.put('k', { value: 2, base_rev: 0 }), { rev: 1, value: 1 });
      expect((await client.put('k', { value: 2, base_rev: 1 })).status).to.equal(200);
      refused(await client.delete('k', { base_rev: 1 }), { rev: 2 });
      refused(await client.delete('k', undefined, {}, '?base_rev=1'), { rev: 2 });
      expect((await client.post('/batch/delete', { items: [{ key: 'k', base_rev: 1 }] })).body.results[0]).to.include({ status: 412, applied: false });
      expect((await client.delete('k', { base_rev: 2 })).body.rev).to.equal(3);
      refused(await client.put('k', { value: 3, base_rev: 2 }), { rev: 3, deleted: true });
      expect((await client.put('k', { value: 3, base_rev: 3 })).status).to.equal(200);
    });

    it('of many that write over the same revision one succeeds', async () => {
      await client.put('k', { value: 0 });
      const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => client.put('k', { value: n }, { 'if-match': '"1"' })));
      const done = answers.filter(({ status }) => status === 200);
      expect([done.length, answers.filter(({ status }) => status === 412).length]).to.deep.equal([1, 19]);
      expect(await value()).to.equal(answers.findIndex(({ status }) => status === 200));
    });
  });

  describe('last writer wins by client_timestamp', () => {
    it("answers an older write with the specification's conflict, applied: false and rev", async () => {
      await client.put('k', { value: { a: 1.0 }, client_timestamp: seconds() });
      const { status, body } = await client.put('k', { value: 'older', client_timestamp: seconds(-100) });
      expect(status).to.equal(200);
      expect(body).to.include({ key: 'k', success: true, conflict_detected: true, resolution: 'server_wins', applied: false, rev: 1 });
      expect(body.server_value).to.deep.equal({ a: 1 });
      expect(body).to.have.property('updated_at');
      expect(await value()).to.deep.equal({ a: 1 });
      expect((await client.delete('k', { client_timestamp: seconds(-100) })).body).to.include({ conflict_detected: true, applied: false });
      expect((await client.put('k', { value: 'newer', client_timestamp: seconds() })).body).to.include({ applied: true, conflict_detected: false });
    });

    it('believes a clock up to 60 s ahead and no further', async () => {
      await client.put('fast', { value: 'fast', client_timestamp: seconds(3600) });
      server.clock.advance(55_000);
      expect((await client.put('fast', { value: 'true', client_timestamp: seconds() })).body.applied).to.equal(false);
      server.clock.advance(10_000);
      expect((await client.put('fast', { value: 'true', client_timestamp: seconds() })).body.applied).to.equal(true);
    });

    it('keeps a deletion from being undone by an older write', async () => {
      await client.put('k', { value: 1, client_timestamp: seconds(-1000) });
      await client.delete('k', { client_timestamp: seconds(-500) });
      const { body } = await client.put('k', { value: 'from the past', client_timestamp: seconds(-700) });
      expect(body).to.include({ applied: false, conflict_detected: true, server_value: null, deleted: true });
      expect((await client.get('/k')).status).to.equal(404);
      expect((await client.put('k', { value: 'later', client_timestamp: seconds(-400) })).body.applied).to.equal(true);
    });

    it('keeps what a conditional write has put there from an older one, whatever the clock of its writer', async () => {
      await client.put('k', { value: 0, client_timestamp: seconds(-5000) });
      await client.put('k', { value: 'seen', client_timestamp: seconds(-4000) }, { 'if-match': '"1"' });
      expect((await client.put('k', { value: 'offline', client_timestamp: seconds(-1000) })).body.applied).to.equal(false);
    });

    it('lets an unconditional write without a clock through', async () => {
      await client.put('k', { value: 1, client_timestamp: seconds(60) });
      expect((await client.put('k', { value: 2 })).body.applied).to.equal(true);
    });
  });

  describe('mutation_id', () => {
    it('answers a replay as the first time, whatever has happened since', async () => {
      const first = await client.put('k', { value: 1, mutation_id: 'm1' });
      await client.put('k', { value: 2 });
      const again = await client.put('k', { value: 1, mutation_id: 'm1' });
      expect(again.body).to.deep.equal(first.body);
      expect(again.headers.get('idempotency-replayed')).to.equal('true');
      expect(await value()).to.equal(2);
      const conflict = await client.put('k', { value: 0, client_timestamp: 1, mutation_id: 'm2' });
      await client.delete('k');
      expect((await client.put('k', { value: 0, client_timestamp: 1, mutation_id: 'm2' })).body).to.deep.equal(conflict.body);
      const refused = await client.put('k', { value: 5, base_rev: 1, mutation_id: 'm3' });
      await client.put('k', { value: 6 });
      const still = await client.put('k', { value: 5, base_rev: 1, mutation_id: 'm3' });
      expect([still.status, still.body.error.details]).to.deep.equal([412, refused.body.error.details]);
      expect((await client.delete('k', { mutation_id: 'm4' })).status).to.equal(200);
      expect((await client.delete('k', { mutation_id: 'm4' })).body).to.include({ deleted: true, rev: 5 });
    });

    it('does a write once that comes twenty times at once', async () => {
      const answers = await Promise.all(Array.from({ length: 20 }, () => client.put('k', { value: 1, mutation_id: 'once' })));
      expect(new Set(answers.map(({ body }) => body.rev as number))).to.deep.equal(new Set([1]));
      expect((await client.get('/info')).body.rev).to.equal(1);
    });

    it('belongs to one write', async () => {
      await client.put('k', { value: 1, mutation_id: 'm' });
      for (const answer of [await client.put('k', { value: 2, mutation_id: 'm' }), await client.put('other', { value: 1, mutation_id: 'm' }), await client.delete('k', { mutation_id: 'm' })]) {
        expect([answer.status, answer.body.error.code]).to.deep.equal([409, 'DUPLICATE_TRANSACTION']);
      }
      const bobs = await server.client('bob', 'ma_official_store');
      expect((await bobs.put('k', { value: 2, mutation_id: 'm' })).status).to.equal(200);
    });

    it('may come again when there was no room', async () => {
      const huge = { value: 'x'.repeat(1_048_576) };
      for (let n = 0; n < 9; n += 1) await client.put(`k${n}`, huge);
      await client.put('nearly', { value: 'x'.repeat(1_048_000) });
      expect((await client.put('k', { ...huge, mutation_id: 'm' })).status).to.equal(413);
      await client.delete('k0');
      expect((await client.put('k', { ...huge, mutation_id: 'm' })).body.applied).to.equal(true);
    });
  });

  describe('batches', () => {
    it('do what can be done, and say of each item what a request of its own would have been told', async () => {
      await client.put('seen', { value: 1 });
      const { status, body } = await client.post('/batch/set', '{"items":[{"key":"a","value":1.0},{"key":"seen","value":2,"base_rev":9},{"key":"old","value":1,"ttl":60},{"key":"seen","value":3,"if_none_match":"*"},{"key":"big","value":"' + 'x'.repeat(1_048_577) + '"},{"key":"a","value":{"b":2.50}}]}');
      expect(status).to.equal(200);
      expect(body.success).to.equal(false);
      expect((body.results as { key: string; status: number; applied: boolean }[]).map((item) => [item.key, item.status, item.applied])).to.deep.equal([['a', 200, true], ['seen', 412, false], ['old', 200, true], ['seen', 412, false], ['big', 413, false], ['a', 200, true]]);
      expect(body.results[1].error.details).to.include({ rev: 1, value: 1 });
      expect(((await client.post('/batch/get', { keys: ['a', 'none', 'seen', 'a'] })).body.items as { found: boolean }[]).map((item) => item.found)).to.deep.equal([true, false, true, true]);
      const response = await fetch(`${server.url}/api/v1/storage/a`, { headers: { authorization: `Bearer ${client.token}` } });
      expect(await response.text()).to.contain('"value":{"b":2.50}');
    });

    it('atomic ones do all or nothing', async () => {
      await client.put('seen', { value: 1 });
      const refused = await client.post('/batch/set', { atomic: true, items: [{ key: 'a', value: 1, mutation_id: 'm' }, { key: 'seen', value: 2, base_rev: 9 }, { key: 'b', value: 1 }] });
      expect([refused.status, refused.body.success]).to.deep.equal([200, false]);
      expect((refused.body.results as { error: { code: string } }[]).map(({ error }) => error.code)).to.deep.equal(['BATCH_ABORTED', 'PRECONDITION_FAILED', 'BATCH_ABORTED']);
      expect((await client.get('')).body.keys).to.deep.equal(['seen']);
      expect((await client.get('/info')).body).to.include({ rev: 1, current_keys: 1 });
      const done = await client.post('/batch/set', { atomic: true, items: [{ key: 'a', value: 1, mutation_id: 'm' }, { key: 'seen', value: 2, base_rev: 1 }] });
      expect(done.body.success).to.equal(true);
      expect((await client.post('/batch/set', { atomic: true, items: [{ key: 'c', value: 1 }, { key: 'info', value: 1 }] })).body.results[0].error.code).to.equal('BATCH_ABORTED');
      expect((await client.get('')).body.keys).to.deep.equal(['a', 'seen']);
    });

    it('delete by key, and are not stopped by what is gone already', async () => {
      await client.post('/batch/set', { items: [{ key: 'a', value: 1 }, { key: 'b', value: 1 }] });
      const { body } = await client.post('/batch/delete', { keys: ['a', 'none', 'b'], atomic: true });
      expect(body.success).to.equal(true);
      expect((body.results as { status: number }[]).map(({ status }) => status)).to.deep.equal([200, 404, 200]);
      expect((await client.get('')).body.keys).to.deep.equal([]);
    });

    it('have 1 to 100 items', async () => {
      const items = (count: number): object[] => Array.from({ length: count }, (_, n) => ({ key: `k${n}`, value: n }));
      expect((await client.post('/batch/set', { items: items(100) })).body.success).to.equal(true);
      for (const [path, body, field] of [
        ['set', { items: items(101) }, 'items'],
        ['set', { items: [] }, 'items'],
        ['get', { keys: [] }, 'keys'],
        ['get', { keys: Array.from({ length: 101 }, () => 'k') }, 'keys'],
        ['set', { items: [{ key: 'a' }] }, 'items.0.value'],
        ['set', { items: [{ key: 'a', value: 1, ttl: 5 }] }, 'items.0.ttl'],
        ['delete', {}, 'keys'],
      ] as const) {
        const answer = await client.post(`/batch/${path}`, body);
        expect([answer.status, answer.body.error?.details[0].field], path).to.deep.equal([400, field]);
      }
      expect((await client.post('/batch/get', { keys: Array.from({ length: 100 }, (_, n) => `k${n}`) })).body.items).to.have.length(100);
    });
  });
});
