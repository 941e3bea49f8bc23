import { once } from 'node:events';
import { openAsBlob, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { call, firstPartyToken } from '../support/api.ts';
import { requireOrSkip } from '../support/availability.ts';
import { writeCrowd } from '../support/bundles.ts';
import { eventually } from '../support/eventually.ts';
import { HS_TOKEN, prepareServer, type ServerProcess } from '../support/server-process.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { tmcpPrints } from '../support/tmcp.ts';
import { startBankHomeserver, type BankHomeserver } from './bank/homeserver.ts';

/** What the process may take at its worst moment, where it idles at some 160: several transactions of 50 MiB are in memory at once. */
const MOST_MEMORY_MB = 1024;
/** What somebody else waits for an answer at most, beside all of this and on a busy machine. */
const LONGEST_WAIT_MS = 8000;
const BODY_BYTES = 50 * 2 ** 20;
const KEYS = 100_000;
const DEPTH = 100_000;
const FILES = 1_000_000;
/** What an upload that is refused may cost, however many files it has: buffers on their way to the disk. */
const MOST_UPLOAD_MB = 150;
const mb = 2 ** 20;

/** What the process has and had at most (`/proc/PID/status`), in MB. */
function memoryOf(pid: number): { readonly now: number; readonly peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const read = (name: string): number => Math.round(Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) / 1024);
  return { now: read('VmRSS'), peak: read('VmHWM') };
}

