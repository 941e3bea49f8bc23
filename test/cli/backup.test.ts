import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import BetterSqlite3 from 'better-sqlite3';
import { expect } from 'chai';
import { finishSqliteCopy, openDatabase } from '../../src/database/index.ts';
import { readStored } from '../../src/matrix/inbox.ts';
import { eventually } from '../support/eventually.ts';
import { HS_TOKEN, prepareServer, type ServerProcess } from '../support/server-process.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { tmcp, tmcpJson, tmcpPrints } from '../support/tmcp.ts';

const eventsPerTransaction = 20;
const text = 'x'.repeat(2000);

/** What a homeserver pushes: invitations. They stay queued, because there is no homeserver where they could be followed. */
const transaction = (number: number): string =>
  JSON.stringify({
    events: Array.from({ length: eventsPerTransaction }, (_, index) => ({
      type: 'm.room.member',
      event_id: `$${number}-${index}:hs.test`,
      room_id: '!room:hs.test',
      sender: '@alice:hs.test',
      state_key: '@_tmcp:hs.test',
      content: { membership: 'invite', text },
    })),
  });

async function push(server: ServerProcess, number: number): Promise<void> {
  const response = await fetch(`${server.url}/_matrix/app/v1/transactions/${number}`, { method: 'PUT', headers: { authorization: `Bearer ${HS_TOKEN}`, 'content-type': 'application/json' }, body: transaction(number) });
  if (!response.ok) throw new Error(`transaction ${number} was answered ${response.status}`);
}

/** Pushes transactions, one after another, until told to stop; returns how many were taken. */
async function pushWhile(server: ServerProcess, first: number, goOn: () => boolean): Promise<number> {
  let number = first;
  for (; goOn(); number += 1) await push(server, number);
  return number;
}

/** How many of its events a copy has of each transaction, taken apart already or not yet. */
function transactionsIn(file: string): Map<number, number> {
  const copy = new BetterSqlite3(file, { readonly: true });
  try {
    const events = copy.prepare(`SELECT id FROM job WHERE kind = 'inbound.event'`).pluck().all() as string[];
    const whole = copy.prepare(`SELECT body FROM job WHERE kind = 'inbound.received' AND state = 'queued'`).pluck().all() as string[];
    const waiting = whole.flatMap((body) => readStored(JSON.parse(body)).transactions.flatMap(({ events: raw }) => (raw as { event_id: string }[]).map(({ event_id }) => event_id)));
    const ids = new Set([...events, ...waiting]);
    const counts = new Map<number, number>();
    for (const id of ids) {
      const number = parseInt(id.slice(1), 10);
      counts.set(number, (counts.get(number) ?? 0) + 1);
    }
    return counts;
  } finally {
    copy.close();
  }
}

const sqliteFile = (server: ServerProcess): string => join(server.directory, 'data/tmcp.db');
const keyRing = (server: ServerProcess): string => join(server.directory, 'data/key-ring.json');

