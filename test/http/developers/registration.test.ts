import { expect } from 'chai';
import { call, exchange } from '../../support/api.ts';
import { onBothDatabases } from '../../support/databases.ts';
import type { WholeServer } from '../../support/whole-server.ts';
import { claimsOf, community, foundWith, idOf, outcome, people, signIn, startPlatform, type Tokens } from './support.ts';

onBothDatabases('mini-apps of developers (specification section 9.1)', (databases) => {
  let server: WholeServer;
  let dana: Tokens;
  let erin: Tokens;
  let frank: Tokens;
  let grace: Tokens;
  let orgId: string;
  before(async () => {
    server = await startPlatform(databases);
    [dana, erin, frank, grace] = (await Promise.all(people.map((person) => signIn(server, person)))) as [Tokens, Tokens, Tokens, Tokens];
    orgId = await foundWith(server, dana, { erin: { tokens: erin, role: 'developer' }, frank: { tokens: frank, role: 'viewer' } });
  });
  after(() => server.close());

  const register = (by: Tokens, body: object = {}) => call(server.url, 'POST', '/mini-apps/v1/register', { token: by.access, body: { ...community, ...body } });
  const statusOf = (id: string, by: Tokens) => call(server.url, 'GET', `/mini-apps/v1/${id}/status`, { token: by.access });
  const approve = (id: string, body: object = {}) => call(server.url, 'POST', `/admin/v1/mini-apps/${id}/approve`, { token: server.adminToken, body });
  const use = (person: string, client_id: string) => exchange(server.url, `syt_${person}`, { client_id });

  it('are registered, submitted and owned by who registers them', async () => {
    const { status, body } = await register(dana);
    expect(status).to.equal(201);
    expect(body).to.include({ status: 'pending_review' });
    const row = await server.database.sql('miniapp').where({ miniapp_id: body.miniapp_id as string }).first<object>();
    expect(row).to.include({ classification: 'community', install_mode: 'optional', registered_by: idOf('dana'), owner_user_id: idOf('dana'), owner_org_id: null });
    expect((await statusOf(body.miniapp_id as string, dana)).body).to.include({ status: 'pending_review', classification: 'community' });
  });

  it('are named to users by their owner, not by what the developer says about themselves', async () => {
    const asking = { developer: { company_name: 'Your Bank' }, technical: { ...community.technical, scopes_requested: ['user:read'] } };
    const developers: unknown[] = [];
    for (const owner of [{}, { organization_id: orgId }]) {
      const id = (await register(dana, { ...asking, ...owner })).body.miniapp_id as string;
      await approve(id);
      const { body } = await exchange(server.url, 'syt_grace', { client_id: id, scope: 'user:read' });
      developers.push((await call(server.url, 'GET', body.consent_ui_endpoint as string, { token: 'syt_grace' })).body.app.developer);
    }
    expect(developers).to.deep.equal([idOf('dana'), 'Example Corp']);
  });

  it('are registered as drafts when asked for', async () => {
    expect((await register(dana, { draft: true })).body.status).to.equal('draft');
  });

  describe("are an organisation's where the role allows it", () => {
    it('an admin registers', async () => {
      const { status, body } = await register(dana, { organization_id: orgId });
      expect(status).to.equal(201);
      expect(await server.database.sql('miniapp').where({ miniapp_id: body.miniapp_id as string }).first<object>()).to.include({ owner_user_id: null, owner_org_id: orgId });
    });
    it('a developer registers', async () => {
      expect((await register(erin, { organization_id: orgId })).status).to.equal(201);
    });
    it('a viewer does not', async () => {
      const refused = await register(frank, { organization_id: orgId });
      expect(outcome(refused)).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
      expect(refused.body.error.message).to.equal('Developer does not have required permission: miniapp:register');
    });
    it('a stranger does not, and learns nothing', async () => {
      expect(outcome(await register(grace, { organization_id: orgId }))).to.deep.equal([404, 'NOT_FOUND']);
      expect(outcome(await register(grace, { organization_id: 'org_nowhere' }))).to.deep.equal([404, 'NOT_FOUND']);
    });
    it('whose role changed does not, whatever the token says', async () => {
      const arena = await foundWith(server, dana, { grace: { tokens: grace, role: 'developer' } });
      const { access } = await signIn(server, 'grace');
      expect(claimsOf(access).organizations).to.deep.include({ org_id: arena, name: 'Example Corp', role: 'developer' });
      await call(server.url, 'PATCH', `/organizations/v1/${arena}/members/${idOf('grace')}`, { token: dana.access, body: { role: 'viewer' } });
      expect(outcome(await register({ access, refresh: '' }, { organization_id: arena }))).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
    });
    it('an administrator registers for an organisation that exists', async () => {
      const asAdmin = (organization_id: string) => call(server.url, 'POST', '/mini-apps/v1/register', { token: server.adminToken, body: { ...community, organization_id } });
      expect((await asAdmin(orgId)).status).to.equal(201);
      expect(outcome(await asAdmin('org_nowhere'))).to.deep.equal([404, 'NOT_FOUND']);
    });
  });

  describe('are ordinary: a developer may not give them', () => {
    const { technical } = community;
    const attempts: Record<string, [object, string]> = {
      'an id of their choice': [{ miniapp_id: 'ma_chosen' }, 'miniapp_id'],
      'the classification official': [{ classification: 'official' }, 'classification'],
      'the classification verified': [{ classification: 'verified' }, 'classification'],
      'the classification beta': [{ classification: 'beta' }, 'classification'],
      'a place on every device': [{ preinstall: { enabled: true, install_mode: 'mandatory' } }, 'preinstall'],
      'a place among the preinstalled': [{ preinstall: { display_order: 1 } }, 'preinstall'],
      'elevated permissions': [{ elevated_permissions: { privileged_apis: [] } }, 'elevated_permissions'],
      ...Object.fromEntries(['system:notifications', 'wallet:admin', 'messaging:broadcast', 'analytics:detailed'].map((scope) => [`the privileged scope ${scope}`, [{ technical: { ...technical, scopes_requested: ['storage:read', scope] } }, 'technical.scopes_requested']])),
    };
    for (const [what, [body, field]] of Object.entries(attempts)) {
      it(what, async () => {
        const refused = await register(dana, body);
        expect(outcome(refused)).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
        expect(refused.body.error.details[0].field).to.equal(field);
      });
    }
    it('an entry that only official apps have', async () => {
      expect(outcome(await register(dana, { technical: { entry_url: 'tween-internal://chess' } }))).to.deep.equal([400, 'INVALID_REQUEST']);
    });
    it('the classification community is theirs already', async () => {
      expect((await register(dana, { classification: 'community' })).status).to.equal(201);
    });
  });

  describe('tell where they stand', () => {
    it('to their owner only', async () => {
      const id = (await register(dana)).body.miniapp_id as string;
      for (const other of [erin, frank, grace]) expect(outcome(await statusOf(id, other))).to.deep.equal([404, 'MINIAPP_NOT_FOUND']);
    });
    it('to every member of the organisation, and to nobody else', async () => {
      const id = (await register(erin, { organization_id: orgId })).body.miniapp_id as string;
      for (const member of [dana, erin, frank]) expect((await statusOf(id, member)).status).to.equal(200);
      expect(outcome(await statusOf(id, grace))).to.deep.equal([404, 'MINIAPP_NOT_FOUND']);
    });
    it('to no developer when they are the administrators’', async () => {
      expect(outcome(await statusOf('ma_official_gifts', dana))).to.deep.equal([404, 'MINIAPP_NOT_FOUND']);
    });
  });

  describe('before they are in the store (decision D23)', () => {
    it("work for their owner only, through review and approval; once active for everybody; suspended for nobody", async () => {
      const id = (await register(dana)).body.miniapp_id as string;
      expect((await use('dana', id)).status).to.equal(200);
      expect(outcome(await use('erin', id))).to.deep.equal([401, 'invalid_client']);
      await approve(id, { hold: true });
      expect((await use('dana', id)).status).to.equal(200);
      expect(outcome(await use('erin', id))).to.deep.equal([401, 'invalid_client']);
      await approve(id);
      expect((await use('erin', id)).status).to.equal(200);
      await call(server.url, 'POST', `/admin/v1/mini-apps/${id}/suspend`, { token: server.adminToken, body: { reason: 'Fraud' } });
      expect(outcome(await use('dana', id))).to.deep.equal([401, 'invalid_client']);
    });

    it('work for those who develop them in an organisation, not for its viewers', async () => {
      const id = (await register(erin, { organization_id: orgId })).body.miniapp_id as string;
      expect((await use('dana', id)).status).to.equal(200);
      expect((await use('erin', id)).status).to.equal(200);
      expect(outcome(await use('frank', id))).to.deep.equal([401, 'invalid_client']);
      expect(outcome(await use('grace', id))).to.deep.equal([401, 'invalid_client']);
    });

    it('work for nobody when they have no owner', async () => {
      await call(server.url, 'POST', '/mini-apps/v1/register', { token: server.adminToken, body: { ...community, miniapp_id: 'ma_ownerless' } });
      expect(outcome(await use('dana', 'ma_ownerless'))).to.deep.equal([401, 'invalid_client']);
    });

    it('end for who may no longer develop them, tokens included', async () => {
      const arena = await foundWith(server, dana, { grace: { tokens: grace, role: 'developer' } });
      const id = (await register(dana, { organization_id: arena })).body.miniapp_id as string;
      const sessions = [];
      for (const person of ['grace', 'dana']) {
        const { status, body } = await use(person, id);
        expect(status).to.equal(200);
        sessions.push(claimsOf(body.access_token as string).session_id);
      }
      await call(server.url, 'PATCH', `/organizations/v1/${arena}/members/${idOf('grace')}`, { token: dana.access, body: { role: 'viewer' } });
      expect(outcome(await use('grace', id))).to.deep.equal([401, 'invalid_client']);
      const revoked = await Promise.all(sessions.map(async (session) => (await server.database.sql('tep_session').where({ id: session }).first<{ revoked_at: number | null }>()).revoked_at !== null));
      expect(revoked).to.deep.equal([true, false]);
    });

    it('keep nobody from using an active app who leaves the organisation', async () => {
      const arena = await foundWith(server, dana, { grace: { tokens: grace, role: 'developer' } });
      const id = (await register(dana, { organization_id: arena })).body.miniapp_id as string;
      await approve(id);
      const session = claimsOf((await use('grace', id)).body.access_token as string).session_id as string;
      await call(server.url, 'DELETE', `/organizations/v1/${arena}/members/${idOf('grace')}`, { token: grace.access });
      expect((await server.database.sql('tep_session').where({ id: session }).first<{ revoked_at: number | null }>()).revoked_at).to.equal(null);
    });
  });
});
