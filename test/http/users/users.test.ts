import { expect } from 'chai';
import { auditExternal } from '../../../src/external/index.ts';
import { auditLedger } from '../../../src/wallet/index.ts';
import { auditTransfers } from '../../../src/transfers/index.ts';
import { call, exchange, firstPartyToken, type ApiResponse } from '../../support/api.ts';
import { onBothDatabases } from '../../support/databases.ts';
import { openEvents } from '../../support/event-stream.ts';
import { startWholeServer, type WholeServer } from '../../support/whole-server.ts';
import { confirmed, runJob, verifiedAccount } from '../external/support.ts';
import { fakeProofs, proofOf, type FakeProofs } from '../wallet/fake-proofs.ts';
import { funded, person, room, type Person } from '../wallet/support.ts';

let serial = 0;

onBothDatabases('users, for administrators', (databases) => {
  let server: WholeServer;
  let proofs: FakeProofs;
  let name: string;
  let user: Person;
  before(async () => {
    proofs = fakeProofs();
    server = await startWholeServer(databases, {}, { proofs });
    await call(server.url, 'POST', '/mini-apps/v1/register', { token: server.adminToken, body: { miniapp_id: 'ma_tool', name: 'Tool', category: 'tools', classification: 'community', technical: { entry_url: 'https://a.example', scopes_requested: ['storage:read', 'storage:write'] } } });
    await call(server.url, 'POST', '/admin/v1/mini-apps/ma_tool/approve', { token: server.adminToken, body: {} });
  });
  beforeEach(async () => {
    serial += 1;
    name = `user${serial}`;
    user = await funded(server, name);
  });
  afterEach(async () => {
    expect([...(await auditLedger(server.database)), ...(await auditTransfers(server.database)), ...(await auditExternal(server.database))]).to.deep.equal([]);
  });
  after(() => server.close());

  const admin = (verb: string, body: unknown = { reason: 'because' }, who = user.userId as string, token: string | undefined = server.adminToken): Promise<ApiResponse> =>
    call(server.url, 'POST', `/admin/v1/users/${encodeURIComponent(who)}/${verb}`, { ...(token === undefined ? {} : { token }), body });
  const audited = async (action: string) => (await server.database.sql('audit_entry').where({ action, target: user.userId }).select<{ actor: string; details: string }[]>('*')).map(({ actor, details }) => ({ actor, details: JSON.parse(details) as Record<string, unknown> }));

  it('let in only administrators', async () => {
    for (const verb of ['suspend', 'reinstate', 'erase']) {
      expect((await admin(verb, undefined, undefined, user.token)).status, verb).to.equal(403);
      for (const token of [undefined, 'adm_wrong', user.matrixToken]) expect((await call(server.url, 'POST', `/admin/v1/users/${user.userId}/${verb}`, { ...(token === undefined ? {} : { token }), body: { reason: 'r' } })).status, `${verb} ${token}`).to.equal(401);
      expect((await admin(verb, { reason: 'r' }, 'nobody')).body.error.details[0].field).to.equal('user_id');
    }
    expect((await admin('suspend', {})).body.error.details[0].field).to.equal('reason');
    expect((await admin('erase', {})).body.error.details[0].field).to.equal('reason');
    expect((await user.get('/wallet/v1/balance')).status, 'somebody was let in').to.equal(200);
  });

  it('suspend: everything ends at once, nothing opens, nobody can send; until reinstated', async () => {
    const other = await funded(server, `friend${serial}`);
    proofs.enrolled.add(other.userId);
    const roomId = room(server, `r${serial}`, [user, other]);
    const stream = await openEvents(server.url, user.token);
    await stream.next();
    const appToken = (await exchange(server.url, user.matrixToken, { client_id: 'ma_tool' })).body as { access_token: string; refresh_token: string };

    expect((await admin('suspend', { reason: 'fraud' })).body).to.deep.equal({ user_id: user.userId, status: 'suspended', ended_sessions: 2, wallet_frozen: true });
    for (const token of [user.token, appToken.access_token]) expect((await call(server.url, 'GET', '/api/v1/storage', { token })).status).to.equal(401);
    expect((await stream.next()).data).to.deep.equal({ reason: 'session_over' });
    for (const which of [{ audience: 'tmcp_store' }, { client_id: 'ma_tool' }]) {
      const { status, body } = await exchange(server.url, user.matrixToken, which);
      expect([status, body.error]).to.deep.equal([403, 'access_denied']);
    }
    const refreshed = await fetch(`${server.url}/oauth2/token`, { method: 'POST', body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: appToken.refresh_token, client_id: 'ma_tool' }) });
    expect(refreshed.status).to.equal(400);
    expect((await call(server.url, 'GET', '/api/v1/auth/grants', { token: user.matrixToken })).body.error.code).to.equal('USER_SUSPENDED');
    const sent = await other.post('/wallet/v1/p2p/initiate', { recipient: user.userId, amount: 1, currency: 'USD', idempotency_key: 'k', room_id: roomId });
    expect([sent.status, sent.body.error.code]).to.deep.equal([403, 'USER_SUSPENDED']);
    expect((await admin('suspend')).body.error.code).to.equal('INVALID_STATE_TRANSITION');
    expect(await audited('user.suspended')).to.deep.equal([{ actor: 'root', details: { reason: 'fraud', sessions: 2, froze_wallet: true } }]);

    expect((await admin('reinstate', { reason: 'appeal' })).body).to.deep.equal({ user_id: user.userId, status: 'active' });
    expect((await call(server.url, 'GET', '/api/v1/storage', { token: user.token })).status, 'a token came back to life').to.equal(401);
    expect((await (await person(server, name)).get('/wallet/v1/balance')).body.status).to.equal('active');
    expect((await admin('reinstate')).body.error.code).to.equal('INVALID_STATE_TRANSITION');
    expect(await audited('user.reinstated')).to.deep.equal([{ actor: 'root', details: { reason: 'appeal' } }]);
  });

  it('suspend while sessions are being opened: none is left', async () => {
    const answers = await Promise.all([...Array.from({ length: 8 }, () => exchange(server.url, user.matrixToken, { audience: 'tmcp_store' })), admin('suspend')]);
    const tokens = answers.flatMap(({ body }) => (body.access_token === undefined ? [] : [body.access_token as string]));
    for (const token of tokens) expect((await call(server.url, 'GET', '/api/v1/storage', { token })).status).to.equal(401);
    expect(await server.database.sql('tep_session').where({ user_id: user.userId }).whereNull('revoked_at')).to.deep.equal([]);
  });

  /** Every text of every table in which a user's id stands, by table. */
  const traces = async (userId: string): Promise<string[]> => {
    const { database } = server;
    const tables: string[] = database.dialect === 'sqlite' ? await database.sql('sqlite_master').where({ type: 'table' }).pluck<string[]>('name') : await database.sql('information_schema.tables').where({ table_schema: 'public' }).pluck<string[]>('table_name');
    const found: string[] = [];
    for (const table of tables) if (JSON.stringify(await database.sql(table)).includes(userId)) found.push(table);
    return found.sort();
  };

  it('erase: nothing of the user is left but the audit log and what is still to be told; the books sum up under a pseudonym', async () => {
    const other = await funded(server, `friend${serial}`);
    for (const { userId } of [user, other]) proofs.enrolled.add(userId);
    const roomId = room(server, `r${serial}`, [user, other]);
    const store = await firstPartyToken(server.url, user.matrixToken, 'tmcp_store');
    const app = (await exchange(server.url, user.matrixToken, { client_id: 'ma_tool' })).body.access_token as string;
    await call(server.url, 'PUT', '/api/v1/storage/k', { token: app, body: { value: 1, mutation_id: 'm' } });
    const before = Number((await server.database.sql('miniapp').where({ miniapp_id: 'ma_tool' }).first<{ install_count: number }>('install_count')).install_count);
    await call(server.url, 'POST', '/api/v1/store/apps/ma_tool/install', { token: store });
    for (const [payer, payee] of [[user, other], [other, user]] as const) {
      const { body } = await payer.post('/wallet/v1/p2p/initiate', { recipient: payee.userId, amount: 5, currency: 'USD', idempotency_key: 'k', room_id: roomId, note: `for ${payee.userId}` });
      await payer.post(`/wallet/v1/p2p/${body.transfer_id}/confirm`, { auth_proof: proofOf({ id: body.transfer_id as string, amountMinor: 500, recipient: payee.userId }) });
    }
    const pending = await user.post('/wallet/v1/p2p/initiate', { recipient: other.userId, amount: 5, currency: 'USD', idempotency_key: 'k2', room_id: roomId });
    const account = await verifiedAccount(server, user);
    const withdrawal = await confirmed(user, account, 5);
    const refused = await admin('erase');
    expect([refused.status, refused.body.error.code, refused.body.error.details]).to.deep.equal([409, 'INVALID_STATE_TRANSITION', { transfers: 1, gifts: 0, payments: 0, fundings_and_withdrawals: 1 }]);
    await user.post(`/wallet/v1/p2p/${pending.body.transfer_id}/cancel`);
    await runJob(server, 'external_order.ask', withdrawal);
    expect((await admin('erase')).body.error.details[0].field).to.equal('forfeit_balance');
    expect((await call(server.url, 'GET', '/api/v1/storage/k', { token: app })).body.value, 'a refused erasure changed something').to.equal(1);

    const { status, body } = await admin('erase', { reason: 'asked for', forfeit_balance: true });
    expect(status, JSON.stringify(body)).to.equal(200);
    const rows = Object.fromEntries((body.deleted as { table: string; rows: number }[]).map(({ table, rows: count }) => [table, count]));
    expect(rows).to.include({ storage_entry: 1, storage_mutation: 1, storage_space: 1, tep_session: 3, installation: 1 });
    expect(rows.notice).to.be.greaterThan(3);
    expect(body.forfeited).to.deep.equal([{ currency: 'USD', amount: 995 }]);
    // What others were told and answered is theirs, and is forgotten in its time.
    expect(await traces(user.userId)).to.deep.equal(['audit_entry', 'idempotency_key', 'job', 'job_stream', 'notice']);
    expect(await server.database.sql('external_account').where({ id: account }).first('sealed', 'last_four', 'status')).to.deep.equal({ sealed: null, last_four: null, status: 'removed' });
    for (const table of ['idempotency_key', 'notice']) expect(await server.database.sql(table).where({ user_id: user.userId }), table).to.deep.equal([]);
    expect((await server.database.sql('miniapp').where({ miniapp_id: 'ma_tool' }).first<{ install_count: number }>('install_count')).install_count).to.equal(before);
    const history = await other.get('/wallet/v1/transactions');
    expect(JSON.stringify(history.body)).to.contain(body.pseudonym as string).and.not.to.contain(user.userId);
    const [entry] = await audited('user.erased');
    expect(entry).to.deep.include({ actor: 'root' });
    expect(entry!.details).to.include({ reason: 'asked for', erasure_id: body.erasure_id, pseudonym: body.pseudonym }).and.deep.include({ deleted: body.deleted });

    const again = await person(server, name);
    expect((await again.get('/wallet/v1/balance')).body.balance.available, 'who comes again is somebody new').to.equal(0);
    expect((await call(server.url, 'GET', '/api/v1/storage/k', { token: app })).status).to.equal(401);
  });

  it('erase somebody of whom there is nothing', async () => {
    const { status, body } = await admin('erase', { reason: 'r' }, '@nobody:example.org');
    expect([status, body.deleted, body.forfeited]).to.deep.equal([200, [], []]);
  });
});

