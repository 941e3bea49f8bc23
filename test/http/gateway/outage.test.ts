import { expect } from 'chai';
import { call, exchange, type ApiResponse } from '../../support/api.ts';
import { requireOrSkip } from '../../support/availability.ts';
import { postgresAvailable, startPostgres, type Postgres } from '../../support/postgres.ts';
import { HS_TOKEN } from '../../support/server-process.ts';
import type { WholeServer } from '../../support/whole-server.ts';
import { consoleId, exchangeAs, postForm, signIn, startPlatform, type Tokens } from '../developers/support.ts';

const app = 'ma_official_wallet';

describe('a server whose PostgreSQL is away', () => {
  let postgres: Postgres;
  let server: WholeServer;
  let dana: Tokens;
  let wallet: Record<'access_token' | 'refresh_token', string>;

  before(async function () {
    this.timeout(60_000);
    requireOrSkip(this, await postgresAvailable('private'));
    postgres = await startPostgres({ fsync: false });
    server = await startPlatform({ dialect: 'postgres', createUrl: () => postgres.createDatabase() }, ['dana']);
    dana = await signIn(server, 'dana');
    wallet = (await exchange(server.url, 'syt_dana', { client_id: app })).body as typeof wallet;
    await postgres.kill();
  });
  after(async () => {
    await postgres?.restart();
    await server?.close();
    await postgres?.kill();
  });

  const refresh = (): Promise<ApiResponse> => postForm(server, '/oauth2/token', { grant_type: 'refresh_token', refresh_token: wallet.refresh_token, client_id: app });

  const oauth: Readonly<Record<string, () => Promise<ApiResponse>>> = {
    'token exchange': () => exchange(server.url, 'syt_dana', { client_id: app }),
    'a refresh': refresh,
    introspection: () => postForm(server, '/oauth2/introspect', { token: wallet.access_token, client_id: consoleId }),
    revocation: () => postForm(server, '/oauth2/revoke', { token: wallet.refresh_token, client_id: consoleId }),
    'device authorization': () => postForm(server, '/oauth2/device/authorization', { client_id: consoleId }),
  };
  for (const [what, ask] of Object.entries(oauth)) {
    it(`answers ${what} with temporarily_unavailable, and when to come back`, async () => {
      const { status, body, headers } = await ask();
      expect([status, body.error, headers.get('retry-after')]).to.deep.equal([503, 'temporarily_unavailable', '5']);
      expect(JSON.stringify(body)).not.to.match(/ECONN|127\.0\.0\.1|select|knex/i);
    });
  }

  const library = 'The database can not be reached just now';
  const pages = { [`/oauth2/authorize?client_id=${app}&response_type=code`]: library, '/oauth2/authorize/an-interaction': library, '/oauth2/sessions': 'Try again in a moment.' };
  for (const [path, words] of Object.entries(pages)) {
    it(`says so to a person on a page: ${path.split('?')[0]}`, async () => {
      const answer = await fetch(`${server.url}${path}`, { headers: { accept: 'text/html', cookie: 'tmcp_session=of-dana' }, redirect: 'manual' });
      expect([answer.status, answer.headers.get('retry-after'), answer.headers.get('content-type')]).to.deep.equal([503, '5', 'text/html; charset=utf-8']);
      expect(await answer.text()).to.contain(words).and.not.to.match(/ECONN|knex|oops/i).and.not.to.match(/ECONN|knex/i);
    });
  }

  it('answers everything else in the envelope of its interface', async () => {
    for (const [path, token] of [['/api/v1/store/apps', undefined], ['/wallet/v1/balance', wallet.access_token], ['/mini-apps/v1/ma_none/status', dana.access]] as const) {
      const { status, body, headers } = await call(server.url, 'GET', path, token === undefined ? {} : { token });
      expect([status, body.error.code, headers.get('retry-after')], path).to.deep.equal([503, 'SERVICE_UNAVAILABLE', '1']);
    }
    const developer = await exchangeAs(server, 'dana');
    expect([developer.status, developer.body.error]).to.deep.equal([503, 'temporarily_unavailable']);
  });

  it('takes no transaction of the homeserver, which sends it again', async () => {
    const answer = await call(server.url, 'PUT', '/_matrix/app/v1/transactions/t1', { token: HS_TOKEN, body: { events: [{ type: 'm.tween.miniapp.launch' }] } });
    expect([answer.status, answer.body.errcode]).to.deep.equal([503, 'M_UNKNOWN']);
  });

  it('goes on when it is back, and nothing was spent', async () => {
    await postgres.restart();
    expect((await refresh()).status).to.equal(200);
  });
});
