import { expect } from 'chai';
import { call, exchange, firstPartyToken } from '../../support/api.ts';
import { onEveryWallet } from '../../support/databases.ts';
import { startWholeServer, type WholeServer } from '../../support/whole-server.ts';
import { activate, administration, auditOf, credit, funded, person, room, textOf, type Person } from './support.ts';

onEveryWallet('the wallet', (databases) => {
  let server: WholeServer;
  let alice: Person;
  before(async () => {
    server = await startWholeServer(databases);
    alice = await person(server, 'alice');
  });
  after(async () => {
    expect(await auditOf(server)).to.deep.equal([]);
    await server.close();
  });

  describe('before there is one', () => {
    it('is empty and not activated, and opens none', async () => {
      const { status, body } = await alice.get('/wallet/v1/balance');
      expect(status).to.equal(200);
      expect(body).to.deep.include({ user_id: alice.userId, status: 'active', user_status: 'pending', payment_enabled: false, balance: { available: 0, pending: 0, held: 0, currency: 'USD' } });
      expect(body.verification).to.include({ level: 0, level_name: 'Unverified', can_upgrade: true, next_level: 1 });
      expect((await alice.get('/wallet/v1/verification')).body.features).to.deep.equal({ p2p_send: false, p2p_receive: true, miniapp_payments: false, high_value: false, international: false });
      expect((await alice.get('/wallet/v1/transactions')).body).to.deep.equal({ transactions: [], pagination: { total: 0, limit: 50, offset: 0, has_more: false } });
      expect(await server.database.sql('wallet').where({ user_id: alice.userId })).to.deep.equal([]);
    });

    it('has the wallet id that the access token came with', async () => {
      const { body } = await exchange(server.url, alice.matrixToken, { audience: 'tmcp_wallet' });
      expect((await alice.get('/wallet/v1/balance')).body.wallet_id).to.equal(body.wallet_id);
    });
  });

  describe('opening it', () => {
    const register = (token: string, body: object = {}) => call(server.url, 'POST', '/wallet/v1/register', { token, body });

    it('takes the Matrix token of its owner, and happens once', async () => {
      const rosa = await person(server, 'rosa');
      const body = { user_id: rosa.userId, currency: 'EUR', initial_settings: { mfa_enabled: false, daily_limit: 250.5 } };
      const first = await register(rosa.matrixToken, body);
      expect(first.status).to.equal(200);
      expect(first.body).to.deep.include({ user_id: rosa.userId, status: 'active', user_status: 'pending', balance: { available: 0, pending: 0, held: 0, currency: 'EUR' } });
      expect((await register(rosa.matrixToken, { currency: 'USD' })).body).to.deep.equal(first.body);
      await activate(rosa);
      expect((await rosa.get('/wallet/v1/balance')).body.limits).to.deep.include({ daily_limit: 250.5, transaction_limit: 10_000, currency: 'EUR' });
    });

    it('refuses anybody else, and what is no currency or amount', async () => {
      const other = await register('syt_alice', { user_id: '@bob:example.org' });
      expect([other.status, other.body.error.code]).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
      expect((await register(alice.token)).status).to.equal(401);
      expect((await register('syt_unknown')).status).to.equal(401);
      expect((await register('syt_alice', { currency: 'XAU' })).body.error.details[0].field).to.equal('currency');
      const limit = await register('syt_alice', { initial_settings: { daily_limit: 0.001 } });
      expect([limit.body.error.code, limit.body.error.details[0].field]).to.deep.equal(['INVALID_AMOUNT', 'initial_settings.daily_limit']);
      expect(await server.database.sql('wallet').where({ user_id: alice.userId })).to.deep.equal([]);
    });
  });

  describe('activation', () => {
    it('has a page behind its address, which says what to do and tells nothing of the wallet', async () => {
      const [asking, waiting] = [await funded(server, 'asker'), await person(server, 'waiter')];
      await credit(server, waiting, '12.50');
      const roomId = room(server, 'asking', [asking, waiting]);
      const { activation_url: url } = (await asking.get(`/wallet/v1/resolve/${encodeURIComponent(waiting.userId)}?room_id=${encodeURIComponent(roomId)}`)).body as { activation_url: string };
      const answer = await fetch(url);
      expect([answer.status, answer.headers.get('content-type')]).to.deep.equal([200, 'text/html; charset=utf-8']);
      expect(answer.headers.get('content-security-policy')).to.match(/^default-src 'none';/);
      const text = await answer.text();
      expect(text).to.contain('Money is waiting for you').and.not.to.contain('12.50');
      for (const wrong of [url.replace(/mark=.{4}/, 'mark=AAAA'), url.replace('wallet=tw_', 'wallet=tw_x'), `${server.url}/account/activate`]) expect((await fetch(wrong)).status, wrong).to.equal(400);
    });

    it('makes the money that waited usable, and happens once', async () => {
      const anna = await person(server, 'anna');
      await credit(server, anna, '12.50');
      const walletId = (await anna.get('/wallet/v1/balance')).body.wallet_id as string;
      const first = await anna.post('/wallet/v1/activate', { wallet_id: walletId, verification_data: { terms_accepted: true, terms_version: '1.5.0', id_document: { type: 'passport', document_number: 'A12345678' } } });
      expect(first.status).to.equal(200);
      expect(first.body).to.deep.include({ wallet_id: walletId, user_id: anna.userId, user_status: 'active', payment_enabled: true, balance: { available: 12.5, pending: 0, held: 0, currency: 'USD' } });
      expect((await activate(anna)).body.error.code).to.equal('INVALID_STATE_TRANSITION');
      expect(await anna.get('/wallet/v1/verification').then(({ body }) => [body.level, body.features.p2p_send, body.verified_at] as unknown[])).to.deep.equal([1, true, first.body.activated_at]);
      const rows = JSON.stringify(await server.bank.sql('wallet').where({ user_id: anna.userId }));
      expect(rows).to.contain('1.5.0').and.not.to.contain('A12345678');
    });

    it("refuses without the terms, with another's wallet, with a factor that is not taken here, and for a suspended account", async () => {
      const otto = await person(server, 'otto');
      const field = async (body: object): Promise<unknown> => (await otto.post('/wallet/v1/activate', body)).body.error.details?.[0]?.field;
      expect(await field({})).to.equal('verification_data');
      expect(await field({ verification_data: {} })).to.equal('verification_data.terms_accepted');
      expect(await field({ verification_data: { terms_accepted: false } })).to.equal('verification_data.terms_accepted');
      expect(await field({ verification_data: { terms_accepted: true, pin: '482916' } })).to.equal('verification_data.pin');
      expect((await otto.post('/wallet/v1/activate', { wallet_id: 'tw_other', verification_data: { terms_accepted: true } })).status).to.equal(404);
      await credit(server, otto, '1');
      await administration(server).freeze(otto.userId, 'case 17');
      expect((await activate(otto)).body.error.code).to.equal('USER_SUSPENDED');
      expect((await otto.get('/wallet/v1/balance')).body).to.include({ status: 'suspended', user_status: 'suspended', payment_enabled: false });
    });
  });

  describe('what it shows', () => {
    it('writes amounts with the decimals of their currency', async () => {
      const mila = await funded(server, 'mila', '1000');
      await credit(server, mila, '7', 'JPY');
      await credit(server, mila, '0.5', 'BHD');
      const text = await textOf(server, mila, '/wallet/v1/balance');
      expect(text).to.contain('"balance":{"available":1000.00,"pending":0.00,"held":0.00,"currency":"USD"}').and.to.contain('"available":7,').and.to.contain('"available":0.500,');
      const history = await textOf(server, mila, '/wallet/v1/transactions');
      expect(history).to.contain('"amount":0.500,"currency":"BHD"').and.to.contain('"note":"Welcome"');
    });

    it('pages through the history, newest first, without a gap or an overlap', async () => {
      const pia = await person(server, 'pia');
      for (let n = 1; n <= 5; n += 1) {
        server.clock.advance(n === 3 ? 0 : 1000);
        await credit(server, pia, String(n));
      }
      const all = (await pia.get('/wallet/v1/transactions')).body.transactions as { txn_id: string; amount: number }[];
      expect(all[0]!.amount).to.equal(5);
      const pages: string[] = [];
      for (const offset of [0, 2, 4]) {
        const { body } = await pia.get(`/wallet/v1/transactions?limit=2&offset=${offset}`);
        expect(body.pagination).to.deep.equal({ total: 5, limit: 2, offset, has_more: offset < 4 });
        pages.push(...(body.transactions as { txn_id: string }[]).map(({ txn_id }) => txn_id));
      }
      expect(pages).to.deep.equal(all.map(({ txn_id }) => txn_id));
      expect((await pia.get(`/wallet/v1/transactions/${pages[0]}`)).body).to.deep.equal(all[0]);
      expect((await alice.get(`/wallet/v1/transactions/${pages[0]}`)).status).to.equal(404);
      for (const query of ['limit=0', 'limit=101', 'offset=-1', 'limit=x']) expect((await pia.get(`/wallet/v1/transactions?${query}`)).status, query).to.equal(400);
    });
  });

  describe('resolution', () => {
    let bob: Person;
    let carol: Person;
    let shared: string;
    before(async () => {
      bob = await funded(server, 'bob');
      carol = await person(server, 'carol');
      shared = room(server, 'shared', [alice, bob, carol]);
    });

    const resolve = async (who: Person, userId: string, query = ''): Promise<[number, string | undefined]> => {
      const { status, body } = await who.get(`/wallet/v1/resolve/${userId}${query}`);
      return [status, status === 200 ? (body.user_status as string) : (body.error.code as string)];
    };

    it('tells about people of the same room, and opens no wallet by it', async () => {
      const active = await alice.get(`/wallet/v1/resolve/${encodeURIComponent(bob.userId)}`);
      expect(active.body).to.deep.include({ user_id: bob.userId, wallet_status: 'active', user_status: 'active', payment_enabled: true, display_name: 'bob' });
      expect(active.body).not.to.have.any.keys('pending_balance', 'activation_url', 'balance');
      const pending = await alice.get(`/wallet/v1/resolve/${carol.userId}?room_id=${encodeURIComponent(shared)}`);
      expect(pending.body).to.deep.include({ user_status: 'pending', payment_enabled: false, activation_required: true });
      expect(pending.body.activation_url).to.match(/\/account\/activate\?wallet=tw_[a-z2-7]+&mark=[\w-]+$/);
      expect(await server.database.sql('wallet').where({ user_id: carol.userId })).to.deep.equal([]);
      expect(await resolve(alice, alice.userId)).to.deep.equal([200, 'pending']);
    });

    it('says the same of strangers, whether or not they exist', async () => {
      const stranger = await funded(server, 'stranger');
      room(server, 'elsewhere', [bob, stranger]);
      room(server, 'market', [alice, stranger], { joinRule: 'public' });
      const answers = await Promise.all(
        [stranger.userId, '@nobody:example.org', '@bob:elsewhere.org', '@_tmcp:example.org', `${stranger.userId}?room_id=${encodeURIComponent('!market:example.org')}`, `${bob.userId}?room_id=${encodeURIComponent('!elsewhere:example.org')}`, `${bob.userId}?room_id=${encodeURIComponent('!none:example.org')}`].map(async (who) => {
          const { status, body } = await alice.get(`/wallet/v1/resolve/${who}`);
          return [status, body.error.code, body.error.message] as [number, string, string];
        }),
      );
      expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).to.equal(1);
      expect(answers[0]![0]).to.equal(403);
      server.clock.advance(15_001);
      expect(await resolve(bob, stranger.userId)).to.deep.equal([200, 'active']);
    });

    it('shows a suspended account as such', async () => {
      const frieda = await funded(server, 'frieda');
      room(server, 'with-frieda', [alice, frieda]);
      server.clock.advance(5 * 60_000 + 1);
      await administration(server).freeze(frieda.userId, 'case 18');
      const { body } = await alice.get(`/wallet/v1/resolve/${frieda.userId}`);
      expect(body).to.include({ user_status: 'suspended', payment_enabled: false, wallet_status: 'active' });
    });

    it('answers several at once, in both of the forms of the specification, and leaves strangers out', async () => {
      const { status, body } = await alice.post('/wallet/v1/resolve/batch', { user_ids: [alice.userId, bob.userId, '@nobody:example.org', carol.userId], room_id: shared });
      expect(status).to.equal(200);
      expect([body.resolved_count, body.total_count]).to.deep.equal([3, 4]);
      expect((body.results as { user_id: string }[]).map(({ user_id }) => user_id)).to.deep.equal([alice.userId, bob.userId, carol.userId]);
      expect(body.users[bob.userId]).to.include({ has_wallet: true, user_status: 'active', display_name: 'bob' });
      expect(body.users[carol.userId]).to.include({ has_wallet: false, user_status: 'pending' });
      expect((await carol.post('/wallet/v1/resolve/batch', { user_ids: [bob.userId], room_id: '!elsewhere:example.org' })).status).to.equal(403);
      expect((await alice.post('/wallet/v1/resolve/batch', { user_ids: ['bob'] })).body.error.details[0].field).to.equal('user_ids.0');
    });

    it('asks the homeserver once in five minutes, and says so when it does not answer', async () => {
      await resolve(alice, bob.userId, `?room_id=${encodeURIComponent(shared)}`);
      const asked = server.identity.requests.length;
      await resolve(alice, carol.userId, `?room_id=${encodeURIComponent(shared)}`);
      expect(server.identity.requests.length).to.equal(asked);
      server.clock.advance(5 * 60_000 + 1);
      server.identity.failWith = 502;
      expect(await resolve(alice, bob.userId)).to.deep.equal([503, 'SERVICE_UNAVAILABLE']);
      server.identity.failWith = undefined;
      expect(await resolve(alice, bob.userId)).to.deep.equal([200, 'active']);
    });

    it('lets a mini-app see only the room that it was launched in', async () => {
      await call(server.url, 'POST', '/mini-apps/v1/register', { token: server.adminToken, body: { miniapp_id: 'ma_pay', name: 'Pay', technical: { entry_url: 'https://a.example', scopes_requested: ['wallet:pay', 'wallet:balance', 'wallet:history'] } } });
      await call(server.url, 'POST', '/admin/v1/mini-apps/ma_pay/approve', { token: server.adminToken, body: {} });
      const first = await exchange(server.url, alice.matrixToken, { client_id: 'ma_pay', scope: 'wallet:pay' });
      await call(server.url, 'POST', first.body.consent_ui_endpoint as string, { token: alice.matrixToken, body: { approved_scopes: ['wallet:pay'] } });
      const tokenIn = async (context: object): Promise<string> => (await exchange(server.url, alice.matrixToken, { client_id: 'ma_pay', scope: 'wallet:pay', miniapp_context: JSON.stringify(context) })).body.access_token as string;
      const status = async (token: string, query = ''): Promise<number> => (await call(server.url, 'GET', `/wallet/v1/resolve/${bob.userId}${query}`, { token })).status;
      const launched = await tokenIn({ room_id: shared });
      expect([await status(launched), await status(launched, `?room_id=${encodeURIComponent(shared)}`)]).to.deep.equal([200, 200]);
      room(server, 'other', [alice, bob]);
      expect(await status(launched, `?room_id=${encodeURIComponent('!other:example.org')}`)).to.equal(403);
      expect(await status(await tokenIn({}))).to.equal(403);
      const balance = await call(server.url, 'GET', '/wallet/v1/balance', { token: await tokenIn({}) });
      expect([balance.status, balance.body.error.code]).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
      const activation = await call(server.url, 'POST', '/wallet/v1/activate', { token: await tokenIn({}), body: { verification_data: { terms_accepted: true } } });
      expect([activation.status, activation.body.error.code]).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
    });
  });

  describe('lets in nobody without a good token of the right kind', () => {
    const operations: [string, string, object?][] = [
      ['GET', '/wallet/v1/balance'],
      ['GET', '/wallet/v1/verification'],
      ['GET', '/wallet/v1/transactions'],
      ['GET', '/wallet/v1/transactions/txn_x'],
      ['GET', '/wallet/v1/resolve/@bob:example.org'],
      ['POST', '/wallet/v1/resolve/batch', { user_ids: ['@bob:example.org'] }],
      ['POST', '/wallet/v1/activate', { verification_data: { terms_accepted: true } }],
    ];
    for (const [method, path, body] of operations) {
      it(`${method} ${path}`, async () => {
        const status = async (token?: string): Promise<[number, string]> => {
          const answer = await call(server.url, method, path, { ...(token === undefined ? {} : { token }), ...(body === undefined ? {} : { body }) });
          return [answer.status, answer.body.error?.code as string];
        };
        expect(await status()).to.deep.equal([401, 'INVALID_TOKEN']);
        expect(await status('tep.eyJhbGciOiJub25lIn0.e30.')).to.deep.equal([401, 'INVALID_TOKEN']);
        expect(await status(alice.matrixToken)).to.deep.equal([401, 'INVALID_TOKEN']);
        expect(await status(server.adminToken)).to.deep.equal([401, 'INVALID_TOKEN']);
        expect(await status(await firstPartyToken(server.url, alice.matrixToken, 'tmcp_store'))).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
        const revoked = await firstPartyToken(server.url, alice.matrixToken, 'tmcp_wallet');
        await firstPartyToken(server.url, alice.matrixToken, 'tmcp_wallet');
        expect(await status(revoked)).to.deep.equal([401, 'INVALID_TOKEN']);
      });
    }
  });
});
