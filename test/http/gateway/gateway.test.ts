import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { request } from 'node:http';
import { expect } from 'chai';
import express from 'express';
import { apiRouter, createGateway, createListener, loadContract } from '../../../src/http/index.ts';
import { deprecationHeaders } from '../../../src/http/versions.ts';
import { createJobQueue, Worker } from '../../../src/jobs/index.ts';
import { currentTrace, plainTracer, readTraceparent, traceparentOf } from '../../../src/kernel/trace.ts';
import { BridgeHomeserver } from '../../../src/matrix/index.ts';
import { boundedRequest, HttpConnections } from '../../../src/security/http-request.ts';
import { call, firstPartyToken } from '../../support/api.ts';
import { onBothDatabases, openTestDatabase, type TestDatabase } from '../../support/databases.ts';
import { eventually } from '../../support/eventually.ts';
import { startServer } from '../../support/http-server.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { startWholeServer, type WholeServer } from '../../support/whole-server.ts';
import { recordingLog, TestClock } from '../oauth/support.ts';

const sqlite: TestDatabase = { dialect: 'sqlite', createUrl: () => Promise.resolve(`sqlite:${temporaryDirectory('gateway')}/tmcp.db`) };
const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const traceparent = `00-${traceId}-00f067aa0ba902b7-01`;
const noLimits = { admit: () => Promise.resolve(), assertMayTry: () => Promise.resolve(), credentialsRefused: () => Promise.resolve(), failed: () => Promise.resolve() };

