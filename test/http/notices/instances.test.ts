import { expect } from 'chai';
import { call, exchange } from '../../support/api.ts';
import { requireOrSkip } from '../../support/availability.ts';
import { eventually } from '../../support/eventually.ts';
import { openEvents } from '../../support/event-stream.ts';
import { postgresAvailable, sharedPostgres } from '../../support/postgres.ts';
import { startWholeServer, type WholeServer } from '../../support/whole-server.ts';

/** Nobody looks by itself within the time of a test: what is seen was told. */
const rarely = { TMCP_STORAGE_POLL_INTERVAL_MS: '60000', TMCP_JOBS_POLL_INTERVAL_MS: '60000' };

describe('instances over one PostgreSQL', () => {
  let here: WholeServer;
  let there: WholeServer;
  let token: string;
  before(async function () {
    this.timeout(60_000);
    requireOrSkip(this, await postgresAvailable());
    const databases = { dialect: 'postgres' as const, createUrl: async () => (await sharedPostgres()).createDatabase() };
    here = await startWholeServer(databases, rarely);
    there = await startWholeServer(databases, { ...rarely, TMCP_SERVER_PUBLIC_URL: here.url, TMCP_SERVER_ROLES: 'api,worker' }, {}, here.shared);
    for (const device of ['alice', 'alice_phone']) here.identity.whoami.set(`syt_${device}`, { user_id: '@alice:example.org', is_guest: false });
    token = (await exchange(here.url, 'syt_alice', { audience: 'tmcp_store' })).body.access_token as string;
    for (const server of [here, there]) await eventually(async () => expect((await call(server.url, 'GET', '/health/ready')).body.checks.loops.instances).to.equal('ok'), { description: 'it hears the others' });
  });
  after(async () => {
    await there?.close();
    await here?.close();
  });

  it('wake each other for stored entries', async () => {
    const waiting = call(there.url, 'GET', '/api/v1/storage/changes?since=0&wait=60', { token });
    // Requests on the same server one after another: the first is waiting by then.
    for (let n = 0; n < 5; n += 1) await call(there.url, 'GET', '/api/v1/storage/info', { token });
    await call(here.url, 'PUT', '/api/v1/storage/k', { token, body: { value: 1 } });
    expect((await waiting).body.changes[0].key).to.equal('k');
  });

  it('wake each other for live notices', async () => {
    const stream = await openEvents(there.url, (await exchange(here.url, 'syt_alice_phone', { audience: 'tmcp_store' })).body.access_token as string);
    await stream.next();
    await call(here.url, 'PUT', '/api/v1/storage/k', { token, body: { value: 2 } });
    expect((await stream.next()).data.changes[0].key).to.equal('k');
    stream.close();
  });

  it('wake the workers of the others', async () => {
    const done = async (): Promise<number> => Number((await here.database.sql('job').where({ kind: 'audit.seal', state: 'done' }).count<{ n: number | string }[]>({ n: '*' }))[0]!.n);
    await here.database.inTransaction(async (tx) => {
      await tx.sql('job').insert({ id: 'seal_now', stream: 'seal_now', pos: 0, kind: 'audit.seal', body: '{}', state: 'queued', attempts: 0, next_at: 0, created_at: 0 });
      await tx.sql('job_stream').insert({ stream: 'seal_now', next_pos: 1, ready_at: 0, fence: 0 });
    });
    const before = await done();
    // Installing queues events, which the worker is told of; looking around it finds the job above too.
    await call(here.url, 'POST', '/mini-apps/v1/register', { token: here.adminToken, body: { miniapp_id: 'ma_wake', name: 'w', category: 'tools', classification: 'community', technical: { entry_url: 'https://a.example', scopes_requested: [] } } });
    await call(here.url, 'POST', '/admin/v1/mini-apps/ma_wake/approve', { token: here.adminToken, body: {} });
    await eventually(async () => expect(await done()).to.be.greaterThan(before), { description: 'the other instance did the job' });
  });

  it('limit how many requests of one session wait', async () => {
    const gone = new AbortController();
    const { body } = await call(here.url, 'GET', '/api/v1/storage/changes', { token });
    const wait = () => fetch(`${here.url}/api/v1/storage/changes?since=${body.next_since}&wait=60`, { headers: { authorization: `Bearer ${token}` }, signal: gone.signal });
    const first = await Promise.race(Array.from({ length: 5 }, wait));
    expect([first.status, first.headers.get('retry-after')]).to.deep.equal([429, '1']);
    gone.abort();
    await eventually(async () => expect((await call(here.url, 'GET', `/api/v1/storage/changes?since=${body.next_since}&wait=1`, { token })).status).to.equal(200), { description: 'places are given back' });
  });
});
