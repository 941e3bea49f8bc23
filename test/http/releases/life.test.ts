import { expect } from 'chai';
import { call, exchange, firstPartyToken, type ApiResponse } from '../../support/api.ts';
import { onBothDatabases } from '../../support/databases.ts';
import { queued, type WholeServer } from '../../support/whole-server.ts';
import { foundWith, outcome, postForm, signIn, startPlatform, type Tokens } from '../developers/support.ts';

const technical = { entry_url: 'https://chess.example', redirect_uris: ['https://chess.example/cb'], scopes_requested: ['storage:read', 'user:read'], webhook_url: 'https://chess.example/hook' };

onBothDatabases('the life of a mini-app', (databases) => {
  let server: WholeServer;
  let dana: Tokens;
  let erin: Tokens;
  let frank: Tokens;
  let orgId: string;
  before(async () => {
    server = await startPlatform(databases, ['dana', 'erin', 'frank']);
    [dana, erin, frank] = [await signIn(server, 'dana'), await signIn(server, 'erin'), await signIn(server, 'frank')];
    orgId = await foundWith(server, dana, { erin: { tokens: erin, role: 'viewer' } });
  });
  after(() => server.close());

  const as = (token: string, method: string, path: string, body?: unknown): Promise<ApiResponse> => call(server.url, method, path, { token, ...(body === undefined ? {} : { body }) });
  const dev = (method: string, path: string, body?: unknown): Promise<ApiResponse> => as(dana.access, method, `/mini-apps/v1/${path}`, body);
  const admin = (path: string, body: unknown = {}): Promise<ApiResponse> => as(server.adminToken, 'POST', `/admin/v1/mini-apps/${path}`, body);
  const register = async (body: object = {}): Promise<string> => {
    const { status, body: registered } = await dev('POST', 'register', { name: 'Chess', technical, organization_id: orgId, ...body });
    expect(status, JSON.stringify(registered)).to.equal(201);
    return registered.miniapp_id as string;
  };
  const active = async (): Promise<string> => {
    const id = await register();
    expect((await admin(`${id}/approve`)).body.status).to.equal('active');
    return id;
  };
  const stateOf = async (id: string): Promise<string[]> =>
    (await queued<{ event: { type: string; stateKey?: string; content: { status: string; version: string } } }>(server.database, 'matrix.event')).filter(({ event }) => event.type === 'm.tween.miniapp.app' && event.stateKey === id).map(({ event }) => `${event.content.status} ${event.content.version}`);
  const hooksOf = async (id: string): Promise<string[]> =>
    (await server.database.sql<{ miniapp_id: string; payload: string; created_at: number }>('webhook_delivery').where({ miniapp_id: id }).orderBy(['created_at', 'id'])).map(({ payload }) => {
      const { event, data } = JSON.parse(payload) as { event: string; data: { status?: string; state?: string } };
      return `${event} ${data.status ?? data.state}`;
    });
  const auditOf = async (id: string): Promise<string[]> => (await server.database.sql('audit_entry').where({ target: id }).pluck<string[]>('action'));

  it('goes from a draft to retirement by the developer’s and the reviewer’s hand, and everybody is told', async () => {
    const id = await register({ draft: true });
    const steps: [() => Promise<ApiResponse>, string][] = [
      [() => dev('POST', `${id}/submit`, {}), 'pending_review'],
      [() => dev('POST', `${id}/withdraw`, { reason: 'not yet' }), 'draft'],
      [() => dev('POST', `${id}/submit`), 'pending_review'],
      [() => admin(`${id}/reject`, { reason: 'No privacy policy' }), 'rejected'],
      [() => dev('POST', `${id}/submit`), 'pending_review'],
      [() => admin(`${id}/approve`, { hold: true }), 'approved'],
      [() => dev('POST', `${id}/publish`), 'active'],
      [() => admin(`${id}/suspend`, { reason: 'Complaints' }), 'suspended'],
      [() => admin(`${id}/reinstate`), 'active'],
      [() => dev('POST', `${id}/retire`), 'retired'],
    ];
    for (const [step, status] of steps) {
      server.clock.advance(1);
      const { body } = await step();
      expect(body.status, JSON.stringify(body)).to.equal(status);
    }
    const way = ['submitted', 'draft', 'submitted', 'under_review', 'rejected', 'submitted', 'under_review', 'approved', 'active', 'suspended', 'active', 'retired'];
    expect(await stateOf(id)).to.deep.equal(way.map((status) => `${status} 1.0.0`));
    expect((await hooksOf(id)).sort()).to.deep.equal(way.map((status) => `app.status_changed ${status}`).sort());
    expect((await auditOf(id)).filter((action) => action === 'miniapp.moved')).to.have.length(way.length);
  });

  it('refuses every other step, and says which', async () => {
    const id = await register({ draft: true });
    const refusals = async (): Promise<string[]> => {
      const found: string[] = [];
      for (const verb of ['submit', 'publish', 'withdraw']) {
        const { status, body } = await dev('POST', `${id}/${verb}`);
        if (status === 409) found.push(body.error.message as string);
        else await dev('POST', `${id}/withdraw`);
      }
      return found;
    };
    expect(await refusals()).to.deep.equal(['Cannot publish while draft', 'Cannot withdraw while draft']);
    await dev('POST', `${id}/retire`);
    expect(await refusals()).to.deep.equal(['Cannot submit while retired', 'Cannot publish while retired', 'Cannot withdraw while retired']);
    const { status, body } = await dev('POST', `${id}/retire`);
    expect([status, body.error.details]).to.deep.equal([409, { state: 'retired', command: 'retire' }]);
  });

  it('lets one of two submissions through', async () => {
    const id = await register({ draft: true });
    const answers = await Promise.all([dev('POST', `${id}/submit`), dev('POST', `${id}/submit`)]);
    expect(answers.map(({ status }) => status).sort()).to.deep.equal([200, 409]);
  });

  it('takes edits: all of them before submission, afterwards what needs no review', async () => {
    const id = await register({ draft: true });
    const edited = await dev('PATCH', id, { name: 'Chess II', description: 'A game', technical: { entry_url: 'https://two.example', scopes_requested: ['storage:read'] }, branding: { icon_url: 'https://two.example/i.png' } });
    expect(edited.body).to.deep.include({ name: 'Chess II', description: 'A game', status: 'draft', technical: { ...technical, entry_url: 'https://two.example', scopes_requested: ['storage:read'] } });
    await dev('POST', `${id}/submit`);
    for (const change of [{ name: 'Bank' }, { technical: { entry_url: 'https://evil.example' } }, { technical: { redirect_uris: [] } }, { technical: { webhook_url: 'https://evil.example/' } }, { technical: { scopes_requested: ['wallet:pay'] } }]) {
      const { status, body } = await dev('PATCH', id, { description: 'x', ...change });
      expect([status, body.error.code], JSON.stringify(change)).to.deep.equal([409, 'INVALID_STATE_TRANSITION']);
      expect(body.error.message).to.match(/^(name|technical\.\w+): changes only with an approved version$/);
    }
    expect((await dev('GET', id)).body).to.include({ name: 'Chess II', description: 'A game' });
    await admin(`${id}/approve`);
    expect((await dev('PATCH', id, { description: 'The best game', category: 'games' })).body).to.include({ description: 'The best game', category: 'games', status: 'active' });
    expect((await dev('PATCH', id, { technical: { entry_uri: 'x' } })).status).to.equal(400);
    expect((await dev('PATCH', id, { technical: { entry_url: 'tween-internal://x' } })).body.error.details).to.deep.equal([{ field: 'technical.entry_url', problem: 'tween-internal: is for official apps' }]);
    expect(outcome(await dev('PATCH', id, { technical: { scopes_requested: ['wallet:admin'] } }))).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
  });

  it('takes what a W3C MiniApp manifest says, and the request first', async () => {
    const manifest = { app_id: 'org.example.chess', name: 'Manifest chess', short_name: 'MC', description: 'From the manifest', icons: [{ src: 'common/icon.png' }, { src: 'https://chess.example/icon.png' }], version: { name: '2.3.4', code: 7 }, req_permissions: [{ name: 'storage:read', reason: 'Keeps your games' }, { name: 'system.permission.CAMERA' }] };
    const { body } = await dev('POST', 'register', { draft: true, description: 'From the request', manifest, technical: { entry_url: 'https://chess.example' } });
    expect((await dev('GET', body.miniapp_id as string)).body).to.deep.include({ name: 'Manifest chess', short_name: 'MC', description: 'From the request', version: '2.3.4', branding: { icon_url: 'https://chess.example/icon.png' }, technical: { entry_url: 'https://chess.example', redirect_uris: [], scopes_requested: ['storage:read'] } });
    expect(outcome(await dev('POST', 'register', { manifest: { version: { name: '1' } }, technical: { entry_url: 'https://chess.example' } }))).to.deep.equal([400, 'INVALID_REQUEST']);
    expect((await dev('POST', 'register', { manifest: {}, technical: { entry_url: 'https://chess.example' } })).body.error.details).to.deep.equal([{ field: 'name', problem: 'is required' }]);
  });

  describe('a version of an active app', () => {
    const add = (id: string, body: object): Promise<ApiResponse> => dev('POST', `${id}/versions`, body);

    it('changes the app when it is approved, not before, and the app stays in the store meanwhile', async () => {
      const id = await active();
      const added = await add(id, { version: '1.1.0', changes: { name: 'Chess Pro', technical: { entry_url: 'https://pro.example', scopes_requested: ['storage:read'] } }, release_notes: 'More chess' });
      expect([added.status, added.body.state, added.body.version_code]).to.deep.equal([201, 'submitted', 2]);
      expect((await dev('GET', id)).body).to.include({ name: 'Chess', status: 'active', version: '1.0.0' });
      expect((await dev('POST', `${id}/retire`, {})).status, 'retire takes the version along').to.equal(200);
      expect(((await dev('GET', `${id}/versions`)).body.versions as { version: string; state: string }[]).map((one) => `${one.version} ${one.state}`)).to.deep.equal(['1.1.0 withdrawn', '1.0.0 released']);

      const other = await active();
      server.identity.whoami.set('syt_alice', { user_id: '@alice:example.org', device_id: 'A', is_guest: false });
      const session = (await exchange(server.url, 'syt_alice', { client_id: other })).body.access_token as string;
      expect((await as(session, 'GET', '/api/v1/storage/info')).status).to.equal(200);
      await add(other, { version: '1.1.0', changes: { name: 'Chess Pro', technical: { entry_url: 'https://pro.example', scopes_requested: ['storage:read'] } } });
      expect((await admin(`${other}/approve`, { hold: true })).body.status).to.equal('active');
      expect((await dev('GET', other)).body.name).to.equal('Chess');
      const inStore = async (words: string): Promise<unknown[]> => ((await call(server.url, 'GET', `/api/v1/store/apps?search=${encodeURIComponent(words)}`)).body.apps as { miniapp_id: string; name: string; version: string }[]).filter((one) => one.miniapp_id === other).map(({ name, version }) => `${name} ${version}`);
      expect([await inStore('chess'), await inStore('chess pro')]).to.deep.equal([['Chess 1.0.0'], []]);
      await dev('POST', `${other}/publish`);
      expect(await inStore('chess pro'), 'the store knows it by its new name').to.deep.equal(['Chess Pro 1.1.0']);
      expect((await dev('GET', other)).body).to.deep.include({ name: 'Chess Pro', status: 'active', version: '1.1.0', version_code: 2, technical: { ...technical, entry_url: 'https://pro.example', scopes_requested: ['storage:read'] } });
      expect((await stateOf(other)).slice(-2)).to.deep.equal(['active 1.0.0', 'active 1.1.0']);
      expect((await hooksOf(other)).filter((hook) => hook.startsWith('app.version_changed')).sort()).to.deep.equal(['approved', 'released', 'submitted', 'under_review'].map((state) => `app.version_changed ${state}`));
      expect((await as(session, 'GET', '/api/v1/storage/info')).status, 'it gave a scope up').to.equal(401);
    });

    it('is refused, withdrawn and submitted again without moving the app', async () => {
      const id = await active();
      await add(id, { version: '1.1.0' });
      expect((await add(id, { version: '1.2.0' })).body.error.message).to.equal('Version 1.1.0 is submitted: withdraw or publish it first');
      await admin(`${id}/reject`, { reason: 'Broken' });
      expect((await dev('GET', `${id}/versions`)).body.versions[0]).to.include({ state: 'rejected', reason: 'Broken' });
      for (const verb of ['submit', 'withdraw', 'submit']) expect((await dev('POST', `${id}/${verb}`)).body.status, verb).to.equal('active');
      expect((await dev('POST', `${id}/publish`)).body.error.message).to.equal('Cannot publish while submitted');
    });

    it('rises', async () => {
      const id = await active();
      expect(outcome(await add(id, { version: '1.0.0' }))).to.deep.equal([400, 'INVALID_REQUEST']);
      expect((await add(id, { version: '0.9.0' })).body.error.details[0].problem).to.equal('must be higher than 1.0.0');
      expect((await add(id, { version: '1.1.0', version_code: 1 })).body.error.details[0].field).to.equal('version_code');
      expect((await add(id, { version: '1.1.0', version_code: 10, draft: true })).body).to.include({ version_code: 10, state: 'draft' });
      expect(outcome(await add(id, { version: '1.1.0' }))).to.deep.equal([409, 'ALREADY_EXISTS']);
      expect((await add(id, { version: '1.2.0' })).body.version_code).to.equal(11);
      expect(((await dev('GET', `${id}/versions?limit=2`)).body.versions as { state: string }[]).map((one) => one.state)).to.deep.equal(['submitted', 'withdrawn']);
      expect((await dev('GET', `${id}/versions?limit=2&before=10`)).body.versions).to.have.length(1);
    });

    it('goes back by going up: old terms under a new code, and revoking does so by itself', async () => {
      const id = await active();
      await add(id, { version: '1.1.0', changes: { name: 'Chess Pro' } });
      await admin(`${id}/approve`);
      expect((await dev('GET', id)).body.name).to.equal('Chess Pro');
      const back = await dev('POST', `${id}/versions/1/rollback`, { reason: 'It crashes' });
      expect(back.body).to.include({ version: '1.0.0+rollback.3', version_code: 3, state: 'released', rollback_of: 1, mandatory: true });
      expect((await dev('GET', id)).body).to.include({ name: 'Chess', version: '1.0.0+rollback.3', version_code: 3 });
      expect((await dev('POST', `${id}/versions/3/rollback`, {})).body.error.message).to.equal('It is the released version already');
      await add(id, { version: '1.2.0', changes: { name: 'Chess X' } });
      await admin(`${id}/approve`);
      const { body } = await dev('POST', `${id}/versions/4/revoke`, { reason: 'Malicious dependency' });
      expect([body.revoked.state, body.successor.version_code, body.successor.rollback_of]).to.deep.equal(['revoked', 5, 3]);
      expect((await dev('GET', id)).body).to.include({ name: 'Chess', version_code: 5 });
      expect((await dev('POST', `${id}/versions/4/rollback`, {})).body.error.message).to.equal('Cannot roll back while revoked');
      expect((await dev('POST', `${id}/versions/99/revoke`, { reason: 'x' })).status).to.equal(404);
      expect((await dev('POST', `${id}/versions/5/rollout`, { percent: 10 })).body.error.details[0].field).to.equal('percent');
    });
  });

  describe('is nobody else’s', () => {
    let id: string;
    const operations: [string, string, unknown?][] = [
      ['GET', ''], ['PATCH', '', { description: 'x' }], ['POST', '/submit'], ['POST', '/publish'], ['POST', '/withdraw'], ['POST', '/retire'],
      ['GET', '/versions'], ['POST', '/versions', { version: '9.0.0' }], ['POST', '/versions/1/rollout', { percent: 1 }], ['POST', '/versions/1/rollback', {}], ['POST', '/versions/1/revoke', { reason: 'x' }],
    ];
    const attempt = (token: string | undefined, [method, path, body]: [string, string, unknown?]): Promise<ApiResponse> => call(server.url, method, `/mini-apps/v1/${id}${path}`, { ...(token === undefined ? {} : { token }), ...(body === undefined ? {} : { body }) });
    before(async () => {
      id = await active();
    });

    for (const operation of operations) {
      it(`${operation[0]} ${operation[1]}`, async () => {
        expect(outcome(await attempt(frank.access, operation)), 'another developer').to.deep.equal([404, 'MINIAPP_NOT_FOUND']);
        if (operation[0] !== 'GET') expect(outcome(await attempt(erin.access, operation)), 'a viewer').to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
        server.identity.whoami.set('syt_alice', { user_id: '@alice:example.org', device_id: 'A', is_guest: false });
        expect(outcome(await attempt(await firstPartyToken(server.url, 'syt_alice', 'tmcp_store'), operation)), 'a user').to.deep.equal([403, 'forbidden_platform_endpoint']);
        const miniapp = (await exchange(server.url, 'syt_alice', { client_id: id })).body.access_token as string;
        expect(outcome(await attempt(miniapp, operation)), 'the mini-app').to.deep.equal([403, 'forbidden_platform_endpoint']);
        expect(outcome(await attempt(undefined, operation)), 'nobody').to.deep.equal([401, 'INVALID_TOKEN']);
      });
    }

    it('with a token that was revoked', async () => {
      const gone = await signIn(server, 'dana');
      await postForm(server, '/oauth2/developer/revoke', { token: gone.access }, { authorization: `Bearer ${gone.access}` });
      for (const operation of operations) expect(outcome(await attempt(gone.access, operation))).to.deep.equal([401, 'invalid_developer_token']);
    });
  });
});
