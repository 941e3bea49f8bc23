import { expect } from 'chai';
import { requireOrSkip } from '../../support/availability.ts';
import { call } from '../../support/api.ts';
import { eventually } from '../../support/eventually.ts';
import { redisAvailable, startRedis, type Redis } from '../../support/redis.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { startWholeServer, type WholeServer } from '../../support/whole-server.ts';
import { postForm, tokenRequest } from '../developers/support.ts';

describe('limits of several instances', () => {
  let redis: Redis;
  let first: WholeServer;
  let second: WholeServer;
  before(async function () {
    this.timeout(60_000);
    requireOrSkip(this, redisAvailable());
    redis = await startRedis();
    const env = { TMCP_REDIS_URL: redis.url, TMCP_RATE_LIMITS_PUBLIC: '6/1h', TMCP_RATE_LIMITS_DEVICE_CODE: '4/1h', TMCP_RATE_LIMITS_OAUTH_FAILURES_PER_MINUTE: '3' };
    const url = `sqlite:${temporaryDirectory('redis-limits')}/tmcp.db`;
    first = await startWholeServer({ dialect: 'sqlite', createUrl: () => Promise.resolve(url) }, env);
    second = await startWholeServer({ dialect: 'sqlite', createUrl: () => Promise.resolve(url) }, env, {}, first.shared);
  });
  after(async () => {
    redis.signal('SIGCONT');
    await second.close();
    await first.close();
    await redis.kill();
  });

  const version = async (server: WholeServer, path = '/api/v1/version'): Promise<number> => (await call(server.url, 'GET', path)).status;
  const metric = async (server: WholeServer, name: string): Promise<string | undefined> => (await server.app.metrics.registry.metrics()).split('\n').find((line) => line.startsWith(`${name} `))?.split(' ')[1];
  const logged = (server: WholeServer, text: string): number => server.log.lines.filter((line) => line.includes(text)).length;

  it('are counted together in Redis', async () => {
    const statuses: number[] = [];
    for (let i = 0; i < 4; i += 1) statuses.push(await version(first), await version(second));
    expect(statuses).to.deep.equal([200, 200, 200, 200, 200, 200, 429, 429]);
    expect(await metric(first, 'tmcp_rate_limit_redis_up')).to.equal('1');
  });

  it('are counted together for device codes and for guesses at secrets and tokens', async () => {
    const device = async (server: WholeServer): Promise<number> => (await postForm(server, '/oauth2/device/authorization', { client_id: 'ma_official_gifts', scope: 'user:read' })).status;
    const statuses: number[] = [];
    for (let i = 0; i < 3; i += 1) statuses.push(await device(first), await device(second));
    expect(statuses).to.deep.equal([200, 200, 200, 200, 429, 429]);

    const guess = async (server: WholeServer): Promise<number> => (await tokenRequest(server, { grant_type: 'refresh_token', refresh_token: 'rt_dev_guess' })).status;
    expect([await guess(first), await guess(second), await guess(first), await guess(second)]).to.deep.equal([400, 400, 400, 429]);
  });

  it('go on in each process while Redis is gone, with an alert, and are shared again when it is back', async function () {
    this.timeout(30_000);
    await redis.kill();
    // Each process has its own whole allowance, and no more.
    const alone: number[] = [];
    for (let i = 0; i < 8; i += 1) alone.push(await version(first));
    expect(alone).to.deep.equal([200, 200, 200, 200, 200, 200, 429, 429]);
    expect(await version(second)).to.equal(200);
    expect(await metric(first, 'tmcp_rate_limit_redis_up')).to.equal('0');
    expect(logged(first, 'Redis does not answer')).to.equal(1);

    await redis.start();
    await eventually(async () => expect([await metric(first, 'tmcp_rate_limit_redis_up'), await metric(second, 'tmcp_rate_limit_redis_up')]).to.deep.equal(['1', '1']), { description: 'both count in Redis again' });
    expect(logged(first, 'Redis answers')).to.equal(1);
    const shared: number[] = [];
    for (let i = 0; i < 4; i += 1) shared.push(await version(first), await version(second));
    expect(shared).to.deep.equal([200, 200, 200, 200, 200, 200, 429, 429]);
  });

  it('hold nobody up when Redis takes connections and does not answer', async function () {
    this.timeout(30_000);
    redis.signal('SIGSTOP');
    const before = performance.now();
    await Promise.all(Array.from({ length: 20 }, () => version(first, '/api/v1/store/apps')));
    expect(performance.now() - before).to.be.lessThan(5000);
    expect(await metric(first, 'tmcp_rate_limit_redis_up')).to.equal('0');
    redis.signal('SIGCONT');
    await eventually(async () => expect(await metric(first, 'tmcp_rate_limit_redis_up')).to.equal('1'), { description: 'it counts in Redis again' });
  });

  it('say nothing of Redis where none is configured', async () => {
    const alone = await startWholeServer({ dialect: 'sqlite', createUrl: () => Promise.resolve(`sqlite:${temporaryDirectory('alone')}/tmcp.db`) });
    expect(await metric(alone, 'tmcp_rate_limit_redis_up')).to.equal(undefined);
    await alone.close();
  });
});
