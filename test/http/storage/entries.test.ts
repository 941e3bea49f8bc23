import { expect } from 'chai';
import { request } from 'node:http';
import { call } from '../../support/api.ts';
import { onBothDatabases } from '../../support/databases.ts';
import { startStorageServer, type Client, type StorageServer } from './support.ts';

/** A request whose path goes out as it is: fetch would tidy it up. */
function rawRequest(url: string, method: string, path: string, token: string, body?: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const headers = { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }) };
    const req = request({ hostname, port, method, path, headers }, (res) => {
      let text = '';
      res.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      res.on('end', () => resolve({ status: res.statusCode ?? 0, text }));
    });
    req.on('error', reject);
    req.end(body);
  });
}

onBothDatabases('stored entries', (databases) => {
  let server: StorageServer;
  let app: string;
  let client: Client;
  before(async () => {
    server = await startStorageServer(databases);
  });
  beforeEach(async () => {
    app = await server.newApp();
    client = await server.client('alice', app);
  });
  after(() => server.close());

  it('stores and answers as the specification shows it', async () => {
    const stored = await client.put('cart_items', { value: '{"items":[{"id":"prod_123","qty":2}]}', ttl: 86400, metadata: { content_type: 'application/json' } });
    expect(stored.status).to.equal(200);
    expect(stored.body).to.include({ key: 'cart_items', success: true, applied: true, conflict_detected: false, rev: 1 });
    const { status, headers, body } = await client.get('/cart_items');
    expect(status).to.equal(200);
    expect(headers.get('etag')).to.equal('"1"');
    expect(body).to.include({ key: 'cart_items', value: '{"items":[{"id":"prod_123","qty":2}]}', rev: 1 });
    expect(body.metadata).to.deep.equal({ size_bytes: 37, content_type: 'application/json' });
    expect(Date.parse(body.expires_at as string) - Date.parse(body.created_at as string)).to.equal(86_400_000);
  });

  it('keeps when it was created, and says when it was changed', async () => {
    const first = await client.put('k', { value: 1 });
    server.clock.advance(5000);
    const second = await client.put('k', { value: 2 });
    expect(second.body.created_at).to.equal(first.body.created_at);
    expect(Date.parse(second.body.updated_at as string) - Date.parse(first.body.updated_at as string)).to.be.at.least(5000);
    expect(second.body.rev).to.equal(2);
  });

  it('deletes, and says when there was nothing to delete', async () => {
    await client.put('k', { value: 'v' });
    expect((await client.delete('k')).body).to.include({ success: true, deleted: true, rev: 2 });
    expect((await client.get('/k')).body.error.code).to.equal('NOT_FOUND');
    expect((await client.delete('k')).status).to.equal(404);
    expect((await client.get('/info')).body).to.include({ current_usage_bytes: 0, current_keys: 0 });
  });

  const faithful: [string, string, number][] = [
    ['a number beyond a double', '12345678901234567890', 20],
    ['a number with an exponent', '1E400', 5],
    ['a decimal zero', '1.0', 3],
    ['minus zero', '-0', 2],
    ['null', 'null', 4],
    ['a list', '[1.50,"a b",{"b":1,"1":2,"a":null}]', 35],
    ['an object with numeric and repeated keys', '{"b":1,"10":2,"2":3,"b":4}', 26],
    ['deep nesting', `${'['.repeat(500_000)}${']'.repeat(500_000)}`, 1_000_000],
    ['strings that look like structure', '{"a":"}],\\"{[","b\\\\":"\\u0000 \\ud800"}', 37],
  ];
  for (const [what, value, bytes] of faithful) {
    it(`returns ${what} as it was sent`, async () => {
      const put = await rawRequest(server.url, 'PUT', '/api/v1/storage/k', client.token, ` { "ttl" : 60, "metadata":{}, "value" :\n ${value} }`);
      expect(put.status).to.equal(200);
      const { text } = await rawRequest(server.url, 'GET', '/api/v1/storage/k', client.token);
      expect(text).to.contain(`"value":${value}`);
      expect(JSON.parse(text).metadata.size_bytes).to.equal(bytes);
    });
  }

  it('leaves white space between tokens out, and that inside strings in', async () => {
    await rawRequest(server.url, 'PUT', '/api/v1/storage/k', client.token, '{"value": { "a b" : [ 1.0 ,\t"x  y" ] } }');
    expect((await rawRequest(server.url, 'GET', '/api/v1/storage/k', client.token)).text).to.contain('"value":{"a b":[1.0,"x  y"]}');
  });

  it('takes the last of several values, as every JSON parser does', async () => {
    await rawRequest(server.url, 'PUT', '/api/v1/storage/k', client.token, '{"value":1,"value":{"n":2.0}}');
    expect((await rawRequest(server.url, 'GET', '/api/v1/storage/k', client.token)).text).to.contain('"value":{"n":2.0}');
  });

  it('takes a form as it takes JSON', async () => {
    const response = await fetch(`${server.url}/api/v1/storage/k`, { method: 'PUT', headers: { authorization: `Bearer ${client.token}` }, body: new URLSearchParams({ value: 'from a form', ttl: '60' }) });
    expect(response.status).to.equal(200);
    const { body } = await client.get('/k');
    expect(body.value).to.equal('from a form');
    expect(body).to.have.property('expires_at');
  });

  it('refuses what means nothing, naming the field', async () => {
    const cases: [unknown, string][] = [
      [{}, 'value'],
      [{ value: 1, ttl: 59 }, 'ttl'],
      [{ value: 1, ttl: 2_592_001 }, 'ttl'],
      [{ value: 1, ttl: 60.5 }, 'ttl'],
      [{ value: 1, ttl: '60' }, 'ttl'],
      [{ value: 1, tll: 60 }, 'tll'],
      [{ value: 1, base_rev: -1 }, 'base_rev'],
      [{ value: 1, client_timestamp: 1_703_001_234_000 }, 'client_timestamp'],
      [{ value: 1, mutation_id: '' }, 'mutation_id'],
      [{ value: 1, mutation_id: 'a b' }, 'mutation_id'],
      [{ value: 1, metadata: { content_type: 'text/plain\n' } }, 'metadata.content_type'],
      [{ value: 1, metadata: { owner: '@bob:example.org' } }, 'metadata.owner'],
    ];
    for (const [body, field] of cases) {
      const answer = await client.put('k', body);
      expect(answer.status, JSON.stringify(body)).to.equal(400);
      expect(answer.body.error.details[0].field, JSON.stringify(body)).to.equal(field);
    }
    expect((await client.put('k', '{"value": ')).body.error.details[0].field).to.equal('body');
    for (const query of ['limit=0', 'limit=1001', 'limit=x', 'cursor=%25', 'cursor=AA', 'user_id=@bob:example.org', `prefix=${'a'.repeat(257)}`]) {
      const { status, body } = await client.get(`?${query}`);
      expect(status, query).to.equal(400);
      expect(body.error.details[0].field, query).to.equal(query.split('=')[0]);
    }
  });

  describe('keys', () => {
    const roundTrip = async (path: string, key: string): Promise<void> => {
      expect((await rawRequest(server.url, 'PUT', `/api/v1/storage/${path}`, client.token, '{"value":"v"}')).status, path).to.equal(200);
      const { status, text } = await rawRequest(server.url, 'GET', `/api/v1/storage/${path}`, client.token);
      expect(status, path).to.equal(200);
      expect(JSON.parse(text)).to.include({ key, value: 'v' });
      expect((await client.get('')).body.keys, path).to.deep.equal([key]);
      expect((await client.post('/batch/get', { keys: [key] })).body.items[0], path).to.include({ key, found: true });
      expect((await rawRequest(server.url, 'DELETE', `/api/v1/storage/${path}`, client.token)).status, path).to.equal(200);
    };

    it('are texts and no paths: tricks are harmless', async () => {
      for (const [path, key] of [
        ['..', '..'],
        ['.', '.'],
        ['%2e%2e', '..'],
        ['%2F', '/'],
        ['..%2F..%2Fadmin', '../../admin'],
        ['%2e%2e%2f%40bob%3Aexample.org%2Fma_other%2Fk', '../@bob:example.org/ma_other/k'],
        ['batch', 'batch'],
        ['INFO', 'INFO'],
        ['%25', '%'],
        ["a'%20OR%201=1%20--", "a' OR 1=1 --"],
        ['a%20b', 'a b'],
        ['__proto__', '__proto__'],
        ['constructor', 'constructor'],
        ['%F0%9F%98%80', '😀'],
        [encodeURIComponent('é'.repeat(128)), 'é'.repeat(128)],
        ['k'.repeat(256), 'k'.repeat(256)],
      ] as const) await roundTrip(path, key);
    });

    it('are compared byte by byte: normal forms and capitals are different keys', async () => {
      const keys = ['\u00e9', 'e\u0301', 'K', 'k', '\u212a', 'k ', 'ｋ'];
      for (const key of keys) expect((await client.put(key, { value: key })).body.rev).to.equal(keys.indexOf(key) + 1);
      for (const key of keys) expect((await client.get(`/${encodeURIComponent(key)}`)).body.value).to.equal(key);
      expect((await client.get('')).body.keys).to.deep.equal(keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
    });

    it('that can be none are refused, by every way in', async () => {
      const bad: [string, string][] = [
        ['%00', 'a\u0000b'],
        ['a%0Ab', 'a\nb'],
        ['%C2%85', '\u0085'],
        ['k'.repeat(257), 'k'.repeat(257)],
        [encodeURIComponent('é'.repeat(129)), 'é'.repeat(129)],
      ];
      for (const [path, key] of bad) {
        for (const method of ['GET', 'PUT', 'DELETE']) {
          const { status, text } = await rawRequest(server.url, method, `/api/v1/storage/${path}`, client.token, method === 'PUT' ? '{"value":1}' : undefined);
          expect(status, `${method} ${path}`).to.equal(400);
          expect(JSON.parse(text).error.details[0].field, `${method} ${path}`).to.equal('key');
        }
        const { body } = await client.post('/batch/set', { items: [{ key, value: 1 }] });
        expect(body.results[0], path).to.include({ key, status: 400, applied: false });
        expect((await client.post('/batch/get', { keys: [key] })).body.error.details[0].field).to.equal('keys.0');
      }
      const unspeakable = (await client.post('/batch/set', '{"items":[{"key":"\\ud800","value":1},{"key":"","value":1}]}')).body.results as { status: number }[];
      expect(unspeakable.map(({ status }) => status)).to.deep.equal([400, 400]);
      for (const path of ['%FF', '%', '%zz']) expect((await rawRequest(server.url, 'PUT', `/api/v1/storage/${path}`, client.token, '{"value":1}')).status, path).to.equal(400);
      for (const path of ['', 'a/b', '../storage/k/']) expect((await rawRequest(server.url, 'PUT', `/api/v1/storage/${path}`, client.token, '{"value":1}')).status, path).to.equal(404);
      for (const key of ['info', 'changes', 'export']) expect((await client.put(key, { value: 1 })).body.error.details[0].field).to.equal('key');
      expect((await client.get('/info')).body.current_keys).to.equal(0);
    });
  });

  describe('lists', () => {
    it('keys by prefix, page by page, without a gap or an overlap', async () => {
      const keys = ['a', 'cart', 'cart_', 'cart_1', 'cart_2', 'cart_é', 'cart_😀', 'cart_\u{10ffff}', 'cart_\u{10ffff}z', 'cart`', 'd'];
      await client.post('/batch/set', { items: keys.map((key) => ({ key, value: key })) });
      const all: string[] = [];
      for (let cursor: string | undefined; ; ) {
        const { body } = await client.get(`?prefix=cart_&limit=2${cursor === undefined ? '' : `&cursor=${cursor}`}`);
        all.push(...(body.keys as string[]));
        expect((body.items as { key: string }[]).map((item) => item.key)).to.deep.equal(body.keys);
        expect(body.has_more).to.equal(body.next_cursor !== undefined);
        if (body.has_more !== true) break;
        cursor = body.next_cursor as string;
      }
      expect(all).to.deep.equal(keys.filter((key) => key.startsWith('cart_')));
      expect((await client.get(`?prefix=${encodeURIComponent('cart_\u{10ffff}')}`)).body.keys).to.have.length(2);
      expect((await client.get('?prefix=%25')).body.keys).to.deep.equal([]);
      expect((await client.get('')).body.keys).to.deep.equal(keys);
      expect((await client.get('')).body.items[1]).not.to.have.property('value');
    });
  });

  describe('time to live', () => {
    it('ends at the second it ends, whether or not anybody has swept', async () => {
      await client.put('short', { value: 'x'.repeat(100), ttl: 60 });
      await client.put('long', { value: 'y', ttl: 2_592_000 });
      await client.put('for good', { value: 'z' });
      const { expires_at } = (await client.get('/short')).body as { expires_at: string };
      await server.clock.still(async () => {
        server.clock.advance(Date.parse(expires_at) - server.clock.now() - 1);
        expect((await client.get('/short')).status).to.equal(200);
        server.clock.advance(1);
        expect((await client.get('/short')).status).to.equal(404);
      });
      expect((await client.get('')).body.keys).to.deep.equal(['for good', 'long']);
      expect((await client.post('/batch/get', { keys: ['short'] })).body.items).to.deep.equal([{ key: 'short', found: false }]);
      expect((await client.get('/info')).body).to.include({ current_usage_bytes: 4 + 1 + 8 + 1, current_keys: 2 });
      expect((await client.delete('short')).status).to.equal(404);
    });

    it('is forgotten by a write without one', async () => {
      await client.put('k', { value: 1, ttl: 60 });
      await client.put('k', { value: 2 });
      server.clock.advance(61_000);
      expect((await client.get('/k')).body.value).to.equal(2);
    });

    it('starts anew as a new entry when it was over', async () => {
      const first = await client.put('k', { value: 1, ttl: 60 });
      server.clock.advance(60_000);
      const second = await client.put('k', { value: 2 });
      expect(second.body.created_at).not.to.equal(first.body.created_at);
      expect((await client.get('/info')).body.current_keys).to.equal(1);
    });
  });

  describe('lets in only tokens of the user and the app', () => {
    const operations: [string, string, string, object?][] = [
      ['GET', '', 'storage:read'],
      ['GET', '/info', 'storage:read'],
      ['GET', '/export', 'storage:read'],
      ['GET', '/changes', 'storage:read'],
      ['GET', '/k', 'storage:read'],
      ['PUT', '/k', 'storage:write', { value: 1 }],
      ['DELETE', '/k', 'storage:write'],
      ['POST', '/batch/set', 'storage:write', { items: [{ key: 'k', value: 1 }] }],
      ['POST', '/batch/delete', 'storage:write', { keys: ['k'] }],
    ];
    for (const [method, path, scope, body] of operations) {
      it(`${method} ${path}: no token, a wrong one, a Matrix one, an administrator's, one without ${scope}, a revoked one`, async () => {
        const status = async (token?: string): Promise<[number, string]> => {
          const answer = await call(server.url, method, `/api/v1/storage${path}`, { body, ...(token === undefined ? {} : { token }) });
          return [answer.status, answer.body?.error?.code as string];
        };
        expect(await status()).to.deep.equal([401, 'INVALID_TOKEN']);
        expect(await status('tep.eyJhbGciOiJub25lIn0.e30.')).to.deep.equal([401, 'INVALID_TOKEN']);
        expect(await status('syt_alice')).to.deep.equal([401, 'INVALID_TOKEN']);
        expect(await status(server.adminToken)).to.deep.equal([401, 'INVALID_TOKEN']);
        const other = scope === 'storage:read' ? 'storage:write' : 'storage:read';
        expect(await status((await server.client('bob', app, other)).token)).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
        const revoked = await server.client('bob', app);
        await server.client('bob', app);
        expect(await status(revoked.token)).to.deep.equal([401, 'INVALID_TOKEN']);
      });
    }

    it('POST /batch/get: with either scope', async () => {
      for (const scope of ['storage:read', 'storage:write']) expect((await (await server.client('alice', app, scope)).post('/batch/get', { keys: ['k'] })).status, scope).to.equal(200);
      expect((await call(server.url, 'POST', '/api/v1/storage/batch/get', { body: { keys: ['k'] } })).status).to.equal(401);
    });

    it("another user's, another app's and the host's entries can not be named", async () => {
      const others = [await server.client('bob', app), await server.client('alice', await server.newApp())];
      const host = (await call(server.url, 'POST', '/oauth2/token', { headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: new URLSearchParams({ grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange', subject_token: 'syt_alice', subject_token_type: 'urn:ietf:params:oauth:token-type:access_token', audience: 'tmcp_store' }).toString() })).body.access_token as string;
      await client.put('secret', { value: "alice's" });
      for (const token of [...others.map((other) => other.token), host]) {
        const ask = (method: string, path: string, body?: object) => call(server.url, method, `/api/v1/storage${path}`, { token, body });
        expect((await ask('GET', '/secret')).status).to.equal(404);
        expect((await ask('DELETE', '/secret')).status).to.equal(404);
        expect((await ask('GET', '')).body.keys).to.deep.equal([]);
        expect((await ask('GET', '/info')).body).to.include({ current_usage_bytes: 0, rev: 0 });
        expect((await ask('GET', '/changes')).body.changes).to.deep.equal([]);
        expect((await ask('POST', '/batch/get', { keys: ['secret'] })).body.items).to.deep.equal([{ key: 'secret', found: false }]);
        for (const stranger of [`user_id=${encodeURIComponent('@alice:example.org')}`, `miniapp_id=${app}`, `namespace=${app}`]) expect((await ask('GET', `/secret?${stranger}`)).status).to.equal(400);
        expect((await ask('PUT', '/secret', { value: 1, user_id: '@alice:example.org' })).status).to.equal(400);
        expect((await ask('PUT', '/secret', { value: 'mine' })).body.rev).to.equal(1);
      }
      expect((await client.get('/secret')).body.value).to.equal("alice's");
    });
  });
});
