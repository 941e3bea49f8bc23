import { expect } from 'chai';
import { call } from '../../support/api.ts';
import { onBothDatabases } from '../../support/databases.ts';
import { queued, startWholeServer, type WholeServer } from '../../support/whole-server.ts';
import { appToken, asked, authorize, newPayer, refund, signatureOver, type Shop } from '../payments/support.ts';
import { activate, credit, person, room, type Person } from './support.ts';

interface Told {
  miniappId: string;
  event_id: string;
  data: Record<string, unknown>;
}

let serial = 0;

onBothDatabases('the webhook wallet.updated', (databases) => {
  let server: WholeServer;
  let watcher: Shop;
  let other: Shop;
  let blind: Shop;
  let alice: Person;
  before(async () => {
    server = await startWholeServer(databases, { TMCP_MFA_REQUIRE_FOR_FIRST_PAYMENT: 'false', TMCP_MFA_REQUIRE_FOR_NEW_DEVICE: 'false', TMCP_TRANSFERS_RECIPIENT_ACCEPTANCE: 'always' });
    [watcher, other, blind] = [await app('ma_watcher'), await app('ma_other'), await app('ma_blind')];
  });
  beforeEach(async () => {
    alice = await person(server, `alice${(serial += 1)}`);
  });
  after(() => server.close());

  const app = async (id: string): Promise<Shop> => {
    const technical = { entry_url: `https://${id.replaceAll('_', '-')}.example`, redirect_uris: ['https://shop.example/cb'], webhook_url: `https://${id.replaceAll('_', '-')}.example/hook`, scopes_requested: ['wallet:balance', 'wallet:pay', 'wallet:request', 'wallet:history'] };
    const { body } = await call(server.url, 'POST', '/mini-apps/v1/register', { token: server.adminToken, body: { miniapp_id: id, name: id, client_type: 'hybrid', technical } });
    await call(server.url, 'POST', `/admin/v1/mini-apps/${id}/approve`, { token: server.adminToken, body: {} });
    const { client_id: clientId, client_secret: secret } = body.credentials.confidential_client as { client_id: string; client_secret: string };
    return { id, clientId, secret, basic: { authorization: `Basic ${Buffer.from(`${clientId}:${secret}`).toString('base64')}` } };
  };
  const grant = (who: Pick<Person, 'matrixToken'>, to: Shop, scope: string): Promise<string> => appToken(server, who, to, { scope });
  /** Runs the queued jobs, and takes what mini-apps are told by them, the oldest first. */
  const told = async (): Promise<Told[]> => {
    for (const body of await queued(server.database, 'wallet.updated')) {
      const recording = await server.app.jobs['wallet.updated']!.run({ id: 'j', stream: 's', kind: 'wallet.updated', body, attempt: 1, createdAt: 0, unsettledSince: undefined });
      await server.database.inTransaction(async (tx) => recording?.(tx));
    }
    await server.database.sql('job').where({ kind: 'wallet.updated' }).update({ state: 'done' });
    const rows = await server.database.sql<{ miniapp_id: string; payload: string; event: string; created_at: number; id: string }>('webhook_delivery').where({ event: 'wallet.updated' }).orderBy('created_at');
    await server.database.sql('webhook_delivery').where({ event: 'wallet.updated' }).delete();
    return rows.map(({ miniapp_id: miniappId, payload }) => ({ miniappId, ...(JSON.parse(payload) as Omit<Told, 'miniappId'>) }));
  };
  const balances = (list: readonly Told[]): unknown[] => list.map(({ miniappId, data }) => [miniappId, data.old_balance, data.new_balance, data.user_status]);

  it('goes to the apps to which the user has granted wallet:balance, once for each change, with what that scope shows', async () => {
    await grant(alice, watcher, 'wallet:balance');
    await grant(alice, other, 'wallet:balance wallet:history');
    await grant(alice, blind, 'wallet:history');
    await credit(server, alice, '10.00');
    await activate(alice);
    const activated = await told();
    expect(balances(activated).sort()).to.deep.equal([['ma_other', 10, 10, 'active'], ['ma_watcher', 10, 10, 'active']]);
    const { data } = activated[0]!;
    expect(data).to.have.all.keys('user_id', 'wallet_id', 'old_balance', 'new_balance', 'currency', 'user_status', 'timestamp', 'miniapp_id');
    expect(data).to.deep.include({ user_id: alice.userId, currency: 'USD', wallet_id: (await alice.get('/wallet/v1/balance')).body.wallet_id });
    expect(activated.map(({ event_id: id }) => /^evt_/.test(id))).to.deep.equal([true, true]);
  });

  it('tells of payments and refunds the payer, and neither to whom nor what for', async () => {
    const payer = await newPayer(server, watcher, `pay${serial}`, { amount: '100.00' });
    await grant(payer, other, 'wallet:balance');
    await told();
    const id = await asked(server, payer, { amount: 12.5, description: 'Something private' });
    expect((await authorize(server, payer, id, 1250)).status).to.equal(200);
    const paid = await told();
    expect(balances(paid)).to.deep.equal([['ma_other', 100, 87.5, 'active']]);
    expect(JSON.stringify(paid)).not.to.match(/private|ma_watcher|pay_/);
    await refund(server, watcher, id);
    expect(balances(await told())).to.deep.equal([['ma_other', 87.5, 100, 'active']]);
  });

  it('tells of what is held and given back, and to the payee of what is accepted', async () => {
    const [payer, payee] = [await newPayer(server, watcher, `from${serial}`, { amount: '50.00' }), await person(server, `to${serial}`)];
    await activate(payee);
    for (const who of [payer, payee]) await grant(who, other, 'wallet:balance');
    await told();
    const roomId = room(server, `held${serial}`, [payer, payee]);
    const send = async (): Promise<string> => {
      const { body } = await payer.post('/wallet/v1/p2p/initiate', { recipient: payee.userId, amount: 20, currency: 'USD', room_id: roomId, idempotency_key: `k${(serial += 1)}` });
      const { status } = await payer.post(`/wallet/v1/p2p/${body.transfer_id}/confirm`, { auth_proof: { method: 'biometric', proof: signatureOver(server, payer, body.transfer_id as string, 2000) } });
      expect(status).to.equal(200);
      return body.transfer_id as string;
    };
    const of = (list: readonly Told[]): unknown[] => list.map(({ data }) => [data.user_id, data.old_balance, data.new_balance]);
    const first = await send();
    expect(of(await told()), 'the payee has nothing more to spend yet').to.deep.equal([[payer.userId, 50, 30]]);
    await payee.post(`/wallet/v1/p2p/${first}/accept`);
    expect(of(await told())).to.deep.equal([[payee.userId, 0, 20]]);
    const second = await send();
    await told();
    await payee.post(`/wallet/v1/p2p/${second}/reject`);
    expect(of(await told())).to.deep.equal([[payer.userId, 10, 30]]);
  });

  it('tells of a wallet that is suspended and reinstated', async () => {
    await activate(alice);
    await grant(alice, watcher, 'wallet:balance');
    await told();
    const act = (verb: string) => call(server.url, 'POST', `/admin/v1/users/${encodeURIComponent(alice.userId)}/${verb}`, { token: server.adminToken, body: { reason: 'because' } });
    await act('suspend');
    expect(balances(await told())).to.deep.equal([['ma_watcher', 0, 0, 'suspended']]);
    await act('reinstate');
    expect(balances(await told())).to.deep.equal([['ma_watcher', 0, 0, 'active']]);
  });

  it('ceases with the grant, also for what happened just before', async () => {
    await activate(alice);
    await grant(alice, watcher, 'wallet:balance');
    await told();
    const act = (verb: string) => call(server.url, 'POST', `/admin/v1/users/${encodeURIComponent(alice.userId)}/${verb}`, { token: server.adminToken, body: { reason: 'because' } });
    await act('suspend');
    await act('reinstate');
    expect(await queued(server.database, 'wallet.updated')).to.have.length(2);
    await call(server.url, 'POST', '/api/v1/auth/revoke', { token: alice.matrixToken, body: { miniapp_id: watcher.id, scopes: ['wallet:balance'] } });
    await act('suspend');
    expect(await queued(server.database, 'wallet.updated'), 'nobody may see it any more').to.have.length(2);
    expect(await told()).to.deep.equal([]);
  });
});
