import { expect } from 'chai';
import type { Database } from '../../../src/database/index.ts';
import { createJobQueue, Worker } from '../../../src/jobs/index.ts';
import { requestContext } from '../../../src/kernel/request-context.ts';
import { createAudit, sealingKind, verifyAudit, type Audit } from '../../../src/security/audit/index.ts';
import { call, exchange } from '../../support/api.ts';
import { onBothDatabases, openTestDatabase } from '../../support/databases.ts';
import { tokenRequest } from '../developers/support.ts';
import { pin, pinProof } from '../mfa/support.ts';
import { recordingLog, TestClock } from '../oauth/support.ts';
import { funded, room } from '../wallet/support.ts';
import { startWholeServer, type WholeServer } from '../../support/whole-server.ts';

const keyRing = { mac: (purpose: string, text: string) => `${purpose} ${text.length} ${text}` };
const day = 24 * 3_600_000;

onBothDatabases('the audit log', (databases) => {
  let database: Database;
  let clock: TestClock;
  let audit: Audit;
  const log = recordingLog();

  beforeEach(async () => {
    database = await openTestDatabase(databases);
    clock = new TestClock();
    log.lines.length = 0;
    audit = createAudit({ clock, queue: createJobQueue(clock), keyRing, log, retentionMs: 30 * day });
  });
  afterEach(() => database.close());

  const record = (...names: string[]): Promise<void> =>
    database.inTransaction(async (tx) => {
      for (const name of names) await audit.record(tx, { actor: { kind: 'user', id: name }, action: 'test', target: { kind: 'thing', id: 'x' }, details: { name } });
    });
  /** As the worker does it. */
  async function seal(): Promise<void> {
    const recording = await audit.sealing.run({} as never);
    await database.inTransaction(async (tx) => recording!(tx));
  }
  const verify = (head?: { seq: number; hash: string }, ring = keyRing) => verifyAudit(database, ring, clock.now(), head);
  const alter = async (sql: string): Promise<string> => database.sql.raw(sql).then(() => 'done', (error: Error) => error.message);
  /** What somebody can do who owns the database. */
  async function behindTheGuards(sql: string): Promise<void> {
    const guards = databases.dialect === 'postgres' ? ['ALTER TABLE audit_entry DISABLE TRIGGER USER'] : ['DROP TRIGGER audit_entry_no_update', 'DROP TRIGGER audit_entry_no_delete'];
    for (const one of [...guards, sql]) await database.sql.raw(one);
  }

  it('chains what was recorded, in order, and says where the chain ends', async () => {
    await record('a', 'b');
    await seal();
    await record('c');
    await seal();
    expect(await verify()).to.deep.include({ problems: [], first: 1, last: 3 });
  });

  it('has nothing of a transaction that was rolled back', async () => {
    await database.inTransaction(async (tx) => {
      await audit.record(tx, { actor: { kind: 'user', id: 'a' }, action: 'test', target: { kind: 'thing', id: 'x' } });
      throw new Error('rolled back');
    }).catch(() => undefined);
    await seal();
    expect(await verify()).to.deep.include({ problems: [], last: 0 });
  });

  it('is sealed by the worker without being asked, once, whatever the number of entries', async () => {
    await record('a', 'b');
    await record('c');
    clock.advance(2000);
    const settled = Promise.withResolvers<void>();
    const options = { maxAttempts: 3, pollIntervalMs: 20, leaseMs: 5000, concurrency: 4, backoffBaseMs: 1, backoffCapMs: 5 };
    const worker = new Worker({ database, clock, log, kinds: { [sealingKind]: audit.sealing }, options, onSettled: () => settled.resolve() });
    worker.start();
    await settled.promise;
    await worker.stop();
    expect(await verify()).to.deep.include({ problems: [], last: 3 });
    expect(await database.sql('job').where({ kind: sealingKind })).to.have.length(1);
  });

  it('refuses to be changed or deleted from, by the database itself', async () => {
    await record('a');
    expect(await alter('DELETE FROM audit_entry')).to.contain('append-only');
    expect(await alter(`UPDATE audit_entry SET actor = 'b'`)).to.contain('append-only');
    await seal();
    expect(await alter('DELETE FROM audit_entry')).to.contain('append-only');
    expect(await alter(`UPDATE audit_entry SET actor = 'b'`)).to.contain('append-only');
    expect(await alter(`UPDATE audit_entry SET seq = 7`)).to.contain('append-only');
    expect((await verify()).problems).to.deep.equal([]);
  });

  const attacks: Record<string, [sql: string, problem: RegExp]> = {
    'an altered actor': [`UPDATE audit_entry SET actor = 'nobody' WHERE seq = 2`, /^entry 2 \(aud_\w+\) was altered$/],
    'altered details': [`UPDATE audit_entry SET details = '{}' WHERE seq = 3`, /^entry 3 \(aud_\w+\) was altered$/],
    'a missing entry': ['DELETE FROM audit_entry WHERE seq = 2', /^entry 2 is missing$/],
    'a missing end': ['DELETE FROM audit_entry WHERE seq >= 3', /^entries 3 to 4 are missing$/],
    'a missing beginning': ['DELETE FROM audit_entry WHERE seq = 1', /^entry 1 is missing$/],
    'an end that was moved back': [`UPDATE audit_chain SET seq = 3, hash = (SELECT hash FROM audit_entry WHERE seq = 3)`, /not authenticated by this key ring/],
  };
  for (const [what, [sql, problem]] of Object.entries(attacks)) {
    it(`tells ${what}, by whoever owns the database`, async () => {
      await record('a', 'b', 'c', 'd');
      await seal();
      await behindTheGuards(sql);
      expect((await verify()).problems[0]).to.match(problem);
    });
  }

  it('tells a chain that another key ring ends, and one that no longer goes through where it once ended', async () => {
    await record('a');
    await seal();
    const { last, hash } = await verify();
    expect((await verify(undefined, { mac: () => 'other' })).problems[0]).to.contain('not authenticated by this key ring');
    expect((await verify({ seq: last, hash })).problems).to.deep.equal([]);
    expect((await verify({ seq: last, hash: 'f'.repeat(64) })).problems).to.deep.equal(['entry 1 is not the one that the chain ended with once: the chain was rebuilt']);
    expect((await verify({ seq: 9, hash })).problems).to.deep.equal(['the chain ends at 1, before entry 9, which it once had']);
  });

  it('tells entries that nobody seals', async () => {
    await record('a');
    clock.advance(11 * 60_000);
    expect((await verify()).problems).to.deep.equal(['1 entries have waited for more than ten minutes for their place in the chain: does a worker run?']);
  });

  it('drops what is older than it is kept, and can still be verified', async () => {
    await record('old', 'older');
    await seal();
    clock.advance(20 * day);
    await record('young');
    await seal();
    clock.advance(11 * day);
    await database.inTransaction((tx) => audit.tidyUp(tx, clock.now()));
    expect(await verify()).to.deep.include({ problems: [], first: 3, last: 3 });
    expect(await database.sql('audit_entry').pluck('actor')).to.deep.equal(['young']);
    expect(log.lines.at(-1)).to.contain('"audit_seq":3');
  });

  it('notes the request and the address that caused it', async () => {
    await requestContext.run({ requestId: 'req_1', address: '192.0.2.7' }, () => record('a'));
    expect(await database.sql('audit_entry').select('request_id', 'address')).to.deep.equal([{ request_id: 'req_1', address: '192.0.2.7' }]);
  });
});

