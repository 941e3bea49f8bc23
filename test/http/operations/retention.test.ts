import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import type { Recording } from '../../../src/jobs/index.ts';
import { call, firstPartyToken, type ApiResponse } from '../../support/api.ts';
import { onBothDatabases } from '../../support/databases.ts';
import { queued, startWholeServer, type WholeServer } from '../../support/whole-server.ts';
import { signIn, startPlatform } from '../developers/support.ts';

const room = '!town:example.org';
const dayMs = 24 * 3_600_000;
/** What one run forgets at most. */
const batch = 5000;

/** Runs the chore; says in how many seconds it is to run again. */
async function tidyUp({ app, database, clock }: WholeServer): Promise<number> {
  const record = (await app.jobs['maintenance']!.run({ id: 'x', stream: 'x', kind: 'maintenance', body: {}, attempt: 1, createdAt: 0, unsettledSince: undefined })) as Recording;
  const due = (): Promise<number[]> => database.sql('job').where({ kind: 'maintenance', state: 'queued' }).andWhere('next_at', '>', clock.now()).orderBy('next_at').pluck<number[]>('next_at');
  await database.inTransaction(record);
  return Math.ceil((Number((await due())[0]) - clock.now()) / 1000);
}

onBothDatabases('launch sessions of a mini-app', (databases) => {
  let server: WholeServer;
  let id: string;
  before(async () => {
    server = await startPlatform(databases, ['dana'], { TMCP_CATALOG_LAUNCH_SESSION_DAYS: '30', TMCP_ANALYTICS_MIN_PEOPLE: '1' });
    for (const name of ['alice', 'bob']) server.identity.whoami.set(`syt_${name}`, { user_id: `@${name}:example.org`, is_guest: false });
    server.identity.rooms.set(room, { members: new Set(['@alice:example.org', '@_tmcp:example.org']) });
    const token = (await signIn(server, 'dana')).access;
    id = (await call(server.url, 'POST', '/mini-apps/v1/register', { token, body: { name: 'Chess', technical: { entry_url: 'https://chess.example' } } })).body.miniapp_id as string;
    await call(server.url, 'POST', `/admin/v1/mini-apps/${id}/approve`, { token: server.adminToken, body: {} });
  });
  after(() => server.close());

  const store = async (name: string, method: string, what: string, body: object = {}): Promise<ApiResponse> => call(server.url, method, `/api/v1/store/apps/${id}/${what}`, { token: await firstPartyToken(server.url, `syt_${name}`, 'tmcp_store'), body });
  const sessions = (): Promise<string[]> => server.database.sql('launch_session').orderBy('launched_at').pluck<string[]>('session_id');
  const tokenOfDana = async (): Promise<string> => (await signIn(server, 'dana')).access;
  /** All that is said of the app's use: counters, factors of the ranking, statistics, the listing. */
  const told = async (): Promise<object> => {
    const token = await tokenOfDana();
    const { generated_at: _, ...analytics } = (await call(server.url, 'GET', `/mini-apps/v1/${id}/analytics?days=90`, { token })).body as Record<string, unknown>;
    return {
      counters: await server.database.sql('catalog_day').orderBy(['seq', 'day']),
      use: await server.database.sql('catalog_use').orderBy(['seq', 'user_id']),
      ranking: (await call(server.url, 'GET', `/api/v1/store/apps/${id}/ranking`)).body as unknown,
      analytics,
      rating: (await call(server.url, 'GET', `/api/v1/store/apps/${id}`)).body.rating as unknown,
    };
  };
  const statesIn = async (): Promise<number> => (await queued<{ event: { type: string; place: { room?: string } } }>(server.database, 'matrix.event')).filter(({ event }) => event.type === 'm.tween.miniapp.app' && event.place.room === room).length;

  it('are forgotten by their age, and nothing that was counted of them is', async () => {
    for (const name of ['alice', 'bob']) await store(name, 'POST', 'install');
    expect((await store('alice', 'POST', 'launch', { session_id: 'session_first', room_id: room })).status).to.equal(201);
    await store('bob', 'POST', 'launch', { session_id: 'session_second' });
    expect((await store('alice', 'PUT', 'rating', { rating: 5 })).status).to.equal(200);
    expect(await statesIn()).to.equal(1);
    server.clock.advance(29 * dayMs);
    await store('bob', 'POST', 'launch', { session_id: 'session_third' });
    await tidyUp(server);
    expect(await sessions()).to.have.members(['session_first', 'session_second', 'session_third']);

    server.clock.advance(dayMs);
    server.clock.freeze();
    const before = await told();
    await tidyUp(server);
    expect(await sessions()).to.deep.equal(['session_third']);
    expect(await told()).to.deep.equal(before);
  });

  it('go on to be what gives the right to rate, and use goes on to be counted', async () => {
    server.clock.advance(40 * dayMs);
    await tidyUp(server);
    expect(await sessions()).to.deep.equal([]);
    expect((await store('bob', 'PUT', 'rating', { rating: 3 })).body.rating).to.deep.equal({ average: 4, count: 2 });
    const [use] = await server.database.sql<{ active_days: number; user_id: string }>('catalog_use').where({ user_id: '@alice:example.org' });
    expect((await store('alice', 'POST', 'launch', { session_id: 'session_first', room_id: room })).status, 'a name that is forgotten is free').to.equal(201);
    expect(await statesIn(), 'the room has the app anew').to.equal(2);
    const [again] = await server.database.sql<{ active_days: number; user_id: string }>('catalog_use').where({ user_id: '@alice:example.org' });
    expect(again!.active_days).to.equal(use!.active_days + 1);
  });

  it('go in small steps, which follow one another until nothing old is left', async () => {
    const old = server.clock.now() - 31 * dayMs;
    const rows = Array.from({ length: batch + 1 }, (_, n) => ({ session_id: `old_${n}`, miniapp_id: id, user_id: '@bob:example.org', source: 'store', launch_params: '{}', launched_at: old + n }));
    for (let at = 0; at < rows.length; at += 500) await server.database.sql('launch_session').insert(rows.slice(at, at + 500));
    expect(await tidyUp(server)).to.be.within(1, 10);
    expect(await sessions()).to.deep.equal([`old_${batch}`, 'session_first']);
    server.clock.advance(20_000);
    expect(await tidyUp(server)).to.be.above(10);
    expect(await sessions()).to.deep.equal(['session_first']);
  });
});

