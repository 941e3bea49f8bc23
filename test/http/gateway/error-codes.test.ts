import { expect } from 'chai';
import { errorStatus, type ErrorCode } from '../../../src/kernel/errors.ts';
import { call, exchange, firstPartyToken, type ApiResponse } from '../../support/api.ts';
import type { TestDatabase } from '../../support/databases.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import type { WholeServer } from '../../support/whole-server.ts';
import { signIn, startPlatform } from '../developers/support.ts';
import { pin, pinProof } from '../mfa/support.ts';
import { act, appToken, asked, authorize, newPayer, newShop, signatureOver, type Payer, type Shop } from '../payments/support.ts';
import { activate, funded, person, room, type Person } from '../wallet/support.ts';

const sqlite: TestDatabase = { dialect: 'sqlite', createUrl: () => Promise.resolve(`sqlite:${temporaryDirectory('codes')}/tmcp.db`) };
const wrongPin = '604713';
let serial = 0;
const newKey = (): string => `code-${(serial += 1)}`;

describe('the standard error codes (section 12.2), each over HTTP', () => {
  let server: WholeServer;
  let shop: Shop;
  let alice: Payer;
  let bob: Person;
  let store: string;
  let roomId: string;
  before(async () => {
    server = await startPlatform(sqlite, ['dana'], { TMCP_RATE_LIMITS_STORAGE_BATCH: '1/1h', TMCP_TRANSFERS_RECIPIENT_ACCEPTANCE: 'above', TMCP_TRANSFERS_ACCEPTANCE_ABOVE: '100', TMCP_MFA_REQUIRE_FOR_FIRST_PAYMENT: 'false', TMCP_MFA_REQUIRE_FOR_NEW_DEVICE: 'false' });
    shop = await newShop(server, 'ma_shop');
    alice = await newPayer(server, shop, 'alice');
    bob = await funded(server, 'bob');
    roomId = room(server, 'chat', [alice, bob]);
    store = await firstPartyToken(server.url, alice.matrixToken, 'tmcp_store');
  });
  after(() => server?.close());

  const get = (path: string, token?: string): Promise<ApiResponse> => call(server.url, 'GET', path, token === undefined ? {} : { token });
  /** Somebody with money and a PIN, for whom nothing has failed yet. */
  const payer = async (name: string): Promise<Person> => {
    const who = await funded(server, name);
    expect((await who.post('/wallet/v1/mfa/pin', { pin })).status).to.equal(201);
    server.identity.rooms.get(roomId)!.members.add(who.userId);
    return who;
  };
  const initiate = (who: Person, fields: object = {}): Promise<ApiResponse> => who.post('/wallet/v1/p2p/initiate', { recipient: bob.userId, amount: 10, currency: 'USD', idempotency_key: newKey(), room_id: roomId, ...fields });
  const offered = async (who: Person, fields: object = {}): Promise<string> => {
    const { status, body } = await initiate(who, fields);
    expect(status, JSON.stringify(body)).to.equal(200);
    return body.transfer_id as string;
  };
  const confirm = (who: Person, id: string, given?: string): Promise<ApiResponse> => who.post(`/wallet/v1/p2p/${id}/confirm`, given === undefined ? {} : { auth_proof: pinProof(given) });

  /** Code and status as the specification has them, and how they come about. */
  const table: readonly (readonly [ErrorCode, number, () => Promise<ApiResponse>])[] = [
    ['INVALID_TOKEN', 401, () => get('/api/v1/storage/info', 'tep.not.a.token')],
    ['INSUFFICIENT_PERMISSIONS', 403, () => call(server.url, 'POST', '/wallet/v1/p2p/initiate', { token: store, body: {} })],
    ['INSUFFICIENT_FUNDS', 402, () => initiate(alice, { amount: 4000 })],
    ['PAYMENT_FAILED', 400, async () => {
      const sandbox = await newShop(server, 'x', { token: (await signIn(server, 'dana')).access, approve: false });
      const dana = await newPayer(server, sandbox, 'dana', { amount: '0' });
      return authorize(server, dana, await asked(server, dana, { amount: 10.01 }), 1001);
    }],
    ['RATE_LIMIT_EXCEEDED', 429, async () => {
      const batch = (): Promise<ApiResponse> => call(server.url, 'POST', '/api/v1/storage/batch/get', { token: store, body: { keys: ['a'] } });
      expect((await batch()).status).to.equal(200);
      return batch();
    }],
    ['MINIAPP_NOT_FOUND', 404, () => call(server.url, 'POST', '/api/v1/auth/revoke', { token: alice.matrixToken, body: { miniapp_id: 'ma_nobody' } })],
    ['INVALID_SIGNATURE', 401, async () => {
      const id = await asked(server, alice);
      return act(server, alice.appToken, id, 'authorize', signatureOver(server, alice, id, 9999));
    }],
    ['DUPLICATE_TRANSACTION', 409, async () => {
      const key = newKey();
      await offered(alice, { idempotency_key: key });
      return initiate(alice, { idempotency_key: key, amount: 11 });
    }],
    ['MFA_REQUIRED', 402, async () => {
      const carol = await payer('carol');
      return confirm(carol, await offered(carol));
    }],
    ['MFA_LOCKED', 429, async () => {
      const eve = await payer('eve');
      const id = await offered(eve);
      for (let n = 0; n < 2; n += 1) expect((await confirm(eve, id, wrongPin)).status).to.equal(401);
      await confirm(eve, id, wrongPin);
      return confirm(eve, id, pin);
    }],
    ['INVALID_MFA_CREDENTIALS', 401, async () => {
      const frank = await payer('frank');
      return confirm(frank, await offered(frank), wrongPin);
    }],
    ['STORAGE_QUOTA_EXCEEDED', 413, () => call(server.url, 'PUT', '/api/v1/storage/large', { token: store, body: { value: 'x'.repeat(2 ** 20 + 1) } })],
    ['APP_NOT_REMOVABLE', 403, () => call(server.url, 'DELETE', '/api/v1/store/apps/ma_official_wallet/install', { token: store })],
    ['APP_NOT_FOUND', 404, () => get('/api/v1/store/apps/ma_nobody')],
    ['DEVICE_NOT_REGISTERED', 400, async () => {
      const grace = await person(server, 'grace');
      await activate(grace);
      const token = await appToken(server, grace, shop);
      const id = await asked(server, { ...alice, appToken: token });
      return act(server, token, id, 'authorize', signatureOver(server, { ...alice, deviceId: 'device_unknown' }, id, 1000));
    }],
    ['USER_SUSPENDED', 403, async () => {
      const heidi = await payer('heidi');
      expect((await call(server.url, 'POST', `/admin/v1/users/${heidi.userId}/suspend`, { token: server.adminToken, body: { reason: 'fraud' } })).status).to.equal(200);
      return initiate(alice, { recipient: heidi.userId });
    }],
    ['RECIPIENT_ACCEPTANCE_REQUIRED', 400, async () => {
      const ivan = await payer('ivan');
      const id = await offered(ivan, { amount: 200 });
      expect((await confirm(ivan, id, pin)).body.status).to.equal('pending_recipient_acceptance');
      return confirm(ivan, id, pin);
    }],
    ['TRANSFER_EXPIRED', 400, async () => {
      const judy = await payer('judy');
      const id = await offered(judy);
      server.clock.advance(10 * 60_000);
      return confirm(judy, id, pin);
    }],
    ['CONSENT_REQUIRED', 403, () => exchange(server.url, bob.matrixToken, { client_id: shop.id, scope: 'wallet:pay' })],
    ['INVALID_SCOPE', 400, () => call(server.url, 'POST', '/api/v1/auth/revoke', { token: alice.matrixToken, body: { miniapp_id: shop.id, scopes: ['nonsense'] } })],
    ['GIFT_EXPIRED', 400, async () => {
      const ken = await payer('ken');
      const key = newKey();
      const { status, body } = await ken.post('/wallet/v1/gift/create', { type: 'group', room_id: roomId, total_amount: 10, currency: 'USD', count: 2, expires_in_seconds: 3600, idempotency_key: key, auth_proof: pinProof(pin) });
      expect(status, JSON.stringify(body)).to.equal(200);
      server.clock.advance(3_600_000);
      // An hour later: everybody signs in anew.
      return (await person(server, 'bob')).post(`/wallet/v1/gift/${body.gift_id as string}/open`, { device_id: 'device_bob' });
    }],
  ];

  for (const [code, status, provoke] of table) {
    it(`${code}: ${status}`, async () => {
      const answer = await provoke();
      expect([answer.status, errorStatus[code]], JSON.stringify(answer.body)).to.deep.equal([status, status]);
      if (code === 'CONSENT_REQUIRED') {
        // Under /oauth2 in the form of RFC 6749 (decision D13), which section 12.3 shows.
        expect(answer.body).to.include({ error: 'consent_required' }).and.to.include.keys('error_description', 'consent_required_scopes', 'pre_approved_scopes', 'consent_ui_endpoint');
        return;
      }
      expect(answer.body.error.code).to.equal(code);
      expect(answer.body.error.message).to.be.a('string').and.equal(answer.body.error_description);
      expect(answer.body.error.timestamp).to.match(/^\d{4}-\d\d-\d\dT/);
      expect(answer.body.error.request_id).to.match(/^req_/);
    });
  }

  it('are all of the section', () => expect(new Set(table.map(([code]) => code)).size).to.equal(21));
});