describe('a server process, when clients are slow and greedy', () => {
  let homeserver: BankHomeserver;
  let server: ServerProcess;
  let alice: string;
  let bob: string;
  let admin: string;
  before(async function () {
    this.timeout(60_000);
    requireOrSkip(this, process.platform === 'linux' ? undefined : 'memory is read from /proc');
    homeserver = await startBankHomeserver(['alice', 'bob']);
    server = await prepareServer({ env: { TMCP_HOMESERVER_URL: homeserver.url, TMCP_HOMESERVER_DOMAIN: 'example.org', TMCP_SERVER_TRUSTED_PROXIES: '127.0.0.1', TMCP_LOG_LEVEL: 'warn', TMCP_BUNDLES_MAX_BYTES: String(200 * mb) } });
    await server.start();
    [alice, bob] = [await firstPartyToken(server.url, 'syt_alice', 'tmcp_store'), await firstPartyToken(server.url, 'syt_bob', 'tmcp_store')];
    admin = (await tmcpPrints(['admin', 'token', '--name', 'root'], { env: server.env, cwd: server.directory })).trim();
    await call(server.url, 'PUT', '/api/v1/storage/mine', { token: alice, body: { value: 'here' } });
  });
  after(async function () {
    // It may still be taking in, for nothing, what it has refused.
    this.timeout(30_000);
    await server?.stop();
    await homeserver?.close();
  });

  /** Does it while somebody else goes on reading and writing; both must be well, and memory bounded. */
  async function beside(what: string, work: () => Promise<void>): Promise<void> {
    let over = false;
    const waits: number[] = [];
    const other = (async () => {
      for (let n = 0; !over || n < 3; n += 1) {
        const startedAt = performance.now();
        const { status, body } = n % 5 === 0 ? await call(server.url, 'PUT', '/api/v1/storage/other', { token: alice, body: { value: n } }) : await call(server.url, 'GET', '/api/v1/storage/mine', { token: alice });
        waits.push(performance.now() - startedAt);
        expect([status, n % 5 === 0 ? body.success : body.value]).to.deep.equal([200, n % 5 === 0 ? true : 'here']);
        await delay(20);
      }
    })();
    await Promise.all([work().finally(() => (over = true)), other]);
    const { now, peak } = memoryOf(server.pid!);
    console.log(`      ${what}: ${now} MB now, ${peak} MB at most so far; ${waits.length} requests of another, the slowest took ${Math.round(Math.max(...waits))} ms`);
    expect(peak, 'MB at most').to.be.lessThan(MOST_MEMORY_MB);
    expect(Math.max(...waits), 'the slowest request of another').to.be.lessThan(LONGEST_WAIT_MS);
  }

  const open = async (): Promise<Socket> => {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    return socket;
  };

  it('refuses a bundle that really has a million files by their number, and keeps nothing of it', async function () {
    this.timeout(60_000);
    const { body: app } = await call(server.url, 'POST', '/mini-apps/v1/register', { token: admin, body: { name: 'Crowd', technical: { entry_url: 'https://crowd.example' } } });
    await call(server.url, 'POST', `/admin/v1/mini-apps/${app.miniapp_id as string}/approve`, { token: admin, body: {} });
    const directory = temporaryDirectory('crowd');
    const [honest, lying] = [join(directory, 'honest.zip'), join(directory, 'lying.zip')];
    writeCrowd(honest, FILES);
    // Readers that go by the size of the list find all of them.
    writeCrowd(lying, FILES, 40);
    expect([honest, lying].map((file) => Math.round(statSync(file).size / mb)), 'MB').to.deep.equal([93, 93]);
    const upload = async (file: string): Promise<unknown> => {
      const form = new FormData();
      form.append('metadata', JSON.stringify({ version: '1.1.0' }));
      form.append('bundle', await openAsBlob(file), 'app.zip');
      const response = await fetch(`${server.url}/mini-apps/v1/${app.miniapp_id as string}/versions`, { method: 'POST', headers: { authorization: `Bearer ${admin}` }, body: form });
      const { error } = (await response.json()) as { error: { details?: { problem: string }[] } };
      return [response.status, error.details?.[0]?.problem ?? error];
    };
    // The peak begins anew.
    writeFileSync(`/proc/${server.pid!}/clear_refs`, '5');
    const before = memoryOf(server.pid!).now;
    const startedAt = performance.now();
    await beside('a million files', async () => {
      expect(await upload(honest)).to.deep.equal([400, 'has more than 2000 files']);
      expect(await upload(lying)).to.deep.equal([400, 'is not a well-formed ZIP archive: it has more files than it counts']);
    });
    console.log(`      both were taken in and refused within ${Math.round(performance.now() - startedAt)} ms, with ${memoryOf(server.pid!).peak - before} MB more`);
    expect(memoryOf(server.pid!).peak - before, 'MB more').to.be.lessThan(MOST_UPLOAD_MB);
    const kept = readdirSync(join(server.directory, 'data', 'bundles'), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    expect(kept.map(({ name }) => name)).to.deep.equal([]);
    const { body } = await call(server.url, 'GET', `/mini-apps/v1/${app.miniapp_id as string}/versions`, { token: admin });
    expect((body.versions as { version: string }[]).map(({ version }) => version)).to.deep.equal(['1.0.0']);
    rmSync(directory, { recursive: true });
  });

  it('serves others beside a thousand connections that do not come to the point', async function () {
    this.timeout(60_000);
    const sockets = await Promise.all(Array.from({ length: 1000 }, open));
    await beside('1,000 slow connections', async () => {
      // Half of them never end their headers, half never their bodies.
      sockets.forEach((socket, n) => socket.write(n % 2 === 0 ? 'GET /api/v1/version HTTP/1.1\r\nHost: x\r\nX-Slow: ' : `PUT /api/v1/storage/slow HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${bob}\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{"value":"`));
      for (let turn = 0; turn < 10; turn += 1) {
        await delay(100);
        for (const socket of sockets) socket.write('x');
      }
      expect(sockets.filter(({ destroyed }) => !destroyed)).to.have.length(1000);
    });
    for (const socket of sockets) socket.destroy();
  });

  /** Sends as much as the other side takes, until it answers. `framed`: says beforehand how much. */
  function pour(method: string, path: string, token: string | undefined, framed: boolean, chunk: Buffer): Promise<number> {
    return new Promise((resolve) => {
      const sent = request(`${server.url}${path}`, { method, headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), 'content-type': path.startsWith('/oauth2/') ? 'application/x-www-form-urlencoded' : 'application/json', ...(framed ? { 'content-length': String(BODY_BYTES) } : { 'transfer-encoding': 'chunked' }) } });
      let left = BODY_BYTES;
      let status = 0;
      const write = (): void => {
        while (left > 0 && status === 0) {
          const part = left >= chunk.length ? chunk : chunk.subarray(0, left);
          left -= part.length;
          if (!sent.write(part)) return void sent.once('drain', write);
        }
        if (left === 0) sent.end();
      };
      sent.once('response', (response) => {
        status = response.statusCode ?? 0;
        response.resume().once('close', () => sent.destroy());
      });
      sent.on('error', () => undefined).once('close', () => resolve(status));
      write();
    });
  }

  it('serves others beside bodies of 50 MB, wherever and by whomever they are sent', async function () {
    this.timeout(90_000);
    const events = Buffer.alloc(mb, `{"type":"m.room.message","event_id":"$x","room_id":"!r:example.org","sender":"@alice:example.org","content":{"body":"${'m.room.member '.repeat(60)}"}},`);
    const statuses: Record<string, number> = {};
    await beside('50 MB bodies', async () => {
      const bodies: [string, string, string | undefined, boolean][] = [
        ['PUT', '/_matrix/app/v1/transactions/wrong1', 'not-the-hs-token', true],
        ['PUT', '/_matrix/app/v1/transactions/wrong2', 'not-the-hs-token', false],
        ['PUT', '/_matrix/app/v1/transactions/right1', HS_TOKEN, true],
        ['PUT', '/_matrix/app/v1/transactions/right2', HS_TOKEN, false],
        ['PUT', '/_matrix/app/v1/transactions/right3', HS_TOKEN, true],
        ['PUT', '/api/v1/storage/large1', bob, true],
        ['PUT', '/api/v1/storage/large2', bob, false],
        ['POST', '/api/v1/storage/batch/set', bob, false],
        ['POST', '/mini-apps/v1/register', admin, false],
        ['POST', '/oauth2/token', undefined, false],
        ['POST', '/api/v1/client/bootstrap', undefined, false],
        ['POST', '/no/such/path', undefined, false],
      ];
      await Promise.all(bodies.map(async ([method, path, token, framed]) => {
        statuses[`${path} ${framed ? 'framed' : 'chunked'}`] = await pour(method, path, token, framed, events);
      }));
    });
    expect(statuses).to.deep.equal({
      '/_matrix/app/v1/transactions/wrong1 framed': 403,
      '/_matrix/app/v1/transactions/wrong2 chunked': 403,
      // 50 MiB are let through and are no JSON.
      '/_matrix/app/v1/transactions/right1 framed': 400,
      '/_matrix/app/v1/transactions/right2 chunked': 400,
      '/_matrix/app/v1/transactions/right3 framed': 400,
      '/api/v1/storage/large1 framed': 413,
      '/api/v1/storage/large2 chunked': 413,
      '/api/v1/storage/batch/set chunked': 413,
      '/mini-apps/v1/register chunked': 413,
      // In the form of RFC 6749.
      '/oauth2/token chunked': 400,
      '/api/v1/client/bootstrap chunked': 401,
      '/no/such/path chunked': 404,
    });
  });

  it('takes in two transactions of 50 MB of the homeserver at once, and serves others', async function () {
    this.timeout(90_000);
    const event = (n: number): string => `{"type":"m.tween.unknown","event_id":"$e${n}","room_id":"!r:example.org","sender":"@alice:example.org","content":{"body":"m.room.member ${'x'.repeat(60_000)}"}}`;
    const body = `{"events":[${Array.from({ length: Math.floor((BODY_BYTES - 1000) / (event(0).length + 10)) }, (_, n) => event(n)).join()}]}`;
    await beside('two transactions of 50 MB', async () => {
      const put = (txnId: string): Promise<number> => fetch(`${server.url}/_matrix/app/v1/transactions/${txnId}`, { method: 'PUT', headers: { authorization: `Bearer ${HS_TOKEN}`, 'content-type': 'application/json' }, body }).then(({ status }) => status);
      expect(await Promise.all([put('whole1'), put('whole2')])).to.deep.equal([200, 200]);
      await eventually(async () => expect(await (await fetch(server.metricsUrl)).text()).to.match(/^tmcp_appservice_events_total\{concern="ignored"\} [1-9]/m), { description: 'they are taken apart', timeoutMs: 30_000 });
    });
  });

  it('forgets whom it counts: a hundred thousand addresses', async function () {
    this.timeout(120_000);
    const sockets = await Promise.all(Array.from({ length: 10 }, open));
    await beside('100,000 keys', async () => {
      await Promise.all(sockets.map(async (socket, lane) => {
        let answered = 0;
        let sent = 0;
        const done = Promise.withResolvers<void>();
        const share = KEYS / sockets.length;
        const more = (): void => {
          let text = '';
          for (const until = Math.min(share, answered + 100); sent < until; sent += 1) text += `GET /no HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 10.${lane}.${sent >> 8}.${sent & 255}\r\n\r\n`;
          if (text !== '') socket.write(text);
        };
        let tail = '';
        socket.on('data', (data: Buffer) => {
          const text = tail + data.toString('latin1');
          answered += text.split('HTTP/1.1 404').length - 1;
          // What may be the beginning of the next one.
          tail = text.slice(-11);
          if (tail.includes('HTTP/1.1 404')) tail = '';
          if (answered >= share) done.resolve();
          else if (sent - answered < 50) more();
        });
        more();
        await done.promise;
        socket.destroy();
      }));
    });
    const keys = Number(/^tmcp_rate_limit_local_keys (\d+)$/m.exec(await (await fetch(server.metricsUrl)).text())?.[1]);
    expect(keys, 'as many are known as there may be of one category, and not many more').to.be.within(KEYS / 2, KEYS + 1000);
  });

  it('answers JSON that is a hundred thousand levels deep, very many parameters and very many headers', async function () {
    this.timeout(60_000);
    const deep = `${'['.repeat(DEPTH)}${']'.repeat(DEPTH)}`;
    const statuses: number[] = [];
    await beside('deep and many', async () => {
      const post = async (path: string, token: string, body: string, type = 'application/json', method = 'POST'): Promise<void> => void statuses.push((await call(server.url, method, path, { token, body, headers: { 'content-type': type } })).status);
      await post('/mini-apps/v1/register', admin, `{"name":${deep}}`);
      await post('/api/v1/storage/deep', bob, `{"value":${deep}}`, 'application/json', 'PUT');
      await post('/_matrix/app/v1/transactions/deep', HS_TOKEN, `{"events":[{"content":${deep}}],"x":"m.room.member"}`, 'application/json', 'PUT');
      await post('/api/v1/storage/batch/get', bob, Array.from({ length: 80_000 }, (_, n) => `k${n}=1`).join('&'), 'application/x-www-form-urlencoded');
      await post('/api/v1/storage/batch/get', bob, `{"keys":[${'1,'.repeat(400_000)}1]}`);
      const query = await call(server.url, 'GET', `/api/v1/store/apps?${Array.from({ length: 2500 }, (_, n) => `a${n}`).join('&')}`);
      const headers = await call(server.url, 'GET', '/api/v1/version', { headers: Object.fromEntries(Array.from({ length: 2500 }, (_, n) => [`x-${n}`, '1'])) });
      statuses.push(query.status, headers.status);
    });
    expect(statuses).to.deep.equal([400, 200, 200, 400, 400, 400, 431]);
  });
});
