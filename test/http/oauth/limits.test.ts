import { expect } from 'chai';
import { databaseKinds, opener } from './databases.ts';
import { basic, createWorld, exchange, limits, postForm, secrets, type Answer, type World } from './support.ts';

describe('guessing at the token endpoint', () => {
  let world: World;
  const begin = async (options: Parameters<typeof limits>[0] | ReturnType<typeof limits>): Promise<void> => {
    world = await createWorld(opener(await databaseKinds[0]!.create()), { limits: typeof options === 'number' ? limits(options) : options });
  };
  afterEach(() => world.close());
  const guess = (clientId: string, secret: string): Promise<Answer> => postForm(`${world.first.url}/oauth2/token`, { grant_type: 'client_credentials' }, basic(clientId, secret));
  const expectSlowed = ({ status, body, headers }: Answer): void => {
    expect([status, body.error]).to.deep.equal([429, 'rate_limit_exceeded']);
    expect(Number(headers.get('retry-after'))).to.be.within(1, 60);
  };

  it('for one client\'s secret is slowed down, before the secret is looked at; other clients go on', async () => {
    await begin({ ...limits(1_000), secrets: { attempts: 3, seconds: 60 } });
    for (let i = 0; i < 3; i += 1) expect((await guess('ma_server', `wrong ${i}`)).status).to.equal(401);
    expectSlowed(await guess('ma_server', secrets.server));
    expect((await guess('ma_shop_backend', secrets.shop)).status).to.equal(200);
  });

  it('from one address is slowed down, whatever is guessed at', async () => {
    await begin({ ...limits(1_000), failures: { attempts: 4, seconds: 60 } });
    expect((await exchange(world.first, { client_id: 'ma_game', subject_token: 'syt_guess' })).status).to.equal(401);
    expect((await postForm(`${world.first.url}/oauth2/token`, { grant_type: 'refresh_token', client_id: 'ma_game', refresh_token: 'rt_guess' })).status).to.equal(400);
    expect((await guess('ma_server', 'wrong')).status).to.equal(401);
    expect((await postForm(`${world.first.url}/oauth2/introspect`, { token: 'x' }, basic('ma_server', 'wrong'))).status).to.equal(401);
    for (const path of ['token', 'introspect', 'revoke', 'device/authorization']) expectSlowed(await postForm(`${world.first.url}/oauth2/${path}`, { client_id: 'ma_game', grant_type: 'refresh_token', token: 'x', refresh_token: 'rt_x' }));
  });

  it('is not what well-behaved clients do: what succeeds does not count', async () => {
    await begin(2);
    for (let i = 0; i < 6; i += 1) expect((await guess('ma_server', secrets.server)).status).to.equal(200);
  });

  it('behind a forwarded address that the caller made up counts for the caller', async () => {
    await begin({ ...limits(1_000), failures: { attempts: 2, seconds: 60 } });
    const from = (address: string) => postForm(`${world.first.url}/oauth2/token`, { grant_type: 'client_credentials' }, { ...basic('ma_server', 'wrong'), 'x-forwarded-for': address });
    expect([(await from('198.51.100.1')).status, (await from('198.51.100.2')).status]).to.deep.equal([401, 401]);
    expectSlowed(await from('198.51.100.3'));
  });

  it('is not limited where limits are switched off', async () => {
    await begin({ ...limits(1), enabled: false });
    for (let i = 0; i < 4; i += 1) expect((await guess('ma_server', 'wrong')).status).to.equal(401);
  });
});
