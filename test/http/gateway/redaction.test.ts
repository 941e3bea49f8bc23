import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Writable } from 'node:stream';
import { expect } from 'chai';
import { generate } from 'otplib';
import { createLog } from '../../../src/operations/index.ts';
import { call, exchange, firstPartyToken } from '../../support/api.ts';
import { onBothDatabases } from '../../support/databases.ts';
import { eventually } from '../../support/eventually.ts';
import { AS_TOKEN, HS_TOKEN } from '../../support/server-process.ts';
import { startWholeServer, type WholeServer } from '../../support/whole-server.ts';
import { consoleId, postForm, tokenRequest } from '../developers/support.ts';
import { byItself } from '../mfa/support.ts';
import { answerOf, authorizeUrl, Browser, newPkce, redirectUri } from '../oauth/browser.ts';
import { accessTokenType, tokenExchange } from '../oauth/support.ts';
import { credit, room } from '../wallet/support.ts';

/** Every credential that goes through the server in this test, by what it is. */
class Secrets {
  readonly #all = new Map<string, string>();
  /** Remembers it, and gives it back. */
  note(what: string, secret: unknown): string {
    if (typeof secret !== 'string' || secret.length < 6) throw new Error(`${what} is no secret: ${String(secret)}`);
    this.#all.set(`${what} ${this.#all.size}`, secret);
    return secret;
  }
  /** Those that are in a text, by what they are. */
  in(text: string): string[] {
    const isIn = (secret: string): boolean => (/^\d+$/.test(secret) ? byItself(secret).test(text) : [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)].some((spelling) => text.includes(spelling)));
    return [...this.#all].filter(([, secret]) => isIn(secret)).map(([what]) => what);
  }
  get size(): number {
    return this.#all.size;
  }
}