onBothDatabases('what is kept, and for how long', (databases) => {
  let server: WholeServer;
  before(async () => {
    server = await startWholeServer(databases, { TMCP_RATE_LIMITS_APPEAL_DAYS: '10' });
  });
  after(() => server.close());

  it('is told of every table in the administrators\' documentation', async () => {
    const [, section = ''] = readFileSync(new URL('../../../docs/administration.md', import.meta.url), 'utf8').split('## What is kept, and for how long');
    const told = section.split('\n## ')[0]!.split('\n').filter((line) => line.startsWith('|')).flatMap((line) => [...line.split('|')[1]!.matchAll(/`(\w+)`/g)].map(([, name]) => name));
    const query = server.database.dialect === 'sqlite' ? `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'` : `SELECT tablename AS name FROM pg_tables WHERE schemaname = current_schema()`;
    const result = await server.database.sql.raw<{ name: string }[] | { rows: { name: string }[] }>(query);
    const names = (Array.isArray(result) ? result : result.rows).map(({ name }) => name);
    // What the libraries keep for themselves.
    const tables = names.filter((name) => !/^schema_migration|^catalog_search_/.test(name)).map((name) => (name.startsWith('storage_entry_') ? 'storage_entry' : name));
    expect(told.filter((name) => !['catalog_search', ...tables].includes(name!))).to.deep.equal([]);
    expect([...new Set(tables)].filter((name) => !told.includes(name))).to.deep.equal([]);
  });

  it('is so of appeals', async () => {
    const appeal = { user_id: '@bob:example.org', client_id: '', message: 'Why?' };
    const now = server.clock.now();
    await server.database.sql('suspension_appeal').insert([{ ...appeal, id: 'old', state: 'upheld', created_at: now - 10 * dayMs - 60_000 }, { ...appeal, id: 'young', state: 'open', created_at: now - 9 * dayMs }]);
    await tidyUp(server);
    expect(await server.database.sql('suspension_appeal').pluck('id')).to.deep.equal(['young']);
  });
});
