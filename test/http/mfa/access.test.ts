import { expect } from 'chai';
import { call, exchange, firstPartyToken } from '../../support/api.ts';
import { onEveryWallet } from '../../support/databases.ts';
import { startWholeServer, type WholeServer } from '../../support/whole-server.ts';
import { newUser, tokenWithoutPay, type TestUser } from './support.ts';

onEveryWallet('second factors let in only the wallet of the user', (databases) => {
  let server: WholeServer;
  let user: TestUser;
  let refused: { readonly name: string; readonly token: string | undefined; readonly outcome: [number, string] }[];
  before(async () => {
    server = await startWholeServer(databases);
    await call(server.url, 'POST', '/mini-apps/v1/register', { token: server.adminToken, body: { miniapp_id: 'ma_game', name: 'Game', classification: 'official', technical: { entry_url: 'https://a.example', scopes_requested: ['storage:read'] } } });
    user = await newUser(server);
    const { token: revoked } = user;
    await user.again();
    const miniapp = await exchange(server.url, user.matrixToken, { client_id: 'ma_game' });
    expect(miniapp.status).to.equal(200);
    const unauthenticated: [number, string] = [401, 'INVALID_TOKEN'];
    const forbidden: [number, string] = [403, 'INSUFFICIENT_PERMISSIONS'];
    const lacking = await newUser(server);
    refused = [
      { name: 'no token', token: undefined, outcome: unauthenticated },
      { name: 'a made-up token', token: 'tep.eyJhbGciOiJub25lIn0.e30.', outcome: unauthenticated },
      { name: 'the Matrix token itself', token: user.matrixToken, outcome: unauthenticated },
      { name: "an administrator's token", token: server.adminToken, outcome: unauthenticated },
      { name: 'a revoked token', token: revoked, outcome: unauthenticated },
      { name: "a mini-app's token", token: miniapp.body.access_token as string, outcome: forbidden },
      { name: "the store's token", token: await firstPartyToken(server.url, user.matrixToken, 'tmcp_store'), outcome: forbidden },
      { name: 'a token without wallet:pay', token: await tokenWithoutPay(server, lacking), outcome: forbidden },
    ];
  });
  after(() => server.close());

  const operations: [string, string][] = [
    ['GET', '/mfa/methods'],
    ['POST', '/mfa/pin'],
    ['POST', '/mfa/pin/reset'],
    ['DELETE', '/mfa/pin/reset'],
    ['POST', '/mfa/totp/enroll'],
    ['POST', '/mfa/totp/confirm'],
    ['DELETE', '/mfa/totp'],
    ['POST', '/devices/register'],
    ['GET', '/devices'],
    ['DELETE', '/devices/device_1'],
    ['POST', '/mfa/webauthn/register/options'],
    ['POST', '/mfa/webauthn/register/verify'],
    ['POST', '/mfa/webauthn/authenticate/options'],
    ['POST', '/mfa/webauthn/authenticate/verify'],
    ['GET', '/mfa/webauthn'],
    ['DELETE', '/mfa/webauthn/credential'],
  ];
  for (const [method, path] of operations) {
    it(`${method} ${path}`, async () => {
      for (const { name, token, outcome } of refused) {
        const answer = await call(server.url, method, `/wallet/v1${path}`, { ...(token === undefined ? {} : { token }), ...(method === 'POST' ? { body: {} } : {}) });
        expect([answer.status, answer.body.error.code], name).to.deep.equal(outcome);
      }
    });
  }
});
