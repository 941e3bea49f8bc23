import { expect } from 'chai';
import { gzipSync } from 'node:zlib';
import { call, firstPartyToken, type ApiResponse } from '../../support/api.ts';
import type { TestDatabase } from '../../support/databases.ts';
import { sendRaw, statusesIn } from '../../support/raw-http.ts';
import { HS_TOKEN } from '../../support/server-process.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { queued, startWholeServer, type WholeServer } from '../../support/whole-server.ts';

const sqlite: TestDatabase = { dialect: 'sqlite', createUrl: () => Promise.resolve(`sqlite:${temporaryDirectory('hostile')}/tmcp.db`) };
const next = 'GET /api/v1/version HTTP/1.1\r\nHost: x\r\n\r\n';

describe('requests that mean ill', () => {
  let server: WholeServer;
  let token: string;
  before(async () => {
    server = await startWholeServer(sqlite);
    server.identity.whoami.set('syt_alice', { user_id: '@alice:example.org', is_guest: false });
    token = await firstPartyToken(server.url, 'syt_alice', 'tmcp_store');
  });
  after(() => server.close());

  const batch = '/api/v1/storage/batch/get';
  const post = (headers: string, body: string): string => `POST ${batch} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\n${headers}\r\n\r\n${body}`;
  const get = (head: string): string => `GET /api/v1/version HTTP/1.1\r\n${head}\r\n\r\n`;

  describe('are refused, with their connection, where two programs may read them in two ways:', () => {
    const forms: Record<string, () => string> = {
      'a length and chunks': () => post('Content-Length: 5\r\nTransfer-Encoding: chunked', '0\r\n\r\n'),
      'two lengths': () => post('Content-Length: 2\r\nContent-Length: 3', '{}'),
      'a length with a sign': () => post('Content-Length: +2', '{}'),
      'a coding that is not known': () => post('Transfer-Encoding: xchunked', '0\r\n\r\n'),
      'codings before the chunks': () => post('Transfer-Encoding: gzip, chunked', '0\r\n\r\n'),
      'two codings': () => post('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity', '0\r\n\r\n'),
      'a space before the colon': () => post('Transfer-Encoding : chunked', '0\r\n\r\n'),
      'lines of one byte in chunks': () => post('Transfer-Encoding: chunked', '2\n{}\n0\n\n'),
      'lines of one byte': () => 'GET /api/v1/version HTTP/1.1\nHost: x\n\n',
      'a folded header': () => get('Host: x\r\nX-A: b\r\n c'),
      'a zero byte in a header': () => get('Host: x\r\nX-A: b\0c'),
      'two hosts': () => get('Host: x\r\nHost: y'),
      'no host': () => get('X-A: b'),
      'a host with a name in front': () => get('Host: x@y'),
      'a host with a space': () => get('Host: x y'),
      'two credentials': () => get(`Host: x\r\nAuthorization: Bearer ${token}\r\nauthorization: Bearer other`),
      'two media types': () => get('Host: x\r\nContent-Type: application/json\r\nContent-Type: text/plain'),
      'two idempotency keys': () => get('Host: x\r\nIdempotency-Key: a\r\nIdempotency-Key: b'),
      'no version': () => 'GET /api/v1/version\r\n\r\n',
      'a version of another protocol': () => 'GET /api/v1/version HTTP/3.7\r\nHost: x\r\n\r\n',
      'the preface of HTTP/2': () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      'bytes that are no text in the address': () => 'GET /api/v1/storage/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n',
      'an address of another kind': () => 'GET ftp://x/api/v1/version HTTP/1.1\r\nHost: x\r\n\r\n',
      'a method that is none': () => 'FROBNICATE /api/v1/version HTTP/1.1\r\nHost: x\r\n\r\n',
    };
    for (const [what, form] of Object.entries(forms)) {
      it(what, async () => {
        const answer = await sendRaw(server.url, form() + next);
        expect(statusesIn(answer), answer).to.deep.equal([400]);
        expect(answer).to.match(/^connection: close\r$/im).and.match(/"code":"INVALID_REQUEST"/);
      });
    }
  });

  it('by the whole address are the same as by the path, wherever they go', async () => {
    for (const path of ['/api/v1/version', '/oauth2/jwks', '/.well-known/openid-configuration', '/health/live']) {
      expect(statusesIn(await sendRaw(server.url, `GET http://evil.example${path} HTTP/1.1\r\nHost: x\r\n\r\n`)), path).to.deep.equal([200]);
    }
    expect(statusesIn(await sendRaw(server.url, 'GET http://evil.example HTTP/1.1\r\nHost: x\r\n\r\n'))).to.deep.equal([404]);
    const transaction = `PUT http://x/_matrix/app/v1/transactions/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}`;
    expect(statusesIn(await sendRaw(server.url, transaction))).to.deep.equal([401]);
  });

  it('with a name of their own for this server change none of its addresses', async () => {
    const forwarded = 'Host: evil.example.\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: gopher\r\nForwarded: host=evil.example';
    for (const path of ['/.well-known/openid-configuration', '/openapi.json', '/oauth2/device', '/oauth2/authorize?client_id=ma_official_gifts']) {
      const answer = await sendRaw(server.url, `GET ${path} HTTP/1.1\r\n${forwarded}\r\n\r\n`);
      expect(statusesIn(answer)).to.have.length(1);
      expect(answer, path).not.to.match(/evil\.example|gopher/);
    }
  });

  it('by other methods than a path has do nothing', async () => {
    for (const method of ['TRACE', 'PROPFIND', 'DELETE', 'PATCH']) {
      const answer = await sendRaw(server.url, `${method} /api/v1/version HTTP/1.1\r\nHost: x\r\nCookie: secret=1\r\n\r\n`);
      expect(statusesIn(answer), method).to.deep.equal([405]);
      expect(answer).not.to.contain('secret=1');
    }
    expect(await sendRaw(server.url, 'CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n')).to.equal('');
    const upgrade = await sendRaw(server.url, get('Host: x\r\nConnection: Upgrade\r\nUpgrade: h2c'));
    expect(statusesIn(upgrade), 'nothing is switched to').to.deep.equal([200]);
    expect(statusesIn(await sendRaw(server.url, post('Expect: something\r\nContent-Length: 14', '{"keys":["a"]}')))).to.deep.equal([200]);
    expect(statusesIn(await sendRaw(server.url, post('Expect: 100-continue\r\nContent-Length: 14', '{"keys":["a"]}')))).to.deep.equal([100, 200]);
  });

  it('by other spellings of a path find nothing', async () => {
    for (const path of ['//api/v1/version', '/API/v1/version', '/api/v1/version/', '/api//v1/version', '/api/v1/%76ersion%2f', '/oauth2/jwks/', '/OAUTH2/jwks', '/oauth2/%6awks', '/oauth2//jwks', '/x/../oauth2/jwks', '/_MATRIX/APP/V1/thirdparty/user', '/TRANSACTIONS/1']) {
      expect(statusesIn(await sendRaw(server.url, `GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${HS_TOKEN}\r\n\r\n`)), path).to.deep.equal([404]);
    }
  });

  describe('in their bodies', () => {
    const send = (body: string | Buffer, headers: Record<string, string> = {}, path = batch, method = 'POST'): Promise<ApiResponse> =>
      fetch(server.url + path, { method, headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers }, body: typeof body === 'string' ? body : new Uint8Array(body) }).then(async (response) => ({ status: response.status, headers: response.headers, body: (await response.json()) as ApiResponse['body'] }));

    it('bytes that are not UTF-8 are refused, not replaced', async () => {
      const { status, body } = await send(Buffer.from('{"value":"\xff\xfe"}', 'latin1'), {}, '/api/v1/storage/bytes', 'PUT');
      expect([status, body.error.details]).to.deep.equal([400, [{ field: 'body', problem: 'is not valid UTF-8' }]]);
    });

    for (const charset of ['utf-7', 'utf-16', 'utf-32', 'latin1']) {
      it(`the charset ${charset} is refused`, async () => expect((await send('{"value":1}', { 'content-type': `application/json; charset=${charset}` }, '/api/v1/storage/charset', 'PUT')).status).to.equal(415));
    }

    it('what unpacks to more than is taken is refused, and so is what does not unpack', async () => {
      expect((await send(gzipSync(`{"keys":["${'a'.repeat(20_000_000)}"]}`), { 'content-encoding': 'gzip' })).status).to.equal(413);
      expect((await send('no gzip', { 'content-encoding': 'gzip' })).status).to.equal(400);
      expect((await send('{}', { 'content-encoding': 'snappy' })).status).to.equal(415);
    });

    it('the homeserver\'s too, in its own form of errors', async () => {
      const put = (path: string, body: string | Buffer, headers: Record<string, string> = {}) => send(body, { authorization: `Bearer ${HS_TOKEN}`, ...headers }, path, 'PUT');
      const bad = await put('/_matrix/app/v1/transactions/1', 'no gzip', { 'content-encoding': 'gzip' });
      expect([bad.status, bad.body.errcode]).to.deep.equal([400, 'M_UNKNOWN']);
      expect((await put('/_matrix/app/v1/transactions/2', '{}', { 'content-encoding': 'snappy' })).status).to.equal(415);
      const path = await call(server.url, 'GET', '/_matrix/app/v1/users/%ff', { token: HS_TOKEN });
      expect([path.status, path.body.errcode]).to.deep.equal([400, 'M_UNKNOWN']);
    });

    it('very many wrong parts are answered in little time with few words', async () => {
      const startedAt = performance.now();
      const many = await send(`{"keys":[${'1,'.repeat(400_000)}1]}`);
      const keys = await send(`{${Array.from({ length: 90_000 }, (_, n) => `"k${n}":1`).join()}}`);
      const tookMs = performance.now() - startedAt;
      for (const { status, body } of [many, keys]) expect([status, JSON.stringify(body).length < 5000], JSON.stringify(body).slice(0, 300)).to.deep.equal([400, true]);
      expect(tookMs, 'before, the first took 18 seconds').to.be.lessThan(5000);
      // Of a body of ordinary size all are named, up to twenty.
      const { body } = await send(`{"keys":[${Array.from({ length: 50 }, () => '1').join()}],"x":1,"${'y'.repeat(500)}":1}`);
      expect(body.error.details).to.have.length(20);
      expect(body.error.message).to.match(/; and 3\d more$/);
      expect(Math.max(...(body.error.details as { field: string }[]).map(({ field }) => field.length))).to.be.at.most(256);
    });

    it('names that are JavaScript\'s own are nothing special', async () => {
      expect((await send('{"keys":["a"],"__proto__":{"x":1}}')).body.error.details).to.deep.equal([{ field: '__proto__', problem: 'is not a known field' }]);
      expect((await call(server.url, 'GET', '/api/v1/store/apps?__proto__=1')).status).to.equal(400);
      expect(({} as { x?: unknown }).x).to.equal(undefined);
    });

    it('an event that is deeper than it can be written holds up no other', async () => {
      const event = (id: string, content: string): string => `{"type":"m.tween.miniapp.launch","event_id":"${id}","room_id":"!r:example.org","sender":"@alice:example.org","content":${content}}`;
      const body = `{"events":[${event('$deep', `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`)},${event('$flat', '{"miniapp_id":"ma_x"}')}]}`;
      const answer = await send(body, { authorization: `Bearer ${HS_TOKEN}` }, '/_matrix/app/v1/transactions/deep', 'PUT');
      expect(answer.status).to.equal(200);
      const [received] = await queued<object>(server.database, 'inbound.received');
      const recording = await server.app.jobs['inbound.received']!.run({ body: received } as never);
      await server.database.inTransaction(async (tx) => recording!(tx));
      expect((await queued<{ event: { eventId: string } }>(server.database, 'inbound.event')).map(({ event: { eventId } }) => eventId)).to.deep.equal(['$flat']);
    });
  });

  describe('with forwarded addresses', () => {
    let trusting: WholeServer;
    let count = 0;
    before(async () => {
      trusting = await startWholeServer(sqlite, { TMCP_SERVER_TRUSTED_PROXIES: '127.0.0.1' });
    });
    after(() => trusting.close());

    /** The address that the audit log has of a request that came with this header. */
    const addressOf = async (forwarded: string, to: WholeServer): Promise<string> => {
      const userId = `@dev${(count += 1)}:example.org`;
      await fetch(`${to.url}/admin/developers/whitelist`, { method: 'POST', headers: { authorization: `Bearer ${to.adminToken}`, 'content-type': 'application/json', 'x-forwarded-for': forwarded }, body: JSON.stringify({ matrix_user_id: userId }) });
      const entry = await to.database.sql<{ address: string; target: string }>('audit_entry').where({ target: userId }).first();
      return entry!.address;
    };
    for (const [forwarded, trusted, seen] of [
      ['192.0.2.1', '', '127.0.0.1'],
      ['192.0.2.1', '127.0.0.1', '192.0.2.1'],
      ['203.0.113.9, 192.0.2.1', '127.0.0.1', '192.0.2.1'],
      ['192.0.2.1:4711', '127.0.0.1', '192.0.2.1'],
      ['[2001:db8::1]:4711', '127.0.0.1', '2001:db8::1'],
      ['nobody knows', '127.0.0.1', '127.0.0.1'],
      ['x'.repeat(5000), '127.0.0.1', '127.0.0.1'],
    ] as const) {
      it(`${JSON.stringify(forwarded.slice(0, 30))} from ${trusted === '' ? 'anybody' : 'a trusted proxy'} is ${seen}`, async () => expect(await addressOf(forwarded, trusted === '' ? server : trusting)).to.equal(seen));
    }
  });
});