describe('tmcp backup', function () {
  this.timeout(60_000);
  const earlier = 100;
  let server: ServerProcess;
  let adminToken: string;
  let pushed: number;
  let file: string;
  let answer: { code: number | string | null; stdout: string; stderr: string };

  before(async function () {
    this.timeout(60_000);
    server = await prepareServer();
    await server.start();
    adminToken = (await tmcpPrints(['admin', 'token', '--name', 'alice'], { env: server.env })).trimEnd();
    for (let number = 0; number < earlier; number += 1) await push(server, number);

    file = join(temporaryDirectory('backup'), 'copy.db');
    let isDone = false;
    const load = pushWhile(server, earlier, () => !isDone);
    answer = await tmcp(['backup', file], { env: server.env });
    isDone = true;
    pushed = await load;
  });
  after(() => server?.stop());

  it('copies a database that is written to all the time, and says how large the copy is', () => {
    const { size, mode } = statSync(file);
    expect({ code: answer.code, stdout: answer.stdout }).to.deep.equal({ code: 0, stdout: `${file}: ${size} bytes\n` });
    expect(mode & 0o777).to.equal(0o600);
    expect(readdirSync(join(file, '..'))).to.deep.equal(['copy.db']);
    expect(pushed, 'transactions during the copy').to.be.greaterThan(earlier);
  });

  it('says that the key ring is not in it, and where that is, but nothing of it', () => {
    expect(answer.stderr).to.contain('key ring is not in it').and.to.contain(keyRing(server));
    const { keys } = JSON.parse(readFileSync(keyRing(server), 'utf8')) as { keys: { secret: string }[] };
    for (const { secret } of keys) {
      expect(answer.stderr + answer.stdout).not.to.contain(secret);
      expect(readFileSync(file).includes(secret)).to.equal(false);
    }
  });

  it('has everything that was acknowledged before it began, and each later transaction whole or not at all', () => {
    const copy = new BetterSqlite3(file, { readonly: true });
    expect(copy.pragma('integrity_check', { simple: true })).to.equal('ok');
    expect(copy.pragma('journal_mode', { simple: true })).to.equal('delete');
    copy.close();
    const found = transactionsIn(file);
    expect(new Set(found.values())).to.deep.equal(new Set([eventsPerTransaction]));
    const numbers = [...found.keys()].sort((a, b) => a - b);
    expect(numbers.slice(0, earlier)).to.deep.equal(Array.from({ length: earlier }, (_, number) => number));
    expect(numbers, 'no gaps').to.deep.equal(numbers.map((_, index) => index));
  });

  it('can be restored: put into its place with the key ring, it runs', async () => {
    const restored = await prepareServer();
    mkdirSync(join(restored.directory, 'data'), { recursive: true });
    copyFileSync(file, sqliteFile(restored));
    const { checks } = JSON.parse((await tmcp(['doctor', '--json'], { env: restored.env })).stdout) as { checks: { name: string; status: string; mend?: string }[] };
    expect(checks.find(({ name }) => name === 'key-ring')).to.deep.include({ status: 'failed' });
    copyFileSync(keyRing(server), keyRing(restored));

    await restored.start();

    const response = await fetch(`${restored.url}/mini-apps/v1/ma_official_wallet/status`, { headers: { authorization: `Bearer ${adminToken}` } });
    expect(response.status).to.equal(200);
    await eventually(
      async () => {
        const { jobs } = (await tmcpJson(['queue', 'list', '--state', 'queued', '--limit', '100000', '--json'], { env: restored.env })) as { jobs: { kind: string }[] };
        expect(jobs.filter(({ kind }) => kind === 'inbound.event').length).to.equal(transactionsIn(file).size * eventsPerTransaction);
      },
      { description: 'all transactions taken apart' },
    );
    await restored.stop();
  });

  it('never overwrites a file', async () => {
    const mine = join(temporaryDirectory('backup'), 'mine.db');
    writeFileSync(mine, 'mine');
    const { code, stdout, stderr } = await tmcp(['backup', mine], { env: server.env });
    expect({ code, stdout }).to.deep.equal({ code: 1, stdout: '' });
    expect(stderr).to.contain(`${mine} exists already`);
    expect(readFileSync(mine, 'utf8')).to.equal('mine');
  });

  it('leaves nothing behind when the database is damaged', async () => {
    const directory = temporaryDirectory('backup');
    const damaged = join(directory, 'damaged.db');
    copyFileSync(file, damaged);
    const bytes = readFileSync(damaged);
    bytes.fill(0xff, bytes.length >> 1, (bytes.length >> 1) + 64 * 1024);
    writeFileSync(damaged, bytes);

    const { code, stdout, stderr } = await tmcp(['backup', join(directory, 'copy.db')], { env: { TMCP_DATABASE_URL: `sqlite:${damaged}` }, cwd: directory });

    expect({ code, stdout }).to.deep.equal({ code: 1, stdout: '' });
    expect(stderr).to.match(/damaged|malformed/);
    expect(readdirSync(directory).filter((name) => name.startsWith('copy'))).to.deep.equal([]);
  });

  it('prints JSON on request', async () => {
    const copy = join(temporaryDirectory('backup'), 'copy.db');
    const printed = await tmcpJson(['backup', copy, '--json'], { env: server.env });
    expect(printed).to.deep.equal({ file: copy, size_bytes: statSync(copy).size });
  });
});

describe('the copy of an SQLite database', function () {
  this.timeout(60_000);
  it('is not started over by commits of other processes', async () => {
    const directory = temporaryDirectory('copy');
    const source = join(directory, 'source.db');
    const database = openDatabase({ url: `sqlite:${source}`, poolSize: 1, busyTimeoutMs: 5000, lockTimeoutMs: 5000 });
    await database.check();
    const writer = new BetterSqlite3(source);
    writer.exec('CREATE TABLE note (text TEXT)');
    const insert = writer.prepare('INSERT INTO note VALUES (?)');
    writer.transaction(() => {
      for (let count = 0; count < 5000; count += 1) insert.run(text);
    })();

    let isDone = false;
    const copying = database.backup(join(directory, 'copy.db')).finally(() => (isDone = true));
    // Each turn of the event loop that copies a part meets a new commit.
    let turns = 0;
    for (; !isDone && turns < 1000; turns += 1) {
      insert.run(text);
      await setImmediate();
    }

    await copying;
    writer.close();
    await database.close();
    expect(turns).to.be.below(1000);
    expect(finishSqliteCopy(join(directory, 'copy.db'))).to.deep.equal([]);
    const copy = new BetterSqlite3(join(directory, 'copy.db'), { readonly: true });
    expect(copy.prepare('SELECT count(*) FROM note').pluck().get()).to.be.within(5000, 5000 + turns);
    copy.close();
  });
});
