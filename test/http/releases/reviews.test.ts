import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { copyFileSync, existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { checklists } from '../../../src/reviews/checklists.ts';
import { call, exchange, type ApiResponse } from '../../support/api.ts';
import { goodPolicy, page, postParts, zip, type Files } from '../../support/bundles.ts';
import { onBothDatabases } from '../../support/databases.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { queued, type WholeServer } from '../../support/whole-server.ts';
import { foundWith, outcome, signIn, startPlatform, type Tokens } from '../developers/support.ts';

const hour = 60 * 60_000;
const png = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64');
const allPassed = Object.fromEntries(Object.entries(checklists).map(([list, items]) => [list, Object.fromEntries(items.map((item) => [item, item === 'payment_processor_approved' ? 'not_applicable' : 'pass']))]));

onBothDatabases('reviews', (databases) => {
  let server: WholeServer;
  let host: Server;
  let hosted: string;
  let directory: string;
  let dana: Tokens;
  let erin: Tokens;
  let frank: Tokens;
  let orgId: string;
  before(async function () {
    this.timeout(30_000);
    directory = temporaryDirectory('bundles');
    const advisories = join(directory, 'advisories.json');
    writeFileSync(advisories, JSON.stringify([{ id: 'GHSA-test-0001', affected: [{ package: { ecosystem: 'npm', name: 'left-pad' }, versions: ['1.2.9'] }] }]));
    server = await startPlatform(databases, ['dana', 'erin', 'frank'], { TMCP_BUNDLES_DIRECTORY: join(directory, 'store'), TMCP_REVIEWS_ADVISORIES_FILE: advisories, TMCP_REVIEWS_EVIDENCE_MAX_BYTES: '2048', TMCP_REVIEWS_EVIDENCE_MAX_FILES: '2', TMCP_REVIEWS_CONTACT_EMAIL: 'appeals@example.org' });
    [dana, erin, frank] = [await signIn(server, 'dana'), await signIn(server, 'erin'), await signIn(server, 'frank')];
    orgId = await foundWith(server, dana, { erin: { tokens: erin, role: 'viewer' } });
    host = createServer((req, res) => {
      if (req.url === '/app.js') res.end('fetch("http://api.example.com/");\n');
      else if (req.url === '/') res.setHeader('content-security-policy', goodPolicy).end('<!doctype html>\n<script src="/app.js"></script>');
      else res.writeHead(500).end();
    }).listen(0, '127.0.0.1');
    await once(host, 'listening');
    hosted = `http://127.0.0.1:${(host.address() as { port: number }).port}`;
  });
  after(async () => {
    host.close();
    await server.close();
  });

  const as = (token: string, method: string, path: string, body?: unknown): Promise<ApiResponse> => call(server.url, method, path, { token, ...(body === undefined ? {} : { body }) });
  const dev = (method: string, path: string, body?: unknown): Promise<ApiResponse> => as(dana.access, method, `/mini-apps/v1/${path}`, body);
  const register = async (more: object = {}): Promise<string> => (await dev('POST', 'register', { name: 'Chess', organization_id: orgId, draft: true, technical: { entry_url: 'https://chess.example', scopes_requested: ['storage:read'] }, ...more })).body.miniapp_id as string;
  const upload = async (id: string, files: Files, more: object = {}): Promise<ApiResponse> => postParts(`${server.url}/mini-apps/v1/${id}/versions`, dana.access, [['metadata', JSON.stringify({ version: '1.1.0', ...more })], ['bundle', await zip(files)]]);
  /** What the worker would do: every check that is queued. */
  const work = async (): Promise<void> => {
    for (const body of await queued<object>(server.database, 'review.checks')) {
      const record = await server.app.jobs['review.checks']!.run({ id: 'x', stream: 'x', kind: 'review.checks', body, attempt: 1, createdAt: 0, unsettledSince: undefined });
      if (record !== undefined) await server.database.inTransaction(record);
    }
  };
  const review = async (id: string): Promise<ApiResponse['body']> => (await dev('GET', `${id}/review`)).body;
  const verdict = (reviewId: string, body: object): Promise<ApiResponse> => as(server.adminToken, 'POST', `/admin/v1/reviews/${reviewId}/verdict`, body);
  const leftBehind = (): string[] => (existsSync(join(directory, 'store')) ? readdirSync(join(directory, 'store'), { recursive: true }).map(String).filter((name) => statSync(join(directory, 'store', name)).isFile()) : []);

  it('look at the bundle that was submitted, say where what is wrong, and hand it on to people', async function () {
    this.timeout(30_000);
    const id = await register({ technical: { entry_url: 'https://chess.example', scopes_requested: ['storage:read', 'wallet:pay'] } });
    expect(outcome(await dev('GET', `${id}/review`))).to.deep.equal([404, 'NOT_FOUND']);
    const lock = JSON.stringify({ packages: { 'node_modules/left-pad': { version: '1.2.9' } } });
    expect((await upload(id, { 'index.html': page('<script src="http://a.example/x.js"></script>'), 'main.js': 'eval(atob("YWxlcnQoMSk="));\n', 'package-lock.json': lock })).status).to.equal(201);
    await dev('POST', `${id}/submit`);
    expect(await review(id)).to.deep.include({ status: 'automated_review_pending', version: '1.1.0', kind: 'submission', queue_position: 1, measured: { decisions: 0 } });
    await work();
    const done = await review(id);
    expect(done).to.deep.include({ status: 'automated_review_complete', checks: { csp_valid: true, https_only: false, no_credentials: true, no_obfuscation: false, dependencies_clean: false, scopes_justified: false }, not_run: {} });
    expect((done.warnings as { type: string; file: string; line: number }[]).map(({ type, file, line }) => `${type} ${file}:${line}`)).to.deep.equal(['INSECURE_RESOURCE index.html:4', 'OBFUSCATED_CODE main.js:1', 'VULNERABLE_DEPENDENCY package-lock.json:1', 'SCOPE_NOT_JUSTIFIED metadata:undefined']);
    expect((await server.database.sql<{ miniapp_id: string; status: string }>('miniapp').where({ miniapp_id: id }).first())!.status).to.equal('under_review');
    expect(Date.parse(done.due_at as string) - Date.parse(done.submitted_at as string), 'ten days for the community').to.equal(240 * hour);
    await work();
    expect((await review(id)).checked_at, 'once').to.equal(done.checked_at);
    await dev('POST', `${id}/withdraw`);
    expect(await review(id)).to.include({ status: 'withdrawn' }).and.not.have.property('queue_position');
  });

  it('look at the page of an app that is hosted, and say when they could not', async function () {
    this.timeout(30_000);
    const [there, away, nowhere] = [await register(), await register(), await register()];
    for (const [id, address] of [[there, `${hosted}/`], [away, `${hosted}/broken`], [nowhere, 'http://10.0.0.1/']] as const) {
      await server.database.sql('miniapp').where({ miniapp_id: id }).update({ entry_point: address });
      await dev('POST', `${id}/submit`);
    }
    await work();
    const found = await review(there);
    expect(found.checks).to.deep.equal({ csp_valid: true, https_only: false, no_credentials: true, no_obfuscation: true, dependencies_clean: 'not_run', scopes_justified: true });
    expect(found.warnings[0]).to.include({ file: 'app.js', line: 1 });
    for (const [id, why] of [[away, /answered 500/], [nowhere, /could not be fetched: http:\/\/10\.0\.0\.1: only https/]] as const) {
      const { checks, not_run: reasons } = await review(id);
      expect([checks.csp_valid, checks.https_only, checks.no_credentials, checks.no_obfuscation]).to.deep.equal(['not_run', 'not_run', 'not_run', 'not_run']);
      expect(reasons.csp_valid).to.match(why);
    }
    for (const id of [there, away, nowhere]) await dev('POST', `${id}/withdraw`);
  });

  it('are decided by checklists, in the order in which they are due; times are measured', async () => {
    const [first, second] = [await register(), await register()];
    await dev('POST', `${first}/submit`);
    server.clock.advance(hour);
    await dev('POST', `${second}/submit`);
    const list = await as(server.adminToken, 'GET', '/admin/v1/reviews');
    expect((list.body.reviews as { miniapp_id: string; queue_position: number }[]).map((one) => [one.miniapp_id, one.queue_position])).to.deep.equal([[first, 1], [second, 2]]);
    expect((await review(second)).queue_position).to.equal(2);
    const [{ review_id: a }, { review_id: b }] = list.body.reviews as [{ review_id: string }, { review_id: string }];
    expect((await verdict(a, { verdict: 'approve' })).body.error.details[0].field).to.equal('checklists.security.permissions_justified');
    expect((await verdict(a, { verdict: 'approve', checklists: { ...allPassed, content: { ...allPassed.content, privacy_policy: 'fail' } } })).body.error.details[0]).to.deep.equal({ field: 'checklists.content.privacy_policy', problem: 'failed: what fails is not approved' });
    expect((await verdict(a, { verdict: 'approve', checklists: { security: { vibes: 'pass' } } })).status).to.equal(400);
    expect((await verdict(b, { verdict: 'reject' })).body.error.details[0].field).to.equal('reason');
    expect((await verdict(a, { verdict: 'approve', checklists: allPassed })).body.status).to.equal('active');
    server.clock.advance(2 * hour);
    expect((await verdict(b, { verdict: 'reject', reason: 'No refund policy', checklists: { business: { refund_policy: 'fail' } } })).body.status).to.equal('rejected');
    expect(await review(second)).to.deep.include({ status: 'rejected', verdict: { reason: 'No refund policy', checklists: { business: { refund_policy: 'fail' } } }, measured: { decisions: 2, median_hours: 1 } });
    expect(outcome(await verdict(a, { verdict: 'reject', reason: 'again' }))).to.deep.equal([409, 'INVALID_STATE_TRANSITION']);
    expect(outcome(await verdict('review_none', { verdict: 'reject', reason: 'x' }))).to.deep.equal([404, 'NOT_FOUND']);
    await dev('POST', `${first}/versions`, { version: '1.1.0' });
    const { review_id: c } = await review(first);
    const race = await Promise.all([verdict(c as string, { verdict: 'reject', reason: 'x' }), verdict(c as string, { verdict: 'approve', checklists: allPassed })]);
    expect(race.map(({ status }) => status).sort()).to.deep.equal([200, 409]);
  });

  describe('can be appealed against', () => {
    let id: string;
    const appeal = (parts: Parameters<typeof postParts>[2]): Promise<ApiResponse> => postParts(`${server.url}/mini-apps/v1/${id}/appeal`, dana.access, parts);
    const reject = async (): Promise<void> => void (await as(server.adminToken, 'POST', `/admin/v1/mini-apps/${id}/reject`, { reason: 'CSP' }));
    before(async () => {
      id = await register();
      await dev('POST', `${id}/submit`);
      await reject();
    });

    it('not with files that are no evidence, too large, too many or not what they are said to be; nothing stays', async () => {
      const before = leftBehind();
      const html = Buffer.from('<script>alert(1)</script>');
      const cases: [Parameters<typeof postParts>[2], number][] = [
        [[['reason', 'r'], ['evidence', html, 'page.html']], 400],
        [[['reason', 'r'], ['evidence', Buffer.from([0x4d, 0x5a, 0, 0]), 'a.exe']], 400],
        [[['reason', 'r'], ['evidence', Buffer.alloc(4096, 65), 'a.txt']], 413],
        [[['reason', 'r'], ['evidence', png, '1.png'], ['evidence', png, '2.png'], ['evidence', png, '3.png']], 400],
        [[['reason', 'r'], ['other', png, '1.png']], 400],
        [[['evidence', png, '1.png']], 400],
      ];
      for (const [parts, status] of cases) expect((await appeal(parts)).status, JSON.stringify(parts.map(([name, , file]) => [name, file]))).to.equal(status);
      expect(leftBehind()).to.deep.equal(before);
      expect((await dev('GET', `${id}/status`)).body.status).to.equal('rejected');
    });

    it('once, with evidence that administrators can see', async () => {
      const { status, body } = await appeal([['reason', 'We have addressed the CSP issues'], ['changes_made', 'Nonces'], ['changes_made', 'No inline handlers'], ['evidence', png, '../../shot".png'], ['evidence', Buffer.from('a log'), 'log.txt']]);
      expect([status, body.status, body.contact_email], JSON.stringify(body)).to.deep.equal([201, 'under_review', 'appeals@example.org']);
      const open = await review(id);
      expect(open).to.include({ kind: 'appeal', due_at: body.estimated_resolution });
      expect(open.appeal).to.deep.include({ appeal_id: body.appeal_id, changes_made: ['Nonces', 'No inline handlers'] });
      const shot = (open.appeal.evidence as { filename: string; media_type: string; evidence_id: string }[]).find((one) => one.media_type === 'image/png')!;
      expect(shot.filename).to.equal('shot_22.png');
      const path = `/admin/v1/reviews/${open.review_id}/evidence/${shot.evidence_id}`;
      const file = await fetch(`${server.url}${path}`, { headers: { authorization: `Bearer ${server.adminToken}` } });
      expect([file.status, file.headers.get('content-type'), file.headers.get('content-security-policy')]).to.deep.equal([200, 'application/octet-stream', "sandbox; default-src 'none'"]);
      expect(Buffer.from(await file.arrayBuffer()).equals(png)).to.equal(true);
      expect(outcome(await as(dana.access, 'GET', path))[0]).to.equal(401);
      // A process that died between the files and the appeal would have left one of these.
      const [job] = (await queued<{ evidenceIds: string[] }>(server.database, 'evidence.forsaken')).filter(({ evidenceIds }) => evidenceIds.includes(shot.evidence_id));
      const forsaken = join(directory, 'store', 'evidence', 'ev', 'evidence_forsaken');
      copyFileSync(join(directory, 'store', 'evidence', 'ev', shot.evidence_id), forsaken);
      await server.app.jobs['evidence.forsaken']!.run({ id: 'x', stream: 'x', kind: 'evidence.forsaken', body: { evidenceIds: [...job!.evidenceIds, 'evidence_forsaken'] }, attempt: 1, createdAt: 0, unsettledSince: undefined });
      expect([existsSync(forsaken), (await fetch(`${server.url}${path}`, { headers: { authorization: `Bearer ${server.adminToken}` } })).status]).to.deep.equal([false, 200]);
      expect(outcome(await dev('POST', `${id}/appeal`, { reason: 'again' }))).to.deep.equal([409, 'INVALID_STATE_TRANSITION']);
      await reject();
      expect((await dev('POST', `${id}/appeal`, { reason: 'again' })).body.error.message).to.equal('The appeal was rejected: mend it and submit it again');
      expect((await dev('POST', `${id}/submit`)).status).to.equal(200);
    });
  });

  it('are for the app’s developers and for administrators', async () => {
    const id = await register();
    await dev('POST', `${id}/submit`);
    const { review_id: reviewId } = await review(id);
    expect((await as(erin.access, 'GET', `/mini-apps/v1/${id}/review`)).status).to.equal(200);
    expect(outcome(await as(frank.access, 'GET', `/mini-apps/v1/${id}/review`))).to.deep.equal([404, 'MINIAPP_NOT_FOUND']);
    expect(outcome(await as(frank.access, 'POST', `/mini-apps/v1/${id}/appeal`, { reason: 'x' }))).to.deep.equal([404, 'MINIAPP_NOT_FOUND']);
    expect(outcome(await as(erin.access, 'POST', `/mini-apps/v1/${id}/appeal`, { reason: 'x' }))).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
    const ofAdministrators: [string, string, unknown?][] = [['GET', '/admin/v1/reviews'], ['POST', `/admin/v1/reviews/${reviewId}/verdict`, { verdict: 'reject', reason: 'x' }], ['GET', `/admin/v1/reviews/${reviewId}/evidence/x`]];
    for (const [method, path, body] of ofAdministrators) expect(outcome(await as(dana.access, method, path, body)), path).to.deep.equal([401, 'INVALID_TOKEN']);
    server.identity.whoami.set('syt_dana', { user_id: '@dana:example.org', device_id: 'A', is_guest: false });
    const active = await register();
    await as(server.adminToken, 'POST', `/admin/v1/mini-apps/${active}/approve`, {});
    await dev('POST', `${active}/submit`);
    await as(server.adminToken, 'POST', `/admin/v1/mini-apps/${active}/approve`, {});
    const miniapp = (await exchange(server.url, 'syt_dana', { client_id: active })).body.access_token as string;
    for (const [method, path, body] of [...ofAdministrators, ['GET', `/mini-apps/v1/${id}/review`], ['POST', `/mini-apps/v1/${id}/appeal`, { reason: 'x' }]] as [string, string, unknown?][]) expect(outcome(await as(miniapp, method, path, body)), path).to.deep.equal([403, 'forbidden_platform_endpoint']);
  });
});
