import { createHmac, createPublicKey, type JsonWebKey } from 'node:crypto';
import { expect } from 'chai';
import { createDeveloperTokens, type Console, type Organizations } from '../../../src/developers/index.ts';
import { call, exchange, firstPartyToken } from '../../support/api.ts';
import { onBothDatabases } from '../../support/databases.ts';
import type { WholeServer } from '../../support/whole-server.ts';
import { accessTokenType, claimsOf, consoleId, day, exchangeAs, headerOf, idOf, isGood, outcome, postForm, signIn, startPlatform, tokenExchange, tokenRequest } from './support.ts';

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

onBothDatabases('developer tokens (specification section 4.4)', (databases) => {
  let server: WholeServer;
  before(async () => {
    server = await startPlatform(databases);
  });
  after(() => server.close());

  const refresh = (token: string, client_id = consoleId) => tokenRequest(server, { grant_type: 'refresh_token', refresh_token: token, client_id });

  describe('signing in', () => {
    it('gives a whitelisted developer both tokens, a profile and an organisation of their own', async () => {
      const { status, body, headers } = await exchangeAs(server, 'dana');
      expect(status).to.equal(200);
      expect(headers.get('cache-control')).to.equal('no-store');
      expect(body).to.include({ token_type: 'Bearer', expires_in: 86_400, developer_id: idOf('dana') });
      expect(body.roles).to.deep.equal(['developer']);
      expect(body.organizations).to.have.length(1);
      expect(body.organizations[0]).to.include({ name: idOf('dana'), role: 'admin' });
    });

    it('makes the profile and the organisation once, however often and however many at once', async () => {
      const answers = await Promise.all([exchangeAs(server, 'grace'), exchangeAs(server, 'grace'), exchangeAs(server, 'grace')]);
      expect(answers.map(({ status }) => status)).to.deep.equal([200, 200, 200]);
      expect(new Set(answers.map(({ body }) => JSON.stringify(body.organizations))).size).to.equal(1);
      expect((await exchangeAs(server, 'grace')).body.organizations).to.have.length(1);
    });

    it('puts every claim of section 4.4.2 into the token', async () => {
      const { body } = await exchangeAs(server, 'dana');
      const claims = claimsOf(body.access_token as string);
      expect(claims).to.have.all.keys('iss', 'sub', 'aud', 'exp', 'iat', 'nbf', 'jti', 'token_type', 'developer_id', 'roles', 'organizations', 'permissions', 'session_id');
      expect(claims).to.deep.include({
        iss: server.url,
        sub: idOf('dana'),
        aud: 'tmcp_developer_api',
        token_type: 'developer_token',
        developer_id: idOf('dana'),
        roles: ['developer'],
        organizations: body.organizations,
        permissions: ['miniapp:register', 'miniapp:manage', 'webhook:configure'],
      });
      expect(Number(claims.exp) - Number(claims.iat)).to.equal(86_400);
      expect(headerOf(body.access_token as string)).to.include({ alg: 'RS256', typ: 'JWT' });
      const { body: jwks } = await call(server.url, 'GET', '/.well-known/jwks.json');
      expect((jwks.keys as { kid: string }[]).map(({ kid }) => kid)).to.include(headerOf(body.access_token as string).kid);
    });

    it('refuses who is not whitelisted', async () => {
      const { status, body } = await exchangeAs(server, 'mallory');
      expect(status).to.equal(403);
      expect(body).to.have.all.keys('error', 'error_description').and.include({ error: 'developer_not_whitelisted' });
      expect(await server.database.sql('developer').where({ user_id: idOf('mallory') })).to.deep.equal([]);
    });

    const refusals: Record<string, [Record<string, string>, [number, string]]> = {
      'a Matrix token that is not good': [{ subject_token: 'syt_nobody', subject_token_type: accessTokenType }, [401, 'invalid_grant']],
      'a Matrix OpenID token': [{ subject_token: 'openid_dana', subject_token_type: 'urn:tmcp:params:oauth:token-type:matrix-openid' }, [400, 'invalid_request']],
      'no type of token': [{ subject_token: 'syt_dana' }, [400, 'invalid_request']],
      'no token': [{ subject_token_type: accessTokenType }, [400, 'invalid_request']],
      'another grant type': [{ grant_type: 'client_credentials' }, [400, 'unsupported_grant_type']],
      'a password': [{ grant_type: 'password', username: 'dana', password: 'x' }, [400, 'unsupported_grant_type']],
      'an unknown client': [{ client_id: 'somebody', subject_token: 'syt_dana', subject_token_type: accessTokenType }, [401, 'invalid_client']],
      'a first-party audience as client': [{ client_id: 'tmcp_store', subject_token: 'syt_dana', subject_token_type: accessTokenType }, [401, 'invalid_client']],
      'a secret that nobody configured': [{ client_secret: 'x', subject_token: 'syt_dana', subject_token_type: accessTokenType }, [401, 'invalid_client']],
      'a developer token as subject': [{ subject_token: 'dev.eyJ.eyJ.x', subject_token_type: accessTokenType }, [401, 'invalid_grant']],
    };
    for (const [what, [fields, expected]] of Object.entries(refusals)) {
      it(`refuses ${what}`, async () => {
        expect(outcome(await tokenRequest(server, { grant_type: tokenExchange, ...fields }))).to.deep.equal(expected);
      });
    }

    it('refuses a field that is there twice', async () => {
      const response = await fetch(`${server.url}/oauth2/developer/token`, { method: 'POST', body: new URLSearchParams([['grant_type', tokenExchange], ['client_id', consoleId], ['subject_token', 'syt_dana'], ['subject_token', 'syt_erin'], ['subject_token_type', accessTokenType]]) });
      expect(response.status).to.equal(400);
      expect(((await response.json()) as { error: string }).error).to.equal('invalid_request');
    });

    it('answers 503 when the homeserver does not answer', async () => {
      server.identity.failWith = 502;
      const refused = await exchangeAs(server, 'dana');
      server.identity.failWith = undefined;
      expect(outcome(refused)).to.deep.equal([503, 'temporarily_unavailable']);
    });

    it('takes JSON as it takes a form', async () => {
      const { status } = await call(server.url, 'POST', '/oauth2/developer/token', { body: { grant_type: tokenExchange, client_id: consoleId, subject_token: 'syt_dana', subject_token_type: accessTokenType } });
      expect(status).to.equal(200);
    });
  });

  describe('a developer token', () => {
    it('is good until it ends, and no longer', async () => {
      const short = await startPlatform(databases, ['dana'], { TMCP_DEVELOPERS_ACCESS_TOKEN_SECONDS: '600' });
      const { access } = await signIn(short, 'dana');
      short.clock.advance(595_000);
      expect(await isGood(short, access)).to.equal(true);
      short.clock.advance(10_000);
      expect(await isGood(short, access)).to.equal(false);
      await short.close();
    });

    it('is refused with anything changed, without a signature, and with the public key as a secret', async () => {
      const { access } = await signIn(server, 'dana');
      const [, header, payload, signature] = access.split('.') as [string, string, string, string];
      const claims = claimsOf(access);
      const { body } = await call(server.url, 'GET', '/.well-known/jwks.json');
      const jwk = (body.keys as (JsonWebKey & { kid: string })[]).find(({ kid }) => kid === headerOf(access).kid)!;
      const pem = createPublicKey({ key: jwk, format: 'jwk' }).export({ format: 'pem', type: 'spki' });
      const confused = `${encode({ ...headerOf(access), alg: 'HS256' })}.${payload}`;
      const forgeries = [
        ...[{ sub: idOf('erin') }, { aud: 'x' }, { exp: Number(claims.exp) + 1 }, { token_type: 'tep_access_token' }, { session_id: 'dvs_other' }].map((change) => `dev.${header}.${encode({ ...claims, ...change })}.${signature}`),
        `dev.${encode({ alg: 'none', typ: 'JWT', kid: headerOf(access).kid })}.${payload}.`,
        `dev.${confused}.${createHmac('sha256', pem).update(confused).digest('base64url')}`,
        `dev.${header}.${payload}`,
        `${access}x`,
        'dev.',
        'dev...',
        `dev.${access}`,
      ];
      for (const forgery of forgeries) expect(await isGood(server, forgery), forgery.slice(0, 80)).to.equal(false);
      expect(await isGood(server, access)).to.equal(true);
    });

    it('is no access token of a mini-app, nor the other way round, whatever prefix it wears', async () => {
      const { access } = await signIn(server, 'dana');
      const tep = await firstPartyToken(server.url, 'syt_dana', 'tmcp_store');
      const installed = (token: string) => call(server.url, 'GET', '/api/v1/client/installed', { token });
      expect(outcome(await installed(access))).to.deep.equal([401, 'INVALID_TOKEN']);
      expect(outcome(await installed(access.replace('dev.', 'tep.')))).to.deep.equal([401, 'INVALID_TOKEN']);
      expect(await isGood(server, tep.replace('tep.', 'dev.'))).to.equal(false);
      const asAdmin = await call(server.url, 'GET', '/admin/developers/whitelist', { token: access });
      expect(outcome(asAdmin)).to.deep.equal([401, 'INVALID_TOKEN']);
    });

    it('counts for the developer who signed in, for this API and while they are listed, even were it signed for something else', async () => {
      const { access } = await signIn(server, 'dana');
      const claims = claimsOf(access);
      const judge = (change: object): Promise<string> => {
        const signer = { sign: () => Promise.resolve(''), verify: () => Promise.resolve({ ...claims, ...change }) };
        const tokens = createDeveloperTokens({ ...server, signer, audit: () => Promise.resolve(), console: {} as Console, organizations: {} as Organizations, options: { issuer: server.url, accessTokenMs: 1, refreshTokenMs: 1, codeMs: 1 } });
        return tokens.verify('dev.signed').then(({ userId }) => userId, (error: { code: string }) => error.code);
      };
      expect(await judge({})).to.equal(idOf('dana'));
      for (const change of [{ aud: 'tmcp_store' }, { aud: [claims.aud] }, { sub: idOf('erin') }, { session_id: undefined }, { session_id: 'dvs_other' }, { session_id: { id: claims.session_id } }]) {
        expect(await judge(change), JSON.stringify(change)).to.equal('invalid_developer_token');
      }
      const listed = server.database.sql('developer_whitelist').where({ user_id: idOf('dana') });
      await listed.clone().update({ state: 'removed' });
      expect(await isGood(server, access)).to.equal(false);
      await listed.clone().update({ state: 'listed' });
      expect(await isGood(server, access)).to.equal(true);
    });

    it('opens neither introspection nor revocation of mini-apps', async () => {
      const { access } = await signIn(server, 'dana');
      const introspected = await postForm(server, '/oauth2/introspect', { client_id: 'tmcp_store', token: access });
      expect(introspected.body).to.deep.equal({ active: false });
      await postForm(server, '/oauth2/revoke', { client_id: 'tmcp_store', token: access });
      expect(await isGood(server, access)).to.equal(true);
    });
  });

  describe('refreshing', () => {
    it('gives a new pair with the organisations of the moment', async () => {
      const first = await signIn(server, 'erin');
      const founded = await call(server.url, 'POST', '/organizations/v1/create', { token: first.access, body: { name: 'Later' } });
      const { status, body } = await refresh(first.refresh);
      expect(status).to.equal(200);
      expect(body.refresh_token).not.to.equal(first.refresh);
      expect(claimsOf(body.access_token as string).organizations).to.deep.include({ org_id: founded.body.org_id, name: 'Later', role: 'admin' });
      expect(claimsOf(body.access_token as string).jti).not.to.equal(claimsOf(first.access).jti);
      expect(await isGood(server, body.access_token as string)).to.equal(true);
    });

    it('twice with the same token ends every token of that sign-in, and only that', async () => {
      const first = await signIn(server, 'erin');
      const other = await signIn(server, 'erin');
      const second = (await refresh(first.refresh)).body;
      expect(outcome(await refresh(first.refresh))).to.deep.equal([400, 'invalid_grant']);
      expect(await isGood(server, first.access)).to.equal(false);
      expect(await isGood(server, second.access_token as string)).to.equal(false);
      expect(outcome(await refresh(second.refresh_token as string))).to.deep.equal([400, 'invalid_grant']);
      expect(await isGood(server, other.access)).to.equal(true);
      expect(server.log.lines.some((line) => line.includes('used twice'))).to.equal(true);
    });

    it('many times at once succeeds once at most, and leaves nothing that works', async () => {
      const { access, refresh: token } = await signIn(server, 'erin');
      const answers = await Promise.all(Array.from({ length: 8 }, () => refresh(token)));
      expect(answers.filter(({ status }) => status === 200)).to.have.length(1);
      expect(answers.filter((answer) => JSON.stringify(outcome(answer)) === '[400,"invalid_grant"]')).to.have.length(7);
      expect(await isGood(server, access)).to.equal(false);
    });

    it("is refused with another client's token, an unknown one, and an access token", async () => {
      const { access, refresh: token } = await signIn(server, 'erin');
      expect(outcome(await refresh(token, 'tmcp_developer_portal_001'))).to.deep.equal([400, 'invalid_grant']);
      expect(outcome(await refresh('rt_dev_unknown'))).to.deep.equal([400, 'invalid_grant']);
      expect(outcome(await refresh(access.slice(0, 200)))).to.deep.equal([400, 'invalid_grant']);
      expect((await refresh(token)).status).to.equal(200);
    });

    it('is refused when the refresh token is too old', async () => {
      const late = await startPlatform(databases, ['dana'], { TMCP_OAUTH_REFRESH_TOKEN_SECONDS: '3600' });
      const first = await signIn(late, 'dana');
      late.clock.advance(3_500_000);
      const second = await tokenRequest(late, { grant_type: 'refresh_token', refresh_token: first.refresh });
      late.clock.advance(3_500_000);
      const third = await tokenRequest(late, { grant_type: 'refresh_token', refresh_token: second.body.refresh_token as string });
      expect(third.status).to.equal(200);
      late.clock.advance(3_700_000);
      expect(outcome(await tokenRequest(late, { grant_type: 'refresh_token', refresh_token: third.body.refresh_token as string }))).to.deep.equal([400, 'invalid_grant']);
      await late.close();
    });
  });

  describe('signing out', () => {
    const revoke = (fields: Record<string, string>, token?: string) => postForm(server, '/oauth2/developer/revoke', fields, token === undefined ? {} : { authorization: `Bearer ${token}` });

    for (const which of ['access', 'refresh'] as const) {
      it(`with the ${which} token ends both`, async () => {
        const tokens = await signIn(server, 'frank');
        const { status, body } = await revoke({ token: tokens[which], token_type_hint: 'developer_token' }, tokens.access);
        expect(status).to.equal(200);
        expect(body).to.deep.equal({ revoked: true, message: 'Developer token and refresh token have been revoked' });
        expect(await isGood(server, tokens.access)).to.equal(false);
        expect(outcome(await refresh(tokens.refresh))).to.deep.equal([400, 'invalid_grant']);
        expect(outcome(await revoke({ token: tokens.access }, tokens.access))).to.deep.equal([401, 'invalid_developer_token']);
      });
    }

    it('is also the console’s to do, and no error for a token that is not good', async () => {
      const tokens = await signIn(server, 'frank');
      expect((await revoke({ token: tokens.refresh, client_id: consoleId })).status).to.equal(200);
      expect(await isGood(server, tokens.access)).to.equal(false);
      expect((await revoke({ token: tokens.refresh, client_id: consoleId })).status).to.equal(200);
      expect((await revoke({ token: 'nonsense', client_id: consoleId })).status).to.equal(200);
    });

    it("does not touch another developer's tokens, nor other sign-ins of one's own", async () => {
      const franks = await signIn(server, 'frank');
      const again = await signIn(server, 'frank');
      const erins = await signIn(server, 'erin');
      expect(outcome(await revoke({ token: erins.access }, franks.access))).to.deep.equal([403, 'access_denied']);
      expect(outcome(await revoke({ token: erins.refresh }, franks.access))).to.deep.equal([403, 'access_denied']);
      expect((await revoke({ token: again.access }, franks.access)).status).to.equal(200);
      expect([await isGood(server, erins.access), await isGood(server, franks.access), await isGood(server, again.access)]).to.deep.equal([true, true, false]);
    });

    it('says who calls', async () => {
      const tokens = await signIn(server, 'frank');
      expect(outcome(await revoke({ token: tokens.access }))).to.deep.equal([400, 'invalid_request']);
      expect(outcome(await revoke({ token: tokens.access, client_id: 'ma_nobody' }))).to.deep.equal([401, 'invalid_client']);
      expect(outcome(await revoke({}, tokens.access))).to.deep.equal([400, 'invalid_request']);
      expect(await isGood(server, tokens.access)).to.equal(true);
    });
  });

  it('keeps tokens out of the database and the log', async () => {
    const tokens = await signIn(server, 'dana');
    const { body } = await refresh(tokens.refresh);
    const stored = JSON.stringify([await server.database.sql('developer_session').select(), await server.database.sql('developer_refresh_token').select()]);
    const log = server.log.lines.join('\n');
    for (const secret of [tokens.access, tokens.refresh, body.access_token as string, body.refresh_token as string, 'syt_dana']) {
      expect(stored).not.to.contain(secret);
      expect(log).not.to.contain(secret);
    }
    expect(log).to.contain('developer token issued').and.to.contain(claimsOf(tokens.access).jti);
  });

  it('tidies up what is over', async () => {
    await signIn(server, 'dana');
    const { purgeExpiredDeveloperTokens } = await import('../../../src/developers/index.ts');
    const later = server.clock.now() + 31 * day;
    expect(await server.database.inTransaction((tx) => purgeExpiredDeveloperTokens(tx, server.clock.now() - 1))).to.equal(0);
    await server.database.inTransaction((tx) => purgeExpiredDeveloperTokens(tx, later));
    for (const table of ['developer_session', 'developer_refresh_token']) expect(await server.database.sql(table).select(), table).to.deep.equal([]);
  });

  it('is not to be had with the credentials of a mini-app', async () => {
    const registered = await call(server.url, 'POST', '/mini-apps/v1/register', {
      token: server.adminToken,
      body: { name: 'Backend', miniapp_id: 'ma_backend_app', technical: { entry_url: 'https://a.example', client_type: 'confidential' } },
    });
    await call(server.url, 'POST', '/admin/v1/mini-apps/ma_backend_app/approve', { token: server.adminToken, body: {} });
    const secret = registered.body.credentials.client_secret as string;
    const tep = (await exchange(server.url, 'syt_dana', { client_id: 'ma_backend_app', client_secret: secret })).body.access_token as string;
    const basic = `Basic ${Buffer.from(`ma_backend_app:${secret}`).toString('base64')}`;
    const fields = { grant_type: tokenExchange, subject_token: 'syt_dana', subject_token_type: accessTokenType };
    const expected = { error: 'forbidden_platform_endpoint', error_description: 'This endpoint is only accessible by platform services. Mini-apps do not have required privileges.' };
    const attempts = [
      await tokenRequest(server, { ...fields, client_id: 'ma_backend_app', client_secret: secret }),
      await postForm(server, '/oauth2/developer/token', fields, { authorization: basic }),
      await tokenRequest(server, fields, { authorization: `Bearer ${tep}` }),
      await postForm(server, '/oauth2/developer/revoke', { token: tep }, { authorization: `Bearer ${tep}` }),
      await postForm(server, '/oauth2/developer/revoke', { token: tep }, { authorization: basic }),
    ];
    for (const { status, body } of attempts) {
      expect(status).to.equal(403);
      expect(body).to.deep.equal(expected);
    }
  });
});