onBothDatabases('the log of a whole server at debug level', (databases) => {
  const secrets = new Secrets();
  const webhooks: { body: string; signature: string | undefined }[] = [];
  let lines = '';
  let server: WholeServer;
  const receiver = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => {
      webhooks.push({ body: Buffer.concat(chunks).toString(), signature: req.headers['x-webhook-signature'] as string | undefined });
      res.writeHead(webhooks.length === 1 ? 500 : 200).end();
    });
  });

  before(async () => {
    await once(receiver.listen(0, '127.0.0.1'), 'listening');
    const stream = new Writable({ write: (chunk: Buffer, _encoding, done) => ((lines += chunk.toString()), done()) });
    const log = createLog({ level: 'debug', format: 'json' }, stream);
    const consoleSecret = secrets.note('console secret', 'console-secret-of-this-test');
    server = await startWholeServer(databases, { TMCP_SERVER_ROLES: 'api,appservice,worker', TMCP_DEVELOPERS_WHITELIST: '@dana:example.org', TMCP_DEVELOPERS_CONSOLE_CLIENT_SECRET: consoleSecret, TMCP_JOBS_POLL_INTERVAL_MS: '50' }, { log });
    secrets.note('admin token', server.adminToken);
    for (const name of ['alice', 'bob', 'dana']) server.identity.whoami.set(secrets.note('Matrix token', `syt_c2VjcmV0_of_${name}`), { user_id: `@${name}:example.org`, is_guest: false });
  });
  after(async () => {
    receiver.closeAllConnections();
    receiver.close();
    await server.close();
  });
  afterEach(() => expect(secrets.in(lines)).to.deep.equal([]));

  const matrixToken = (name: string): string => `syt_c2VjcmV0_of_${name}`;
  const admin = (method: string, path: string, body: object) => call(server.url, method, path, { token: server.adminToken, body });
  /** Of a 200 of the token endpoint. */
  const noteTokens = ({ status, body }: { status: number; body: Record<string, unknown> }): { access: string; refresh: string } => {
    expect(status, JSON.stringify(body)).to.be.within(200, 201);
    return { access: secrets.note('access token', body.access_token), refresh: body.refresh_token === undefined ? '' : secrets.note('refresh token', body.refresh_token) };
  };

  it('holds nothing of registration, token exchange, refresh, reuse, client credentials, introspection and revocation', async () => {
    const { port } = receiver.address() as AddressInfo;
    const technical = { entry_url: 'https://shop.example', redirect_uris: [redirectUri], scopes_requested: ['user:read', 'storage:read', 'storage:write'], client_type: 'hybrid', webhook_url: 'https://shop.example/hook' };
    const registered = await admin('POST', '/mini-apps/v1/register', { miniapp_id: 'ma_game', name: 'Game', classification: 'verified', technical });
    expect(registered.status, JSON.stringify(registered.body)).to.equal(201);
    const secret = secrets.note('client secret', registered.body.credentials.confidential_client.client_secret);
    secrets.note('webhook secret', registered.body.credentials.webhook_secret);
    await admin('POST', '/admin/v1/mini-apps/ma_game/approve', {});
    await server.database.sql('miniapp').where({ miniapp_id: 'ma_game' }).update({ webhook_url: `http://127.0.0.1:${port}/hook` });
    const first = noteTokens(await exchange(server.url, matrixToken('alice'), { client_id: 'ma_game' }));
    const form = (fields: Record<string, string>, headers: Record<string, string> = {}) => postForm(server, '/oauth2/token', fields, headers);
    const second = noteTokens(await form({ grant_type: 'refresh_token', client_id: 'ma_game', refresh_token: first.refresh }));
    await form({ grant_type: 'refresh_token', client_id: 'ma_game', refresh_token: secrets.note('refresh token', 'rt_that_nobody_was_ever_given_000') });
    const basic = { authorization: `Basic ${secrets.note('basic', Buffer.from(`ma_game_backend:${secret}`).toString('base64'))}` };
    noteTokens(await form({ grant_type: 'client_credentials' }, basic));
    await form({ grant_type: 'client_credentials', client_id: 'ma_game_backend', client_secret: secrets.note('wrong secret', 'wrong-client-secret-1234') });
    await postForm(server, '/oauth2/introspect', { token: second.access }, basic);
    await postForm(server, '/oauth2/revoke', { token: second.refresh }, basic);
    await call(server.url, 'GET', `/api/v1/client/installed?access_token=${second.access}&code=${secret}`, { token: second.access });
    await exchange(server.url, secrets.note('Matrix token', 'syt_that_the_homeserver_refuses'), { client_id: 'ma_game' });
    server.identity.openId.set(secrets.note('OpenID token', 'openid_token_0123456789'), '@alice:example.org');
    await form({ grant_type: tokenExchange, subject_token: 'openid_token_0123456789', subject_token_type: 'urn:tmcp:params:oauth:token-type:matrix-openid', matrix_server_name: 'example.org' }, basic);
    server.identity.failWith = 500;
    await exchange(server.url, matrixToken('alice'), { client_id: 'ma_game' });
    server.identity.failWith = undefined;
    expect(lines).to.contain('registerMiniApp');
  });

  it('holds nothing of the browser\'s flow and of a device\'s: passwords, cookies, codes, verifiers', async () => {
    const browser = new Browser(server.url);
    const pkce = newPkce();
    secrets.note('code verifier', pkce.verifier);
    const world = { issuer: server.url, identity: server.identity } as never;
    const page = await browser.go(authorizeUrl(world, pkce, { client_id: 'ma_game', scope: 'storage:read' }));
    server.identity.passwords.set('alice', secrets.note('password', 'a password of alice'));
    await browser.submit(page, { username: 'alice', password: secrets.note('password', 'not the password') });
    let after = await browser.submit(page, { username: 'alice', password: 'a password of alice' });
    if (after.text.includes('csrf_token')) after = await browser.submit(after, { decision: 'approve', approved_scopes: ['storage:read'] });
    const code = secrets.note('authorization code', answerOf(after).code);
    for (const { value } of browser.cookies.values()) secrets.note('cookie', value);
    noteTokens(await postForm(server, '/oauth2/token', { grant_type: 'authorization_code', client_id: 'ma_game', code, redirect_uri: redirectUri, code_verifier: pkce.verifier }));
    await postForm(server, '/oauth2/token', { grant_type: 'authorization_code', client_id: 'ma_game', code, redirect_uri: redirectUri, code_verifier: pkce.verifier });
    const device = await postForm(server, '/oauth2/device/authorization', { client_id: 'ma_game', scope: 'storage:read' });
    const deviceCode = secrets.note('device code', device.body.device_code);
    secrets.note('user code', device.body.user_code);
    await postForm(server, '/oauth2/token', { grant_type: 'urn:ietf:params:oauth:grant-type:device_code', client_id: 'ma_game', device_code: deviceCode });
    await browser.submit(await browser.go('/oauth2/device'), { user_code: device.body.user_code as string });
  });

  it('holds nothing of developers: their tokens and the console\'s secret', async () => {
    const signedIn = noteTokens(await tokenRequest(server, { client_id: consoleId, client_secret: 'console-secret-of-this-test', grant_type: tokenExchange, subject_token: matrixToken('dana'), subject_token_type: accessTokenType }));
    const again = noteTokens(await tokenRequest(server, { client_id: consoleId, client_secret: 'console-secret-of-this-test', grant_type: 'refresh_token', refresh_token: signedIn.refresh }));
    await tokenRequest(server, { client_id: consoleId, client_secret: 'console-secret-of-this-test', grant_type: 'refresh_token', refresh_token: signedIn.refresh });
    await tokenRequest(server, { client_id: consoleId, client_secret: secrets.note('wrong secret', 'wrong-console-secret'), grant_type: 'refresh_token', refresh_token: again.refresh });
    await postForm(server, '/oauth2/developer/revoke', { token: again.access }, { authorization: `Bearer ${again.access}` });
  });

  it('holds nothing of storage: neither values nor tokens', async () => {
    const { access: token } = noteTokens(await exchange(server.url, matrixToken('alice'), { client_id: 'ma_game' }));
    const value = secrets.note('value', 'what a user wrote and nobody else may read');
    await call(server.url, 'PUT', '/api/v1/storage/note', { token, body: { value } });
    await call(server.url, 'PUT', '/api/v1/storage/note', { token, body: { value, base_rev: 99 } });
    await call(server.url, 'POST', '/api/v1/storage/batch/set', { token, body: { items: [{ key: 'a', value }] } });
    await call(server.url, 'GET', '/api/v1/storage/note', { token });
    await call(server.url, 'PUT', '/api/v1/storage/note', { token, body: `{"value": "${value}` });
  });

  it('holds nothing of factors and of money: PINs, authenticators, recovery codes, proofs', async () => {
    const pin = secrets.note('PIN', '739164');
    const hashed = secrets.note('hashed PIN', createHash('sha256').update(pin).digest('hex'));
    const token = secrets.note('access token', await firstPartyToken(server.url, matrixToken('alice'), 'tmcp_wallet'));
    const post = (path: string, body: object) => call(server.url, 'POST', `/wallet/v1${path}`, { token, body });
    expect((await post('/mfa/pin', { pin })).status).to.equal(201);
    const proof = { method: 'transaction_pin', proof: { pin } };
    const enrolled = await post('/mfa/totp/enroll', { auth_proof: proof });
    expect(enrolled.status, JSON.stringify(enrolled.body)).to.equal(201);
    const secret = secrets.note('authenticator secret', enrolled.body.secret);
    secrets.note('authenticator URI', enrolled.body.otpauth_uri);
    const code = secrets.note('authenticator code', await generate({ secret, epoch: Math.floor(server.clock.now() / 1000) }));
    const confirmed = await post('/mfa/totp/confirm', { code, auth_proof: proof });
    for (const recovery of (confirmed.body.recovery_codes ?? []) as string[]) secrets.note('recovery code', recovery);
    await post('/mfa/pin', { pin, auth_proof: { method: 'transaction_pin', proof: { pin: secrets.note('wrong PIN', '850372') } } });
    await post('/mfa/pin', { hashed_pin: hashed, auth_proof: proof });

    const bob = secrets.note('access token', await firstPartyToken(server.url, matrixToken('bob'), 'tmcp_p2p'));
    const alice = { userId: '@alice:example.org' as never };
    await credit(server, alice, '100.00');
    for (const one of [token, bob]) await call(server.url, 'POST', '/wallet/v1/activate', { token: one, body: { verification_data: { terms_accepted: true, terms_version: '1.5.0' } } });
    const roomId = room(server, 'money', [alice, { userId: '@bob:example.org' as never }]);
    const transfer = await post('/p2p/initiate', { recipient: '@bob:example.org', amount: 5, currency: 'USD', room_id: roomId, idempotency_key: 'redaction-1' });
    expect(transfer.status, JSON.stringify(transfer.body)).to.equal(200);
    const done = await post(`/p2p/${transfer.body.transfer_id as string}/confirm`, { auth_proof: { method: 'pin', proof: { pin } } });
    expect(done.status, JSON.stringify(done.body)).to.equal(200);

    const details = { card_number: secrets.note('card number', '4242424242424242'), expiry_month: 12, expiry_year: 2030, holder_name: secrets.note('name on the card', 'Alice Example-Redaction') };
    const link = (more: object) => post('/external/link', { account_type: 'card', currency: 'USD', account_details: { ...details, ...more }, idempotency_key: 'redaction-2' });
    await link({ card_number: secrets.note('mistyped card number', '4242424242424241') });
    const linked = await link({});
    expect(linked.status, JSON.stringify(linked.body)).to.equal(402);
    const id = linked.body.external_account_id as string;
    expect((await post(`/external/${id}/confirm`, { auth_proof: { method: 'pin', proof: { pin } } })).status).to.equal(200);
    await eventually(async () => expect((await call(server.url, 'GET', `/wallet/v1/external/${id}`, { token })).body.verification.ready).to.equal(true), { description: 'the provider has begun' });
    expect((await post('/external/verify', { external_account_id: id, verification_data: { code: secrets.note('wrong code', '999111') } })).status).to.equal(400);
    expect((await post('/external/verify', { external_account_id: id, verification_data: { code: secrets.note('code of the provider', '424242') } })).status).to.equal(200);
  });

  it('holds nothing of webhooks: neither the secret nor what it signs', async () => {
    await call(server.url, 'POST', '/mini-apps/v1/ma_game/webhooks/test', { token: server.adminToken, body: {} });
    const rotated = await admin('POST', '/mini-apps/v1/ma_game/secrets/rotate', { secret: 'webhook' });
    secrets.note('webhook secret', rotated.body.webhook_secret ?? rotated.body.secret);
    await call(server.url, 'POST', '/mini-apps/v1/ma_game/webhooks/test', { token: server.adminToken, body: {} });
    await eventually(() => expect(webhooks.length).to.be.greaterThan(1), { description: 'webhooks arrive' });
    for (const { body, signature } of webhooks) {
      secrets.note('webhook body', body);
      secrets.note('webhook signature', signature);
    }
  });

  it('holds nothing of what the homeserver and this server prove themselves by', async () => {
    secrets.note('hs_token', HS_TOKEN);
    secrets.note('as_token', AS_TOKEN);
    const content = { body: secrets.note('message', 'what somebody said to somebody'), msgtype: 'm.text' };
    const push = (token: string, body: unknown) => call(server.url, 'PUT', '/_matrix/app/v1/transactions/1', { token, body });
    await push(HS_TOKEN, { events: [{ type: 'm.room.message', room_id: '!a:example.org', sender: '@alice:example.org', event_id: '$1', content }] });
    await push(secrets.note('wrong hs_token', 'wrong_hs_token_0123456789'), { events: [] });
    await push(HS_TOKEN, `{"events": [${content.body}`);
    await call(server.url, 'GET', `/_matrix/app/v1/users/@_tmcp:example.org?access_token=${HS_TOKEN}`);
    await call(server.url, 'POST', '/api/v1/appeals', { token: matrixToken('bob'), body: { message: 'Why?' } });
  });

  it('has looked for a good many', () => {
    expect(secrets.size).to.be.greaterThan(50);
    expect(lines.split('\n').length).to.be.greaterThan(60);
    for (const operation of ['putStorageEntry', 'setPin', 'confirmTransfer', 'developerToken', 'testWebhook']) expect(lines, operation).to.contain(`"operation":"${operation}"`);
  });
});