onBothDatabases('the audit log of the whole server', (databases) => {
  let server: WholeServer;
  before(async () => {
    server = await startWholeServer(databases);
    server.identity.whoami.set('syt_alice', { user_id: '@alice:example.org', device_id: 'A', is_guest: false });
  });
  after(() => server.close());

  const entries = () => server.database.sql<{ actor_kind: string; actor: string; action: string; target: string; request_id: string | null; address: string | null; details: string; result: string }>('audit_entry').orderBy(['at', 'id']);
  const actions = async (actor: string): Promise<string[]> => (await entries()).filter((entry) => entry.actor === actor).map(({ action, target }) => `${action} ${target}`);
  const admin = (method: string, path: string, body?: unknown) => call(server.url, method, path, { token: server.adminToken, ...(body === undefined ? {} : { body }) });

  it('names who registered, approved and suspended an app', async () => {
    const registered = await admin('POST', '/mini-apps/v1/register', { miniapp_id: 'ma_audited', name: 'Audited', technical: { entry_url: 'https://a.example' } });
    await admin('POST', '/admin/v1/mini-apps/ma_audited/approve', {});
    await admin('POST', '/admin/v1/mini-apps/ma_audited/suspend', { reason: 'fraud' });
    const done = await actions('root');
    expect(done).to.include('miniapp.registered ma_audited');
    expect(done.filter((one) => one === 'miniapp.moved ma_audited')).to.have.length(5);
    expect((await entries()).find(({ action, target }) => action === 'miniapp.registered' && target === 'ma_audited')?.request_id).to.equal(registered.headers.get('x-request-id'));
    expect(await actions('manifest')).to.include('miniapp.registered ma_official_wallet');
  });

  it('names who changed the developer whitelist', async () => {
    await admin('POST', '/admin/developers/whitelist', { matrix_user_id: '@dev:example.org' });
    await admin('DELETE', '/admin/developers/%40dev%3Aexample.org', {});
    expect(await actions('root')).to.include.members(['developer.listed @dev:example.org', 'developer.removed @dev:example.org']);
  });

  it('has each session and each withdrawal, without any token', async () => {
    const { body } = await exchange(server.url, 'syt_alice', { client_id: 'ma_official_wallet' });
    await call(server.url, 'POST', '/api/v1/auth/revoke', { token: 'syt_alice', body: { miniapp_id: 'ma_official_wallet' } });
    const mine = await actions('@alice:example.org');
    expect(mine[0]).to.match(/^session\.opened ses_/);
    expect(mine[1]).to.equal('scopes.revoked ma_official_wallet');
    const everything = JSON.stringify(await server.database.sql('audit_entry').select('*'));
    for (const secret of ['syt_alice', body.access_token, body.refresh_token, server.adminToken]) expect(everything).not.to.contain(secret as string);
  });

  it('has each use of a privileged token, by operation', async () => {
    const registered = await admin('POST', '/mini-apps/v1/register', { miniapp_id: 'ma_bank', name: 'Bank', classification: 'official', technical: { entry_url: 'https://bank.example', client_type: 'confidential', scopes_requested: ['user:read', 'system:notifications'] } });
    expect(registered.status, JSON.stringify(registered.body)).to.equal(201);
    const secret = registered.body.credentials.client_secret as string;
    const tokenFor = async (scope: string): Promise<string> => {
      const response = await fetch(`${server.url}/oauth2/token`, { method: 'POST', body: new URLSearchParams({ grant_type: 'client_credentials', client_id: 'ma_bank', client_secret: secret, scope }) });
      return ((await response.json()) as { access_token: string }).access_token;
    };
    const use = async (token: string) => (await call(server.url, 'POST', '/api/v1/auth/scopes/validate', { token, body: { scopes: ['user:read'] } })).status;
    expect(await use(await tokenFor('user:read'))).to.equal(200);
    expect((await actions('ma_bank')).filter((one) => one.startsWith('privileged_token.used'))).to.deep.equal([]);
    const privileged = await tokenFor('system:notifications');
    expect([await use(privileged), await use(privileged)]).to.deep.equal([200, 200]);
    expect((await actions('ma_bank')).filter((one) => one.startsWith('privileged_token.used'))).to.deep.equal(['privileged_token.used validateScopes', 'privileged_token.used validateScopes']);
  });

  it('has each movement of money between people, by whom and from where', async () => {
    const [ann, ben] = [await funded(server, 'ann'), await funded(server, 'ben')];
    expect((await ann.post('/wallet/v1/mfa/pin', { pin })).status).to.equal(201);
    const roomId = room(server, 'money', [ann, ben]);
    const offered = await ann.post('/wallet/v1/p2p/initiate', { recipient: ben.userId, amount: 10, currency: 'USD', idempotency_key: 'audited-1', room_id: roomId });
    const id = offered.body.transfer_id as string;
    const confirmed = await ann.post(`/wallet/v1/p2p/${id}/confirm`, { auth_proof: pinProof(pin) });
    expect(confirmed.status, JSON.stringify(confirmed.body)).to.equal(200);
    const gift = await ann.post('/wallet/v1/gift/create', { type: 'individual', recipient: ben.userId, room_id: roomId, amount: 5, currency: 'USD', idempotency_key: 'audited-2', auth_proof: pinProof(pin) });
    await ben.post(`/wallet/v1/gift/${gift.body.gift_id as string}/open`, { device_id: 'device_ben' });
    expect((await actions(ann.userId)).filter((one) => /^(transfer|gift)\./.test(one))).to.deep.equal([`transfer.completed ${id}`, `gift.funded ${gift.body.gift_id as string}`]);
    expect((await actions(ben.userId)).filter((one) => /^(transfer|gift)\./.test(one))).to.deep.equal([`gift.opened ${gift.body.gift_id as string}`]);
    const entry = (await entries()).find(({ action }) => action === 'transfer.completed')!;
    expect([entry.request_id, entry.address]).to.deep.equal([confirmed.headers.get('x-request-id'), '127.0.0.1']);
    expect(JSON.parse(entry.details)).to.include({ payer: ann.userId, payee: ben.userId, amount_minor: 1000, currency: 'USD' });
  });

  it('has a factor that was set and one that was locked by wrong attempts', async () => {
    const cid = await funded(server, 'cid');
    await cid.post('/wallet/v1/mfa/pin', { pin });
    for (let n = 0; n < 3; n += 1) await cid.post('/wallet/v1/mfa/pin', { pin, auth_proof: pinProof('604713') });
    expect((await actions(cid.userId)).filter((one) => one.startsWith('factor.'))).to.deep.equal([`factor.added ${cid.userId}`, `factor.locked ${cid.userId}`]);
    expect((await entries()).find(({ action }) => action === 'factor.locked')!.result).to.equal('refused');
  });

  it('has a developer\'s sign-in and its end', async () => {
    await admin('POST', '/admin/developers/whitelist', { matrix_user_id: '@dot:example.org' });
    server.identity.whoami.set('syt_dot', { user_id: '@dot:example.org', is_guest: false });
    const { body } = await tokenRequest(server, { grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange', subject_token: 'syt_dot', subject_token_type: 'urn:ietf:params:oauth:token-type:access_token' });
    await call(server.url, 'POST', '/oauth2/developer/revoke', { token: body.access_token as string, body: { token: body.refresh_token as string } });
    const mine = (await actions('@dot:example.org')).filter((one) => one.startsWith('developer_session.'));
    expect(mine.map((one) => one.split(' ')[0])).to.deep.equal(['developer_session.opened', 'developer_session.ended']);
  });

  it('is read by administrators only, page by page', async () => {
    const recording = await createAudit({ clock: server.clock, queue: createJobQueue(server.clock), keyRing, log: server.log, retentionMs: day }).sealing.run({} as never);
    await server.database.inTransaction(async (tx) => recording!(tx));
    const first = await admin('GET', '/admin/v1/audit?limit=2');
    expect(first.status).to.equal(200);
    const second = await admin('GET', `/admin/v1/audit?limit=2&before=${first.body.next_before}`);
    const numbers = [first, second].flatMap(({ body }) => body.entries as { seq: number }[]).map(({ seq }) => seq);
    expect(numbers).to.deep.equal([0, 1, 2, 3].map((n) => numbers[0]! - n));
    const filtered = await admin('GET', '/admin/v1/audit?action=developer.listed&actor=root');
    expect((filtered.body.entries as { target: { id: string } }[]).map((entry) => entry.target.id)).to.deep.equal(['@dot:example.org', '@dev:example.org']);
    expect((await admin('GET', '/admin/v1/audit?limit=0')).status).to.equal(400);
    const { body } = await exchange(server.url, 'syt_alice', { audience: 'tmcp_store' });
    const statusWith = async (token?: string): Promise<number> => (await call(server.url, 'GET', '/admin/v1/audit', token === undefined ? {} : { token })).status;
    expect([await statusWith(), await statusWith('syt_alice'), await statusWith('adm_nonsense'), await statusWith(body.access_token as string)]).to.deep.equal([401, 401, 401, 403]);
  });
});