onBothDatabases('the machine room, for administrators', (databases) => {
  let server: WholeServer;
  before(async () => {
    server = await startWholeServer(databases);
  });
  after(() => server.close());

  it('lets in only administrators', async () => {
    for (const [method, path] of [['POST', '/admin/v1/keys/rotate'], ['GET', '/admin/v1/queues'], ['POST', '/admin/v1/queues/retry']] as const) {
      for (const token of [undefined, 'adm_wrong', 'syt_somebody']) expect((await call(server.url, method, path, token === undefined ? {} : { token })).status, `${path} ${token}`).to.equal(401);
    }
  });

  it('rotates the key that signs access tokens', async () => {
    server.identity.whoami.set('syt_alice', { user_id: '@alice:example.org', is_guest: false });
    const kidOf = async (): Promise<string> => (JSON.parse(Buffer.from((await firstPartyToken(server.url, 'syt_alice', 'tmcp_store')).split('.')[1]!, 'base64url').toString()) as { kid: string }).kid;
    const old = await firstPartyToken(server.url, 'syt_alice', 'tmcp_p2p');
    const { status, body } = await call(server.url, 'POST', '/admin/v1/keys/rotate', { token: server.adminToken, body: {} });
    expect(status).to.equal(200);
    expect(await kidOf()).to.equal(body.kid);
    expect((await call(server.url, 'GET', '/api/v1/storage', { token: old })).status, 'older tokens are good as before').to.equal(200);
    expect(await server.database.sql('audit_entry').where({ action: 'signing_key.rotated', target: body.kid, actor: 'root' })).to.have.length(1);
  });

  it('shows what is parked, and queues it again', async () => {
    await server.database.inTransaction(async (tx) => {
      for (const id of ['a', 'b', 'c']) await tx.sql('job').insert({ id, stream: `s-${id}`, pos: 0, kind: 'matrix.event', body: '{"secret":1}', state: 'parked', attempts: 3, next_at: 0, created_at: 1000, last_error: 'no power', finished_at: 1 });
      for (const id of ['a', 'b', 'c']) await tx.sql('job_stream').insert({ stream: `s-${id}`, next_pos: 1, ready_at: null, fence: 0 });
    });
    const look = async () => (await call(server.url, 'GET', '/admin/v1/queues', { token: server.adminToken })).body as { queues: { kind: string; state: string; count: number; oldest_at: string }[]; parked: { id: string; last_error: string }[] };
    const seen = await look();
    expect(seen.queues).to.deep.include({ kind: 'matrix.event', state: 'parked', count: 3, oldest_at: '1970-01-01T00:00:01.000Z' });
    expect(seen.parked.map(({ id, last_error: error }) => [id, error])).to.deep.equal([['a', 'no power'], ['b', 'no power'], ['c', 'no power']]);
    expect(JSON.stringify(seen)).not.to.contain('secret');
    const retry = (body: unknown) => call(server.url, 'POST', '/admin/v1/queues/retry', { token: server.adminToken, body });
    for (const body of [{}, { ids: ['a'], all: true }]) expect((await retry(body)).body.error.details[0].field).to.equal('ids');
    expect((await retry({ ids: ['a', 'none'] })).status).to.equal(404);
    expect((await look()).parked).to.have.length(3);
    expect((await retry({ ids: ['a'] })).body).to.deep.equal({ queued: 1 });
    expect((await retry({ all: true })).body).to.deep.equal({ queued: 2 });
    expect((await look()).parked).to.deep.equal([]);
    expect(await server.database.sql('audit_entry').where({ action: 'jobs.retried' })).to.have.length(2);
  });
});
