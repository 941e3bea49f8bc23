import { expect } from 'chai';
import { createUsage } from '../../../src/catalog/usage.ts';
import { scoreKind } from '../../../src/catalog/scores.ts';
import { asMiniAppId, asUserId } from '../../../src/kernel/ids.ts';
import { call, type ApiResponse } from '../../support/api.ts';
import { onBothDatabases } from '../../support/databases.ts';
import { queued, startWholeServer, type WholeServer } from '../../support/whole-server.ts';

interface StateJob {
  readonly event: { readonly type: string; readonly place: object; readonly stateKey: string; readonly content: { readonly name?: string } };
}

const day = 86_400_000;

onBothDatabases('the ranking', (databases) => {
  let server: WholeServer;
  const room = 4;
  before(async () => {
    server = await startWholeServer(databases, { TMCP_CATALOG_MAX_STATE_APPS: String(room) });
    for (const id of ['ma_farm', 'ma_honest', 'ma_small']) await publish(id);
  });
  after(() => server.close());

  const publish = async (id: string): Promise<void> => {
    const { token } = await server.app.admins.issue('publisher', day, { kind: 'system', id: 'test' });
    await call(server.url, 'POST', '/mini-apps/v1/register', { token, body: { miniapp_id: id, name: id, technical: { entry_url: 'https://a.example' } } });
    await call(server.url, 'POST', `/admin/v1/mini-apps/${id}/approve`, { token, body: {} });
  };
  const get = (path: string): Promise<ApiResponse> => call(server.url, 'GET', path);
  const ids = ({ body }: ApiResponse): string[] => (body.apps as { miniapp_id: string }[]).map((app) => app.miniapp_id);
  const usageAt = (offsetDays: number) => createUsage({ clock: { now: () => server.clock.now() + offsetDays * day } });
  const person = (app: string, n: number) => asUserId(`@${app}_${n}:example.org`);

  /** `count` people install the app, as those do who come over HTTP. */
  const install = (app: string, count: number): Promise<void> =>
    server.database.inTransaction(async (tx) => {
      const usage = usageAt(0);
      for (let n = 0; n < count; n += 1) await usage.installed(tx, asMiniAppId(app), person(app, n));
      await tx.sql('miniapp').where({ miniapp_id: app }).increment('install_count', count);
    });
  /** The first `count` of them open it on that day, so many times. */
  const open = (app: string, count: number, offsetDays: number, times = 1): Promise<void> =>
    server.database.inTransaction(async (tx) => {
      const usage = usageAt(offsetDays);
      for (let n = 0; n < count; n += 1) for (let time = 0; time < times; time += 1) await usage.opened(tx, asMiniAppId(app), person(app, n), () => Promise.resolve(true));
    });
  const ranked = async (): Promise<void> => {
    const job = { id: 'j', stream: scoreKind, kind: scoreKind, body: { tick: 1, round: 0 }, attempt: 1, createdAt: 0, unsettledSince: undefined };
    const record = await server.app.jobs[scoreKind]!.run(job);
    await server.database.inTransaction(async (tx) => record?.(tx));
  };

  it('has an install farm below an honest app of middle size', async function () {
    this.timeout(120_000);
    const [farmed, real, installs, users] = databases.dialect === 'sqlite' ? [20_000, 300, 2500, 900] : [2000, 30, 250, 90];
    await install('ma_farm', farmed);
    await open('ma_farm', real, -2);
    await install('ma_honest', installs);
    await open('ma_honest', installs * 0.6, -5);
    for (const ago of [-3, -1]) await open('ma_honest', users, ago, 2);
    await ranked();
    expect(ids(await get('/api/v1/store/apps?sort=popular')).filter((id) => ['ma_farm', 'ma_honest'].includes(id))).to.deep.equal(['ma_honest', 'ma_farm']);
    const { body: farm } = await get('/api/v1/store/apps/ma_farm/ranking');
    expect(farm.factors[0]).to.include({ factor: 'installs', weight: 30, qualified_installs: real });
    expect(ids(await get('/api/v1/store/apps?search=ma')).filter((id) => ['ma_farm', 'ma_honest'].includes(id)), 'in the search too').to.deep.equal(['ma_honest', 'ma_farm']);
    if (databases.dialect === 'sqlite') {
      const matches = await server.database.sql.raw<{ rowid: number }[]>(`SELECT rowid FROM catalog_search WHERE catalog_search MATCH '"honest" OR "farm"' ORDER BY rowid`);
      const seqs = await server.database.sql('catalog_entry').whereIn('miniapp_id', ['ma_honest', 'ma_farm']).orderBy('score', 'desc').pluck('seq');
      expect(matches.map(({ rowid }) => rowid % 2 ** 31), 'the index itself has the better one first, and each once').to.deep.equal(seqs);
    }
    expect((await get('/api/v1/store/apps/ma_farm')).body.install_count, 'they are not hidden').to.equal(farmed);
  });

  it('explains itself: the points are the weighted factors, and their sum the score by which is sorted', async () => {
    const { body } = await get('/api/v1/store/apps/ma_honest/ranking');
    const factors = body.factors as { factor: string; weight: number; value: number; points: number }[];
    expect(factors.map(({ factor, weight }) => [factor, weight])).to.deep.equal([['installs', 30], ['actives', 25], ['rating', 20], ['engagement', 15], ['recency', 10]]);
    for (const { weight, value, points } of factors) expect(points).to.be.closeTo(weight * value, 1e-9);
    expect(factors.reduce((sum, { points }) => sum + points, 0)).to.be.closeTo(body.score as number, 1e-5);
    const { score } = await server.database.sql('catalog_entry').where({ miniapp_id: 'ma_honest' }).first<{ score: number }>('score');
    expect(score / 1e6).to.equal(body.score);
    expect(factors[4], 'released today').to.include({ value: 1, days_since_release: 0 });
  });

  it('calls trending what grows by more than chance, and only while it does', async () => {
    expect(ids(await get('/api/v1/store/trending'))).to.not.include('ma_small');
    await install('ma_small', 19);
    await open('ma_small', 19, 0);
    await ranked();
    expect(ids(await get('/api/v1/store/trending')), '19 are too few').to.not.include('ma_small');
    await open('ma_small', 21, 0);
    await ranked();
    expect(ids(await get('/api/v1/store/trending')), '21 in one week after none').to.include('ma_small');
    expect((await get('/api/v1/store/apps/ma_small/ranking')).body.trending).to.include({ is_trending: true, installs_this_week: 21, installs_last_week: 0 });
    server.clock.advance(8 * day);
    await ranked();
    expect(ids(await get('/api/v1/store/trending')), 'a week later').to.deep.equal([]);
    expect((await get('/api/v1/store/apps/ma_small/ranking')).body.trending).to.include({ is_trending: false, installs_this_week: 0, installs_last_week: 21 });
  });

  it('lets the score of an unchanged app fade with its release', async () => {
    const score = async (): Promise<number> => (await server.database.sql('catalog_entry').where({ miniapp_id: 'ma_farm' }).first<{ score: number }>('score')).score;
    const before = await score();
    server.clock.advance(60 * day);
    await ranked();
    expect(await score()).to.be.below(before);
    expect((await get('/api/v1/store/apps/ma_farm/ranking')).body.factors[4].value).to.be.closeTo(0.5 ** (68 / 60), 0.01);
  });

  it('has the best of them in the catalogue room, as many as it may hold', async () => {
    const shown = async (): Promise<string[]> => server.database.sql('catalog_entry').where({ mirrored: 1 }).orderBy('miniapp_id').pluck('miniapp_id');
    expect(await shown(), 'the official apps came first and all got places; then the best took those of the worst').to.have.length(room);
    const state = async (): Promise<Map<string, string | undefined>> =>
      new Map((await queued<StateJob>(server.database, 'matrix.event')).filter(({ event }) => event.type === 'm.tween.miniapp.app' && 'catalogue' in event.place).map(({ event }) => [event.stateKey, event.content.name]));
    expect([...(await state())].filter(([, name]) => name !== undefined).map(([id]) => id).sort(), 'what the room says is what is remembered of it').to.deep.equal(await shown());
    await publish('ma_rising');
    expect(await shown()).to.not.include('ma_rising');
    await install('ma_rising', 40);
    await open('ma_rising', 40, 0, 3);
    await ranked();
    expect(await shown()).to.include('ma_rising').and.have.length(room);
    expect((await state()).get('ma_rising')).to.equal('ma_rising');
    expect([...(await state())].filter(([, name]) => name !== undefined).map(([id]) => id).sort()).to.deep.equal(await shown());
  });
});
