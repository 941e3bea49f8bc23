import { expect } from 'chai';
import { onBothDatabases } from '../../support/databases.ts';
import { startWholeServer, type WholeServer } from '../../support/whole-server.ts';
import { Browser, formOf, linksOf, newPkce, type Page, type Pkce } from '../oauth/browser.ts';
import { masClient, startIdentityServers } from '../oauth/identity-servers.ts';
import { consoleId, idOf, isGood, outcome, startPlatform, tokenRequest } from './support.ts';

const redirectUri = 'https://developer.example/callback';
const authorizePath = '/oauth2/developer/authorize';

const requestOf = (pkce: Pkce, changes: Readonly<Record<string, string | undefined>> = {}): string => {
  const parameters = { response_type: 'code', client_id: consoleId, redirect_uri: redirectUri, state: 'the state', code_challenge: pkce.challenge, code_challenge_method: 'S256', ...changes };
  return `${authorizePath}?${new URLSearchParams(Object.entries(parameters).filter((entry): entry is [string, string] => entry[1] !== undefined)).toString()}`;
};

/** What the console got. */
function answerOf(page: Page): Record<string, string> {
  const url = new URL(page.location ?? 'about:blank');
  expect(url.origin + url.pathname, page.text).to.equal('https://developer.example/callback');
  return Object.fromEntries(url.searchParams);
}

const redemption = (pkce: Pkce, code: string): Record<string, string> => ({ grant_type: 'authorization_code', code, redirect_uri: redirectUri, code_verifier: pkce.verifier });

