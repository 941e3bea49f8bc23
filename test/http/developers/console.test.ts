import { createHash, randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { createConsole, createDeveloperTokens, type DeveloperTokens, type Organizations, type TokenSigner } from '../../../src/developers/index.ts';
import { asUserId } from '../../../src/kernel/ids.ts';
import { onBothDatabases } from '../../support/databases.ts';
import type { WholeServer } from '../../support/whole-server.ts';
import { accessTokenType, consoleId, idOf, isGood, outcome, postForm, signIn, startPlatform, tokenExchange, tokenRequest } from './support.ts';

const secret = 'console secret: with+odd/characters';
const redirectUri = 'https://developer.example/callback';
const encode = encodeURIComponent;
const basic = (id: string, password: string): Record<string, string> => ({ authorization: `Basic ${Buffer.from(`${encode(id)}:${encode(password)}`).toString('base64')}` });
const signInForm = { grant_type: tokenExchange, subject_token: 'syt_dana', subject_token_type: accessTokenType };

onBothDatabases('the developer console (specification section 4.4.9)', (databases) => {
  describe('with a secret', () => {
    let server: WholeServer;
    before(async () => {
      server = await startPlatform(databases, ['dana'], { TMCP_DEVELOPERS_CONSOLE_CLIENT_SECRET: secret });
    });
    after(() => server.close());
    const post = (fields: Record<string, string>, headers: Record<string, string> = {}) => postForm(server, '/oauth2/developer/token', { ...signInForm, ...fields }, headers);

    it('proves itself in the form or by Basic, under either of its names', async () => {
      expect((await post({ client_id: consoleId, client_secret: secret })).status).to.equal(200);
      expect((await post({}, basic(consoleId, secret))).status).to.equal(200);
      expect((await post({ client_id: consoleId }, basic(consoleId, secret))).status).to.equal(200);
      expect((await post({ client_id: 'tmcp_developer_portal_001', client_secret: secret })).status).to.equal(200);
    });

    it('is refused without it, with another, and with two at once', async () => {
      const missing = await post({ client_id: consoleId });
      expect(outcome(missing)).to.deep.equal([401, 'invalid_client']);
      expect(missing.headers.get('www-authenticate')).to.equal('Basic realm="tmcp"');
      expect(outcome(await post({ client_id: consoleId, client_secret: `${secret}x` }))).to.deep.equal([401, 'invalid_client']);
      expect(outcome(await post({}, basic(consoleId, 'x')))).to.deep.equal([401, 'invalid_client']);
      expect(outcome(await post({ client_secret: secret }, basic(consoleId, secret)))).to.deep.equal([400, 'invalid_request']);
      expect(outcome(await post({ client_id: 'tmcp_developer_portal_001' }, basic(consoleId, secret)))).to.deep.equal([400, 'invalid_request']);
      expect(outcome(await post({}))).to.deep.equal([400, 'invalid_request']);
    });

    it('needs it to refresh and to revoke as well', async () => {
      const { body } = await post({ client_id: consoleId, client_secret: secret });
      const refresh = { grant_type: 'refresh_token', client_id: consoleId, refresh_token: body.refresh_token as string };
      expect(outcome(await tokenRequest(server, refresh))).to.deep.equal([401, 'invalid_client']);
      expect(outcome(await postForm(server, '/oauth2/developer/revoke', { client_id: consoleId, token: body.refresh_token as string }))).to.deep.equal([401, 'invalid_client']);
      expect((await tokenRequest(server, { ...refresh, client_secret: secret })).status).to.equal(200);
      const revoked = await postForm(server, '/oauth2/developer/revoke', { token: body.access_token as string }, basic(consoleId, secret));
      expect(revoked.status).to.equal(200);
      expect(await isGood(server, body.access_token as string)).to.equal(false);
    });

    it('keeps it out of the log', () => expect(server.log.lines.join('\n')).not.to.contain(secret));
  });

  describe('redeems a code', () => {
    let server: WholeServer;
    /** What the sign-in page has: another instance over the same database. */
    let page: DeveloperTokens;
    before(async () => {
      server = await startPlatform(databases, ['dana', 'erin'], { TMCP_DEVELOPERS_CONSOLE_REDIRECT_URIS: redirectUri, TMCP_OAUTH_AUTHORIZATION_CODE_SECONDS: '60' });
      page = createDeveloperTokens({
        ...server,
        console: createConsole({ clientIds: [consoleId, 'tmcp_developer_portal_001'], clientSecret: undefined, redirectUris: [redirectUri] }, () => Promise.resolve(false)),
        organizations: undefined as unknown as Organizations,
        signer: undefined as unknown as TokenSigner,
        audit: () => Promise.resolve(),
        options: { issuer: server.url, accessTokenMs: 1, refreshTokenMs: 1, codeMs: 60_000 },
      });
    });
    after(() => server.close());

    const newCode = async (person = 'dana', clientId = consoleId): Promise<Record<string, string>> => {
      const verifier = randomBytes(32).toString('base64url');
      const codeChallenge = createHash('sha256').update(verifier).digest('base64url');
      const code = await page.issueDeveloperCode({ userId: asUserId(idOf(person)), clientId, redirectUri, codeChallenge });
      return { grant_type: 'authorization_code', client_id: clientId, redirect_uri: redirectUri, code, code_verifier: verifier };
    };

    it('once, for the user who signed in', async () => {
      const { status, body } = await tokenRequest(server, await newCode());
      expect(status).to.equal(200);
      expect(body.developer_id).to.equal(idOf('dana'));
      expect(await isGood(server, body.access_token as string)).to.equal(true);
    });

    it('never twice: then what came of it ends, even with a wrong verifier and when it is old', async () => {
      for (const change of [{}, { code_verifier: 'x'.repeat(43) }]) {
        for (const laterMs of [0, 120_000]) {
          const form = await newCode();
          const { body } = await tokenRequest(server, form);
          server.clock.advance(laterMs);
          expect(outcome(await tokenRequest(server, { ...form, ...change }))).to.deep.equal([400, 'invalid_grant']);
          expect(await isGood(server, body.access_token as string)).to.equal(false);
          expect(outcome(await tokenRequest(server, { grant_type: 'refresh_token', refresh_token: body.refresh_token as string }))).to.deep.equal([400, 'invalid_grant']);
        }
      }
    });

    it('once at most when two do so at the same moment, and then leaves nothing that works', async () => {
      const form = await newCode();
      const answers = await Promise.all(Array.from({ length: 6 }, () => tokenRequest(server, form)));
      const good = answers.filter(({ status }) => status === 200);
      expect(good).to.have.length(1);
      expect(await isGood(server, good[0]!.body.access_token as string)).to.equal(false);
    });

    const wrong: Record<string, [Record<string, string>, [number, string]]> = {
      'with another verifier': [{ code_verifier: 'y'.repeat(43) }, [400, 'invalid_grant']],
      'with a verifier that is too short': [{ code_verifier: 'short' }, [400, 'invalid_request']],
      'at another address': [{ redirect_uri: `${redirectUri}/` }, [400, 'invalid_grant']],
      'under another name': [{ client_id: 'tmcp_developer_portal_001' }, [400, 'invalid_grant']],
      'that is not one': [{ code: 'dc_unknown' }, [400, 'invalid_grant']],
    };
    for (const [what, [change, expected]] of Object.entries(wrong)) {
      it(`not ${what}, which does not spend it`, async () => {
        const form = await newCode();
        expect(outcome(await tokenRequest(server, { ...form, ...change }))).to.deep.equal(expected);
        expect((await tokenRequest(server, form)).status).to.equal(200);
      });
    }

    it('not without verifier, address or code', async () => {
      for (const field of ['code', 'redirect_uri', 'code_verifier']) {
        const { [field]: _left, ...form } = await newCode();
        expect(outcome(await tokenRequest(server, form))).to.deep.equal([400, 'invalid_request']);
      }
    });

    it('not when it is too old', async () => {
      const form = await newCode();
      server.clock.advance(60_000);
      expect(outcome(await tokenRequest(server, form))).to.deep.equal([400, 'invalid_grant']);
    });

    it('not of who has been removed meanwhile, nor when they are back', async () => {
      const form = await newCode('erin');
      const { access } = await signIn(server, 'erin');
      await fetch(`${server.url}/admin/developers/${idOf('erin')}`, { method: 'DELETE', headers: { authorization: `Bearer ${server.adminToken}` } });
      expect(await isGood(server, access)).to.equal(false);
      expect(outcome(await tokenRequest(server, form))).to.deep.equal([400, 'invalid_grant']);
      const refused = await newCode('erin').then(() => 'issued', (error: { code: string }) => error.code);
      expect(refused).to.equal('developer_not_whitelisted');
    });

    it('that goes to a known address only', async () => {
      const attempt = (clientId: string, uri: string): Promise<string> =>
        page.issueDeveloperCode({ userId: asUserId(idOf('dana')), clientId, redirectUri: uri, codeChallenge: 'x' }).then(() => 'issued', (error: { code: string }) => error.code);
      expect(await attempt(consoleId, 'https://evil.example/callback')).to.equal('invalid_client');
      expect(await attempt('ma_game', redirectUri)).to.equal('invalid_client');
    });

    it('that is stored as a hash', async () => {
      const { code } = await newCode();
      expect(JSON.stringify(await server.database.sql('developer_code').select())).not.to.contain(code);
    });
  });
});