describe('the gateway', () => {
  let server: WholeServer;
  before(async () => {
    server = await startWholeServer(sqlite, { TMCP_SERVER_HEADERS_TIMEOUT_SECONDS: '2', TMCP_SERVER_MAX_HEADER_BYTES: '8192' });
    server.identity.whoami.set('syt_alice', { user_id: '@alice:example.org', is_guest: false });
  });
  after(() => server.close());

  describe('versions', () => {
    it('are answered everywhere', async () => {
      for (const path of ['/api/v1/version', '/oauth2/jwks', '/no/such/path', '/health/live', '/oauth2/sign-in?return_to=/']) expect((await fetch(server.url + path, { redirect: 'manual' })).headers.get('tmcp-version'), path).to.equal('1.9.0');
    });

    for (const version of ['1', '1.0', '1.2.0', '1.9', '1.9.0', '1.9.7', 'v1.9.0']) {
      it(`${version} is spoken`, async () => expect((await call(server.url, 'GET', '/api/v1/version', { headers: { 'tmcp-version': version } })).status).to.equal(200));
    }
    for (const version of ['2', '2.0.0', '0.9', '1.10', '1.10.0', 'latest', '1.x', '']) {
      it(`${JSON.stringify(version)} is refused, with what is spoken`, async () => {
        const { status, body } = await call(server.url, 'GET', '/api/v1/version', { headers: { 'tmcp-version': version } });
        expect([status, body.error.code]).to.deep.equal([400, 'UNSUPPORTED_PROTOCOL_VERSION']);
        expect(body.error.details).to.deep.equal({ supported: { from: '1.0', to: '1.9.0' } });
      });
    }

    it('are refused under /oauth2 in the form of RFC 6749', async () => {
      const response = await fetch(`${server.url}/oauth2/token`, { method: 'POST', headers: { 'tmcp-version': '3.0' }, body: new URLSearchParams({ grant_type: 'refresh_token' }) });
      expect([response.status, ((await response.json()) as { error: string }).error]).to.deep.equal([400, 'invalid_request']);
    });

    it('of an operation that will go away say so (RFC 9745, RFC 8594)', async () => {
      const headers = deprecationHeaders({ since: '2026-01-01T00:00:00Z', sunset: '2027-01-01T00:00:00Z', link: 'https://tmcp.example/changes' });
      expect(headers).to.deep.equal({ Deprecation: '@1767225600', Sunset: 'Fri, 01 Jan 2027 00:00:00 GMT', Link: '<https://tmcp.example/changes>; rel="deprecation"; type="text/html"' });
      expect(() => deprecationHeaders({ since: 'soon' })).to.throw(RangeError);

      const { document, operations } = loadContract(new URL('../../../schema/openapi.yaml', import.meta.url));
      const one = operations.filter(({ id }) => id === 'getVersion').map((operation) => ({ ...operation, deprecation: headers }));
      const app = express().use(apiRouter({ contract: { document, operations: one }, routes: { getVersion: () => ({ status: 200, body: {} }) }, authenticators: {} as never, bodyLimitBytes: 1024, checkResponses: false, onPrivileged: () => Promise.resolve() }));
      const deprecated = await startServer(app);
      const answer = await fetch(`${deprecated.url}/api/v1/version`);
      expect([answer.headers.get('deprecation'), answer.headers.get('sunset')]).to.deep.equal([headers.Deprecation, headers.Sunset]);
      await deprecated.close();
    });
  });

  describe('security headers', () => {
    it('are on every answer', async () => {
      for (const path of ['/api/v1/version', '/oauth2/jwks', '/no/such/path']) {
        const { headers } = await call(server.url, 'GET', path);
        expect([headers.get('x-content-type-options'), headers.get('referrer-policy'), headers.get('x-frame-options'), headers.get('content-security-policy'), headers.get('x-powered-by'), headers.get('strict-transport-security')], path).to.deep.equal(['nosniff', 'no-referrer', 'DENY', "default-src 'none'; frame-ancestors 'none'", null, null]);
      }
    });

    it('let pages have their own style and nothing else', async () => {
      for (const path of ['/reference', '/oauth2/device', '/account/activate']) {
        const policy = (await fetch(server.url + path)).headers.get('content-security-policy')!;
        expect(policy, path).to.match(/^default-src 'none'; style-src 'sha256-[\w+/]+='; img-src data:; /);
      }
    });

    it('tell browsers to come by https only where the server is reached by it, for a year at least', async () => {
      const gateway = createGateway({ log: recordingLog(), clock: new TestClock(), observe: () => undefined, tracer: plainTracer, https: true, trustedProxies: [], limits: noLimits, appservice: undefined, api: undefined });
      const secure = await startServer(gateway);
      expect((await fetch(`${secure.url}/`)).headers.get('strict-transport-security')).to.equal('max-age=31536000');
      await secure.close();
    });
  });

  describe('slow and greedy clients', () => {
    const opened = async (): Promise<Socket> => {
      const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
      socket.on('error', () => undefined);
      await once(socket, 'connect');
      return socket;
    };

    it('do not hold up others, a thousand of them at once, and are cut off in time', async function () {
      this.timeout(30_000);
      const before = process.memoryUsage().rss;
      const sockets = await Promise.all(Array.from({ length: 1000 }, opened));
      for (const socket of sockets) socket.write('GET /api/v1/version HTTP/1.1\r\nHost: x\r\nX-Slow: ');
      expect((await call(server.url, 'GET', '/api/v1/version')).status).to.equal(200);
      expect((process.memoryUsage().rss - before) / 2 ** 20).to.be.lessThan(150);
      await Promise.all(sockets.map((socket) => new Promise<void>((resolve) => (socket.destroyed ? resolve() : socket.once('close', () => resolve()).resume()))));
      expect((await call(server.url, 'GET', '/api/v1/version')).status).to.equal(200);
    });

    it('get 431 for headers that are too large, and 413 without being read for a body that is', async () => {
      const large = await call(server.url, 'GET', '/api/v1/version', { headers: { 'x-large': 'x'.repeat(9000) } });
      expect([large.status, large.body.error.code]).to.deep.equal([431, 'HEADERS_TOO_LARGE']);
      const token = await firstPartyToken(server.url, 'syt_alice', 'tmcp_store');
      const sent = request(`${server.url}/api/v1/storage/key`, { method: 'PUT', headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'content-length': String(50 * 2 ** 20) } });
      sent.on('error', () => undefined);
      sent.write('{"value":"');
      const [answer] = (await once(sent, 'response')) as [{ statusCode: number }];
      expect(answer.statusCode).to.equal(413);
      sent.destroy();
    });

    it('that go on sending after they were answered are cut off in a moment', async function () {
      this.timeout(15_000);
      const socket = await opened();
      const chunks: Buffer[] = [];
      socket.on('data', (chunk: Buffer) => chunks.push(chunk));
      socket.write('POST /oauth2/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n');
      socket.write(`40000\r\n${'x'.repeat(0x40000)}\r\n`);
      await eventually(() => expect(Buffer.concat(chunks).toString()).to.contain('HTTP/1.1 400 '), { description: 'it is answered' });
      const drip = setInterval(() => socket.write('1\r\nx\r\n'), 100);
      await once(socket, 'close');
      clearInterval(drip);
    });

    it('are told what was wrong with what is no request', async () => {
      const socket = await opened();
      const chunks: Buffer[] = [];
      socket.on('data', (chunk: Buffer) => chunks.push(chunk)).write('NONSENSE\r\n\r\n');
      await once(socket, 'close');
      expect(Buffer.concat(chunks).toString()).to.match(/^HTTP\/1\.1 400 Bad Request\r\n[^]*"code":"INVALID_REQUEST"/);
    });

    it('get 400 for JSON that is deeper than anybody needs, and others are served', async () => {
      const deep = `${'{"a":'.repeat(150_000)}1${'}'.repeat(150_000)}`;
      const { status } = await call(server.url, 'POST', '/mini-apps/v1/register', { token: server.adminToken, body: deep });
      expect(status).to.equal(400);
      expect((await call(server.url, 'GET', '/api/v1/version')).status).to.equal(200);
    });

    it('are refused beyond the connections that may be open', async () => {
      const small = createListener((_req, res) => void res.end('ok'), { headersTimeoutMs: 5000, requestTimeoutMs: 5000, maxHeaderBytes: 8192, maxConnections: 2, clock: new TestClock() }).listen(0, '127.0.0.1');
      await once(small, 'listening');
      const { port } = small.address() as { port: number };
      const sockets = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')];
      await Promise.all(sockets.map((socket) => once(socket, 'connect')));
      await eventually(() => new Promise<void>((resolve, reject) => small.getConnections((_error, count) => (count === 2 ? resolve() : reject(new Error(String(count)))))), { description: 'both are accepted' });
      const third = connect(port, '127.0.0.1');
      third.on('error', () => undefined).resume();
      await once(third, 'close');
      for (const socket of sockets) socket.destroy();
      small.close();
    });
  });

  describe('traces', () => {
    it('are read as the W3C says, and anything else is ignored', () => {
      expect(readTraceparent(traceparent)).to.deep.equal({ traceId, spanId: '00f067aa0ba902b7', sampled: true });
      expect(readTraceparent(`cc-${traceId}-00f067aa0ba902b7-00-more`)).to.deep.equal({ traceId, spanId: '00f067aa0ba902b7', sampled: false });
      const wrong = ['', 'x', traceparent.toUpperCase(), `ff-${traceId}-00f067aa0ba902b7-01`, `${traceparent}-more`, `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`, `00-${traceId}-${'0'.repeat(16)}-01`, ['x'], undefined];
      for (const text of wrong) expect(readTraceparent(text), String(text)).to.equal(undefined);
    });

    it('go on in what is asked of the homeserver, by either client, and in webhooks', async () => {
      const seen: (string | undefined)[] = [];
      const homeserver = await startServer((req, res) => {
        seen.push(req.headers.traceparent as string | undefined);
        res.setHeader('content-type', 'application/json').end(JSON.stringify({ versions: ['v1.11'], user_id: '@_tmcp:example.org' }));
      });
      const bridge = new BridgeHomeserver({ homeserverUrl: homeserver.url, domain: 'example.org', registration: { id: 'tmcp', url: 'http://127.0.0.1:9', as_token: 'as', hs_token: 'hs', sender_localpart: '_tmcp' }, requestTimeoutMs: 5000 });
      const connections = new HttpConnections();
      await currentTrace.run(readTraceparent(traceparent)!, async () => {
        await bridge.request('GET', '/_matrix/client/v3/account/whoami');
        await boundedRequest(connections, new URL(homeserver.url), { timeoutMs: 5000, maxBytes: 1000 });
      });
      expect(new Set(seen)).to.deep.equal(new Set([traceparent]));
      await bridge.close();
      await connections.close();
      await homeserver.close();
    });

    it('are named in the log line of the request', async () => {
      await call(server.url, 'GET', '/api/v1/version', { headers: { traceparent } });
      await eventually(() => expect(server.log.lines.some((line) => line.includes(traceId))).to.equal(true), { description: 'the request is logged' });
    });
  });

  describe('the document', () => {
    it('is there for programs, with what holds for every operation', async () => {
      const { status, body, headers } = await call(server.url, 'GET', '/openapi.json');
      expect(status).to.equal(200);
      expect(headers.get('cache-control')).to.equal('public, max-age=300');
      expect([body.openapi, body.servers[0].url, body.info.version]).to.deep.equal(['3.1.0', server.url, 'test']);
      const operation = body.paths['/wallet/v1/balance'].get;
      expect(operation['x-rate-limit']).to.equal('balance_query');
      expect(Object.keys(operation.responses['429'].headers as object)).to.include.members(['X-RateLimit-Limit', 'Retry-After']);
      expect(body.paths['/health/live'].get.responses).not.to.include.keys('429');
    });

    it('is there for people, on one page without scripts', async () => {
      const response = await fetch(`${server.url}/reference`);
      const page = await response.text();
      expect(response.headers.get('content-type')).to.contain('text/html');
      expect(page).to.contain('/wallet/v1/p2p/{transfer_id}/confirm').and.contain('Limit: p2p_transfers');
      expect(page).not.to.match(/<script|src="http|href="http/);
      for (const { id } of loadContract(new URL('../../../schema/openapi.yaml', import.meta.url)).operations) expect(page, id).to.contain(`id="${id}"`);
    });

    it('comes with its schemas, and with nothing that is beside them', async () => {
      expect((await call(server.url, 'GET', '/schema/events/m.tween.gift.json')).body.type).to.equal('object');
      expect((await call(server.url, 'GET', '/schema/config.json')).body.title).to.contain('tmcp-server');
      const yaml = await fetch(`${server.url}/schema/openapi.yaml`);
      expect([yaml.headers.get('content-type'), (await yaml.text()).startsWith('openapi: 3.1.0')]).to.deep.equal(['application/yaml', true]);
      for (const path of ['/schema/..%2Fpackage.json', '/schema/events', '/schema/events/..%2F..%2Fpackage.json', '/schema/none.json']) expect((await call(server.url, 'GET', path)).status, path).to.equal(404);
    });
  });
});

onBothDatabases('a job', (databases) => {
  it('goes on with the trace of the request that queued it', async () => {
    const database = await openTestDatabase(databases);
    const clock = new TestClock();
    const queue = createJobQueue(clock);
    const traces: string[] = [];
    const settled = Promise.withResolvers<void>();
    await currentTrace.run(readTraceparent(traceparent)!, () => database.inTransaction(async (tx) => queue.enqueue(tx, { stream: 's', kind: 'traced', body: {} })));
    const kinds = { traced: { run: async () => void traces.push(traceparentOf(currentTrace.getStore()!)) } };
    const options = { maxAttempts: 3, pollIntervalMs: 20, leaseMs: 5000, concurrency: 1, backoffBaseMs: 1, backoffCapMs: 5 };
    const worker = new Worker({ database, clock, log: recordingLog(), kinds, options, onSettled: () => settled.resolve() });
    worker.start();
    await settled.promise;
    await worker.stop();
    await database.close();
    expect(traces).to.have.length(1);
    expect(readTraceparent(traces[0])).to.deep.include({ traceId, sampled: true });
    expect(traces[0]).not.to.equal(traceparent);
  });
});

