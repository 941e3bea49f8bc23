import { expect } from 'chai';
import { call, type ApiResponse } from '../../support/api.ts';
import { onBothDatabases } from '../../support/databases.ts';
import type { WholeServer } from '../../support/whole-server.ts';
import { day, foundWith, idOf, outcome, people, signIn, startPlatform, type Tokens } from './support.ts';

interface Change {
  actor: string;
  subject: string;
  from_role: string | null;
  to_role: string | null;
  cause: string;
  request_id: string;
  changed_at: number;
}

onBothDatabases('organisations of developers (specification section 4.4.4)', (databases) => {
  let server: WholeServer;
  let dana: Tokens;
  let erin: Tokens;
  let frank: Tokens;
  let grace: Tokens;
  const signEveryoneIn = async (): Promise<void> => {
    [dana, erin, frank, grace] = (await Promise.all(people.map((person) => signIn(server, person)))) as [Tokens, Tokens, Tokens, Tokens];
  };
  before(async () => {
    server = await startPlatform(databases);
    await signEveryoneIn();
  });
  after(() => server.close());

  const post = (path: string, token: Tokens, body: unknown = {}, headers: Record<string, string> = {}) => call(server.url, 'POST', `/organizations/v1/${path}`, { token: token.access, body, headers });
  const invite = (orgId: string, by: Tokens, person: string, role = 'developer') => post(`${orgId}/members`, by, { matrix_user_id: idOf(person), role });
  const accept = (invitation: ApiResponse, by: Tokens) => post(`invitations/${invitation.body.invitation_id as string}/accept`, by);
  const memberPath = (orgId: string, person: string): string => `/organizations/v1/${orgId}/members/${encodeURIComponent(idOf(person))}`;
  const setRole = (orgId: string, by: Tokens, person: string, role: string) => call(server.url, 'PATCH', memberPath(orgId, person), { token: by.access, body: { role } });
  const removeMember = (orgId: string, by: Tokens, person: string) => call(server.url, 'DELETE', memberPath(orgId, person), { token: by.access });
  const changes = (orgId: string): Promise<Change[]> => server.database.sql<Change & { org_id: string }>('role_change').where({ org_id: orgId }).orderBy(['changed_at', 'id']);
  const membersOf = async (orgId: string): Promise<Record<string, string>> =>
    Object.fromEntries((await server.database.sql<{ user_id: string; role: string; org_id: string }>('organization_member').where({ org_id: orgId })).map((row) => [row.user_id, row.role]));

  describe('founding one', () => {
    it('makes the founder its admin, and is recorded', async () => {
      const body = { name: 'Example Corp', description: 'e-commerce mini-apps', website: 'https://example.com', contact_email: 'admin@example.com' };
      const founded = await post('create', dana, body, { 'x-request-id': 'founding-request-1' });
      expect(founded.status).to.equal(201);
      expect(founded.body).to.deep.include({ ...body, created_by: idOf('dana'), roles: [{ matrix_user_id: idOf('dana'), role: 'admin' }] });
      expect(founded.body.org_id).to.match(/^org_/);
      const [change, ...more] = await changes(founded.body.org_id as string);
      expect(more).to.deep.equal([]);
      expect(change).to.include({ actor: idOf('dana'), subject: idOf('dana'), from_role: null, to_role: 'admin', cause: 'founded', request_id: 'founding-request-1' });
    });

    const wrong: Record<string, [unknown, string]> = {
      'without a name': [{}, 'name'],
      'with an empty name': [{ name: '' }, 'name'],
      'with a name that is too long': [{ name: 'x'.repeat(81) }, 'name'],
      'with a site that is not https': [{ name: 'x', website: 'http://example.com' }, 'website'],
      'with something that is no address': [{ name: 'x', contact_email: 'nobody' }, 'contact_email'],
      'with roles of its own': [{ name: 'x', roles: [] }, 'roles'],
    };
    for (const [what, [body, field]] of Object.entries(wrong)) {
      it(`is refused ${what}`, async () => {
        const { status, body: answer } = await post('create', dana, body);
        expect(status).to.equal(400);
        expect(answer.error.details[0].field).to.equal(field);
      });
    }
  });

  describe('inviting', () => {
    let orgId: string;
    beforeEach(async () => {
      orgId = await foundWith(server, dana, { erin: { tokens: erin, role: 'developer' }, frank: { tokens: frank, role: 'viewer' } });
    });

    it('answers as section 4.4.4 shows, and changes nothing yet', async () => {
      const { status, body } = await invite(orgId, dana, 'grace', 'developer');
      expect(status).to.equal(201);
      expect(body).to.include({ org_id: orgId, matrix_user_id: idOf('grace'), role: 'developer', invited_by: idOf('dana'), status: 'pending' });
      expect(Date.parse(body.expires_at as string) - Date.parse(body.invited_at as string)).to.equal(7 * day);
      expect(await membersOf(orgId)).not.to.have.property(idOf('grace'));
    });

    it('is for admins: not for a developer, not for a viewer', async () => {
      for (const [who, role] of [[erin, 'viewer'], [frank, 'viewer'], [erin, 'admin']] as const) {
        const refused = await invite(orgId, who, 'grace', role);
        expect(outcome(refused)).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
        expect(refused.body.error.message).to.equal('Developer does not have required permission: member:invite');
      }
    });

    it('tells a stranger nothing: neither that the organisation is there nor that it is not', async () => {
      const there = await invite(orgId, grace, 'grace', 'admin');
      const notThere = await invite('org_nowhere', grace, 'grace', 'admin');
      expect(outcome(there)).to.deep.equal([404, 'NOT_FOUND']);
      expect(there.body.error.message).to.equal(notThere.body.error.message);
    });

    it('is refused of members, of roles that are none, and of what is no user', async () => {
      expect(outcome(await invite(orgId, dana, 'erin', 'admin'))).to.deep.equal([409, 'ALREADY_EXISTS']);
      expect(outcome(await invite(orgId, dana, 'dana', 'viewer'))).to.deep.equal([409, 'ALREADY_EXISTS']);
      expect(outcome(await invite(orgId, dana, 'grace', 'owner'))).to.deep.equal([400, 'INVALID_REQUEST']);
      expect(outcome(await post(`${orgId}/members`, dana, { matrix_user_id: 'grace', role: 'viewer' }))).to.deep.equal([400, 'INVALID_REQUEST']);
    });

    it('ends in membership when the invited user accepts, once, and is recorded with who invited', async () => {
      const invitation = await invite(orgId, dana, 'grace', 'viewer');
      const accepted = await accept(invitation, grace);
      expect(accepted.status).to.equal(200);
      expect(accepted.body).to.include({ invitation_id: invitation.body.invitation_id, status: 'accepted', role: 'viewer' });
      expect((await membersOf(orgId))[idOf('grace')]).to.equal('viewer');
      expect((await changes(orgId)).at(-1)).to.include({ actor: idOf('dana'), subject: idOf('grace'), from_role: null, to_role: 'viewer', cause: 'invited' });
      expect(outcome(await accept(invitation, grace))).to.deep.equal([409, 'INVALID_STATE_TRANSITION']);
      await removeMember(orgId, dana, 'grace');
      expect(outcome(await accept(invitation, grace))).to.deep.equal([409, 'INVALID_STATE_TRANSITION']);
      expect(await membersOf(orgId)).not.to.have.property(idOf('grace'));
    });

    it('makes one member when the invitation is accepted several times at once', async () => {
      const invitation = await invite(orgId, dana, 'grace');
      const answers = await Promise.all(Array.from({ length: 6 }, () => accept(invitation, grace)));
      expect(answers.map(outcome).filter(([status]) => status === 200)).to.have.length(1);
      expect(answers.map(outcome).filter(([status]) => status === 409)).to.have.length(5);
      expect((await changes(orgId)).filter(({ subject }) => subject === idOf('grace'))).to.have.length(1);
    });

    it('is for the invited user only: to everybody else the invitation is not there', async () => {
      const invitation = await invite(orgId, dana, 'grace', 'admin');
      for (const other of [dana, erin, frank]) expect(outcome(await accept(invitation, other))).to.deep.equal([404, 'NOT_FOUND']);
      expect(outcome(await post('invitations/inv_nowhere/accept', grace))).to.deep.equal([404, 'NOT_FOUND']);
    });

    it('again takes the place of the invitation before', async () => {
      const first = await invite(orgId, dana, 'grace', 'admin');
      const second = await invite(orgId, dana, 'grace', 'viewer');
      expect(outcome(await accept(first, grace))).to.deep.equal([409, 'INVALID_STATE_TRANSITION']);
      expect((await accept(second, grace)).status).to.equal(200);
      expect((await membersOf(orgId))[idOf('grace')]).to.equal('viewer');
    });

    it('does not outlive the right to invite', async () => {
      await setRole(orgId, dana, 'erin', 'admin');
      const invitation = await invite(orgId, erin, 'grace', 'admin');
      expect(invitation.status).to.equal(201);
      await setRole(orgId, dana, 'erin', 'developer');
      expect(outcome(await accept(invitation, grace))).to.deep.equal([409, 'INVALID_STATE_TRANSITION']);
    });
  });

  describe('changing roles', () => {
    let orgId: string;
    beforeEach(async () => {
      orgId = await foundWith(server, dana, { erin: { tokens: erin, role: 'developer' }, frank: { tokens: frank, role: 'viewer' } });
    });

    it('is what admins do, recorded with who, whom, from, to, when and in which request', async () => {
      const raised = await call(server.url, 'PATCH', memberPath(orgId, 'frank'), { token: dana.access, body: { role: 'admin' }, headers: { 'x-request-id': 'raising-frank' } });
      expect(raised.status).to.equal(200);
      expect(raised.body).to.deep.equal({ org_id: orgId, matrix_user_id: idOf('frank'), role: 'admin' });
      const last = (await changes(orgId)).at(-1)!;
      expect(last).to.include({ actor: idOf('dana'), subject: idOf('frank'), from_role: 'viewer', to_role: 'admin', cause: 'assigned', request_id: 'raising-frank' });
      expect(Math.abs(last.changed_at - server.clock.now())).to.be.below(10_000);
    });

    it('takes effect with the next request, whatever the token says', async () => {
      await setRole(orgId, dana, 'frank', 'admin');
      expect((await invite(orgId, frank, 'grace')).status).to.equal(201);
      await setRole(orgId, dana, 'frank', 'viewer');
      expect(outcome(await invite(orgId, frank, 'grace'))).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
    });

    it('is nothing when nothing changes', async () => {
      const before = await changes(orgId);
      expect((await setRole(orgId, dana, 'frank', 'viewer')).status).to.equal(200);
      expect(await changes(orgId)).to.deep.equal(before);
    });

    it('raises nobody by their own hand', async () => {
      for (const [who, person] of [[erin, 'erin'], [frank, 'frank']] as const) {
        for (const role of ['admin', 'developer', 'viewer']) expect(outcome(await setRole(orgId, who, person, role))).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
      }
      expect(await membersOf(orgId)).to.deep.equal({ [idOf('dana')]: 'admin', [idOf('erin')]: 'developer', [idOf('frank')]: 'viewer' });
    });

    it('is not for developers and viewers, and not for strangers', async () => {
      expect(outcome(await setRole(orgId, erin, 'dana', 'viewer'))).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
      expect(outcome(await removeMember(orgId, erin, 'frank'))).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
      expect(outcome(await removeMember(orgId, frank, 'dana'))).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
      expect(outcome(await setRole(orgId, grace, 'dana', 'viewer'))).to.deep.equal([404, 'NOT_FOUND']);
      expect(outcome(await removeMember(orgId, grace, 'dana'))).to.deep.equal([404, 'NOT_FOUND']);
      expect(outcome(await setRole('org_nowhere', dana, 'dana', 'viewer'))).to.deep.equal([404, 'NOT_FOUND']);
    });

    it("does not reach into another organisation, even an admin's", async () => {
      const other = await foundWith(server, grace, { frank: { tokens: frank, role: 'viewer' } });
      expect(outcome(await setRole(other, dana, 'frank', 'admin'))).to.deep.equal([404, 'NOT_FOUND']);
      expect(outcome(await removeMember(other, dana, 'grace'))).to.deep.equal([404, 'NOT_FOUND']);
      expect((await membersOf(other))[idOf('frank')]).to.equal('viewer');
    });

    it('needs a member and a role', async () => {
      expect(outcome(await setRole(orgId, dana, 'grace', 'viewer'))).to.deep.equal([404, 'NOT_FOUND']);
      expect(outcome(await removeMember(orgId, dana, 'grace'))).to.deep.equal([404, 'NOT_FOUND']);
      expect(outcome(await setRole(orgId, dana, 'erin', 'owner'))).to.deep.equal([400, 'INVALID_REQUEST']);
    });

    it('leaves one admin', async () => {
      expect(outcome(await setRole(orgId, dana, 'dana', 'developer'))).to.deep.equal([409, 'LAST_ADMIN']);
      expect(outcome(await removeMember(orgId, dana, 'dana'))).to.deep.equal([409, 'LAST_ADMIN']);
      await setRole(orgId, dana, 'erin', 'admin');
      expect((await setRole(orgId, dana, 'dana', 'viewer')).status).to.equal(200);
      expect(outcome(await removeMember(orgId, erin, 'erin'))).to.deep.equal([409, 'LAST_ADMIN']);
    });

    it('leaves one admin who is a developer still', async () => {
      await setRole(orgId, dana, 'erin', 'admin');
      const removed = await call(server.url, 'DELETE', `/admin/developers/${idOf('erin')}`, { token: server.adminToken });
      expect(removed.status).to.equal(200);
      expect(outcome(await removeMember(orgId, dana, 'dana'))).to.deep.equal([409, 'LAST_ADMIN']);
      expect((await removeMember(orgId, dana, 'erin')).status).to.equal(200);
      await call(server.url, 'POST', '/admin/developers/whitelist', { token: server.adminToken, body: { matrix_user_id: idOf('erin') } });
      erin = await signIn(server, 'erin');
    });

    it('removes members, and lets anybody leave, both recorded', async () => {
      expect((await removeMember(orgId, dana, 'erin')).body).to.deep.equal({ org_id: orgId, matrix_user_id: idOf('erin'), status: 'removed' });
      expect((await removeMember(orgId, frank, 'frank')).status).to.equal(200);
      expect(await membersOf(orgId)).to.deep.equal({ [idOf('dana')]: 'admin' });
      expect((await changes(orgId)).slice(-2).map(({ actor, subject, from_role, to_role, cause }) => [actor, subject, from_role, to_role, cause])).to.have.deep.members([
        [idOf('dana'), idOf('erin'), 'developer', null, 'removed'],
        [idOf('frank'), idOf('frank'), 'viewer', null, 'left'],
      ]);
      expect(outcome(await removeMember(orgId, frank, 'frank'))).to.deep.equal([404, 'NOT_FOUND']);
    });

    it('leaves one admin when two demote each other at the same moment', async () => {
      for (let round = 0; round < 8; round += 1) {
        const arena = await foundWith(server, dana, { erin: { tokens: erin, role: 'admin' } });
        const answers = await Promise.all([setRole(arena, dana, 'erin', 'viewer'), setRole(arena, erin, 'dana', 'viewer')]);
        expect(answers.map(outcome)).to.have.deep.members([[200, undefined], [403, 'INSUFFICIENT_PERMISSIONS']]);
        expect(Object.values(await membersOf(arena)).sort()).to.deep.equal(['admin', 'viewer']);
        expect((await changes(arena)).filter(({ cause }) => cause === 'assigned')).to.have.length(1);
      }
    });

    it('leaves one admin when all leave at the same moment', async () => {
      for (let round = 0; round < 8; round += 1) {
        const arena = await foundWith(server, dana, { erin: { tokens: erin, role: 'admin' }, frank: { tokens: frank, role: 'admin' } });
        const answers = await Promise.all([removeMember(arena, dana, 'dana'), removeMember(arena, erin, 'erin'), removeMember(arena, frank, 'frank')]);
        expect(answers.map(outcome)).to.have.deep.members([[200, undefined], [200, undefined], [409, 'LAST_ADMIN']]);
        expect(Object.values(await membersOf(arena))).to.deep.equal(['admin']);
      }
    });

    it('writes a record that nobody changes, not even with SQL', async () => {
      const count = (await changes(orgId)).length;
      const attempts = [server.database.sql('role_change').where({ org_id: orgId }).update({ to_role: 'admin' }), server.database.sql('role_change').where({ org_id: orgId }).delete()];
      for (const attempt of attempts) {
        const refused = await attempt.then(() => 'changed', (error: Error) => error.message);
        expect(refused).to.contain('append-only');
      }
      expect(await changes(orgId)).to.have.length(count);
    });

    it('changes nothing when the record can not be written', async () => {
      await server.database.sql.schema.renameTable('role_change', 'role_change_away');
      const failed = await setRole(orgId, dana, 'frank', 'admin');
      await server.database.sql.schema.renameTable('role_change_away', 'role_change');
      expect(outcome(failed)).to.deep.equal([500, 'INTERNAL_ERROR']);
      expect((await membersOf(orgId))[idOf('frank')]).to.equal('viewer');
    });
  });

  // The last: the administrator's token is over afterwards.
  describe('invitations', () => {
    it('end after seven days', async () => {
      const orgId = await foundWith(server, dana, {});
      const early = await invite(orgId, dana, 'erin');
      const late = await invite(orgId, dana, 'frank');
      server.clock.advance(7 * day - 60_000);
      await signEveryoneIn();
      expect((await accept(early, erin)).status).to.equal(200);
      server.clock.advance(60_000);
      expect(outcome(await accept(late, frank))).to.deep.equal([410, 'INVITATION_EXPIRED']);
      expect(await membersOf(orgId)).not.to.have.property(idOf('frank'));
      const again = await invite(orgId, dana, 'frank');
      expect((await accept(again, frank)).status).to.equal(200);
    });
  });
});