onBothDatabases('developers sign in with a browser (specification sections 4.4.1 and 4.4.3)', (databases) => {
  let server: WholeServer;
  let browser: Browser;
  let pkce: Pkce;
  before(async () => {
    server = await startPlatform(databases, ['dana'], { TMCP_DEVELOPERS_CONSOLE_REDIRECT_URIS: redirectUri });
    for (const person of ['dana', 'erin']) server.identity.passwords.set(person, `password of ${person}`);
  });
  after(() => server.close());
  beforeEach(() => {
    browser = new Browser(server.url);
    pkce = newPkce();
  });
  const ask = async (person: string, changes: Readonly<Record<string, string | undefined>> = {}): Promise<Page> =>
    browser.submit(await browser.go(requestOf(pkce, changes)), { username: person, password: `password of ${person}` });

  it('and the console redeems what it gets for developer tokens', async () => {
    const question = await ask('dana');
    expect([question.status, new URL(question.url).pathname]).to.deep.equal([200, authorizePath]);
    expect(question.text).to.contain(idOf('dana')).and.to.contain('developer.example');
    const { code, ...rest } = answerOf(await browser.submit(question, { decision: 'approve' }));
    expect(rest).to.deep.equal({ state: 'the state', iss: server.url });
    const { status, body } = await tokenRequest(server, redemption(pkce, code!));
    expect([status, body.developer_id]).to.deep.equal([200, idOf('dana')]);
    expect(await isGood(server, body.access_token as string)).to.equal(true);
  });

  it('and the code is nothing without the verifier of the one who asked', async () => {
    const { code } = answerOf(await browser.submit(await ask('dana'), { decision: 'approve' }));
    expect(outcome(await tokenRequest(server, redemption(newPkce(), code!)))).to.deep.equal([400, 'invalid_grant']);
  });

  it('is named on the sign-in page, whose form may end at the console', async () => {
    const page = await browser.go(requestOf(pkce));
    expect(page.text).to.contain('the developer console');
    expect(page.headers.get('content-security-policy')).to.contain('https://developer.example');
  });

  it('asks nothing of somebody who is signed in, and still asks whether', async () => {
    await ask('dana');
    const again = await browser.request(requestOf(newPkce()));
    expect([again.status, formOf(again).action.startsWith(authorizePath)]).to.deep.equal([200, true]);
  });

  it('and who says no, or is not on the whitelist, goes back with access_denied', async () => {
    const denied = answerOf(await browser.submit(await ask('dana'), { decision: 'deny' }));
    expect([denied.error, denied.code, denied.state]).to.deep.equal(['access_denied', undefined, 'the state']);
    browser = new Browser(server.url);
    const unlisted = answerOf(await browser.submit(await ask('erin'), { decision: 'approve' }));
    expect([unlisted.error, unlisted.code]).to.deep.equal(['access_denied', undefined]);
    expect(unlisted.error_description).to.contain('developer_not_whitelisted');
  });

  const nowhere: Record<string, Readonly<Record<string, string | undefined>>> = {
    'an unknown console': { client_id: 'tmcp_other' },
    'a mini-app': { client_id: 'ma_official_gifts' },
    'no console': { client_id: undefined },
    'another address': { redirect_uri: 'https://evil.example/callback' },
    'an address that is longer': { redirect_uri: `${redirectUri}/x` },
    'no address': { redirect_uri: undefined },
  };
  for (const [what, changes] of Object.entries(nowhere)) {
    it(`stays here with ${what}`, async () => {
      const page = await browser.request(requestOf(pkce, changes));
      expect([page.status, page.location]).to.deep.equal([400, undefined]);
    });
  }
  it('stays here with two addresses', async () => {
    const page = await browser.request(`${requestOf(pkce)}&redirect_uri=${encodeURIComponent('https://evil.example/')}`);
    expect([page.status, page.location]).to.deep.equal([400, undefined]);
  });

  const faults: Record<string, [Readonly<Record<string, string | undefined>>, string]> = {
    'another response type': [{ response_type: 'token' }, 'unsupported_response_type'],
    'no challenge': [{ code_challenge: undefined }, 'invalid_request'],
    'the method plain': [{ code_challenge_method: 'plain' }, 'invalid_request'],
    'no method': [{ code_challenge_method: undefined }, 'invalid_request'],
    'another response mode': [{ response_mode: 'form_post' }, 'invalid_request'],
    'a challenge that is none': [{ code_challenge: 'short' }, 'invalid_request'],
  };
  for (const [what, [changes, error]] of Object.entries(faults)) {
    it(`goes back with an error for ${what}`, async () => {
      const answer = answerOf(await browser.request(requestOf(pkce, changes)));
      expect([answer.error, answer.state, answer.iss]).to.deep.equal([error, 'the state', server.url]);
      expect(answer.error_description).to.be.a('string');
    });
  }

  it('takes answers only from a form of its own, in the browser that was asked', async () => {
    const { action, csrfToken } = formOf(await ask('dana'));
    expect((await browser.post(action, { decision: 'approve', csrf_token: '' })).status).to.equal(403);
    expect((await browser.post(action, { decision: 'approve', csrf_token: csrfToken }, { origin: 'https://evil.example' })).status).to.equal(403);
    expect((await new Browser(server.url).post(action, { decision: 'approve', csrf_token: csrfToken })).status).to.equal(403);
  });

  it('asks who signed in meanwhile, and not who was there before', async () => {
    const question = await ask('dana');
    browser.cookies.delete('tmcp_session');
    const page = await browser.post(formOf(question).action, { decision: 'approve', csrf_token: formOf(question).csrfToken });
    expect(new URL(page.location!).pathname).to.equal('/oauth2/sign-in');
  });
});

onBothDatabases('developers sign in by the Matrix Authentication Service', (databases) => {
  it("and come back to the developers' own address", async () => {
    const mas = await startIdentityServers();
    const withMas = await startWholeServer(databases, { TMCP_DEVELOPERS_WHITELIST: idOf('dana'), TMCP_DEVELOPERS_CONSOLE_REDIRECT_URIS: redirectUri, TMCP_MAS_ISSUER: `${mas.url}/`, TMCP_MAS_CLIENT_ID: masClient.clientId, TMCP_MAS_CLIENT_SECRET: masClient.clientSecret });
    try {
      const browser = new Browser(withMas.url);
      const pkce = newPkce();
      const away = new URL((await browser.request(linksOf(await browser.go(requestOf(pkce)))[0]!)).location!);
      expect(away.searchParams.get('redirect_uri')).to.equal(`${withMas.url}/oauth2/developer/callback`);
      mas.codes.set('code_1', { challenge: away.searchParams.get('code_challenge')!, username: 'dana' });
      const question = await browser.go(`/oauth2/developer/callback?${new URLSearchParams({ state: away.searchParams.get('state')!, code: 'code_1' }).toString()}`);
      expect(question.text).to.contain(idOf('dana'));
      expect(answerOf(await browser.submit(question, { decision: 'approve' })).code).to.be.a('string');
    } finally {
      await withMas.close();
      await mas.close();
    }
  });
});
