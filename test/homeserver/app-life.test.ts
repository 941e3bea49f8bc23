import { expect } from 'chai';
import { text } from 'node:stream/consumers';
import { Webhook } from 'standardwebhooks';
import { openDatabase, type Database } from '../../src/database/index.ts';
import { loadEventSchemas } from '../../src/http/index.ts';
import { checklists } from '../../src/reviews/checklists.ts';
import { trustedKeys } from '../../src/releases/statement.ts';
import { verifyRelease } from '../../src/releases/verifier.ts';
import { call, firstPartyToken, type ApiResponse } from '../support/api.ts';
import { page, postParts, zip } from '../support/bundles.ts';
import { ReceivedLog } from '../support/event-log.ts';
import { eventually } from '../support/eventually.ts';
import { startServer, type TestServer } from '../support/http-server.ts';
import type { MatrixUser, ReceivedEvent } from '../support/matrix-user.ts';
import { startNeighbourhood, type Neighbourhood } from '../support/neighbourhood.ts';
import { tmcpPrints } from '../support/tmcp.ts';

interface Hook {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

const checkContent = loadEventSchemas(new URL('../../schema/events/', import.meta.url));
const passed = Object.fromEntries(Object.entries(checklists).map(([list, items]) => [list, Object.fromEntries(items.map((item) => [item, 'pass']))]));

describe('the whole life of a mini-app on a real homeserver', function () {
  this.timeout(60_000);
  let town: Neighbourhood;
  let database: Database;
  let merchant: TestServer;
  let dana: MatrixUser;
  let bob: MatrixUser;
  let catalogue: string;
  let developer: string;
  let admin: string;
  let store: string;
  let id: string;
  let secret: string;
  const hooks = new ReceivedLog<Hook>(({ event, data }) => `${event} ${JSON.stringify(data.status ?? data.state ?? '')}`);

  before(async function () {
    merchant = await startServer((req, res) => {
      void text(req).then((body) => {
        hooks.add(new Webhook(secret).verify(body, req.headers as Record<string, string>) as Hook);
        res.end();
      });
    });
    town = await startNeighbourhood(this, { env: { TMCP_ANALYTICS_MIN_PEOPLE: '1' } });
    [dana, bob] = await Promise.all([town.person('dana'), town.person('bob')]);
    catalogue = await eventually(() => bob.join('#_tmcp_store:hs.test'), { description: 'the catalogue room is open' });
    admin = (await tmcpPrints(['admin', 'token', '--name', 'root'], { env: town.server.env })).trim();
    database = openDatabase({ url: town.server.env.TMCP_DATABASE_URL!, poolSize: 1, busyTimeoutMs: 5000, lockTimeoutMs: 5000 });
    store = await firstPartyToken(town.server.url, bob.accessToken, 'tmcp_store');
  });
  after(async () => {
    await database?.close();
    await town?.close();
    await merchant?.close();
  });

  const as = (token: string, method: string, path: string, body?: unknown): Promise<ApiResponse> => call(town.server.url, method, path, { token, ...(body === undefined ? {} : { body }) });
  const dev = (method: string, path: string, body?: unknown): Promise<ApiResponse> => as(developer, method, `/mini-apps/v1/${path}`, body);
  const inCatalogue = async (status: string, version: string): Promise<void> => {
    const state = await bob.waitForEvent((event) => event.roomId === catalogue && event.type === 'm.tween.miniapp.app' && event.stateKey === id && event.content.status === status && event.content.version === version, { description: `${status} ${version} in the catalogue` });
    expect(state.sender).to.equal('@_tmcp:hs.test');
    expect(checkContent(state.type, state.content)).to.deep.equal([]);
  };
  const hooked = (event: string, data: object): Promise<Hook> => hooks.waitFor((hook) => hook.event === event && Object.entries(data).every(([key, value]) => hook.data[key] === value), { description: `webhook ${event} ${JSON.stringify(data)}` });
  /** The answer, the room's state and the webhook of one step. */
  const stepped = async ({ status, body }: ApiResponse, to: string, wire = to, version = '1.1.0'): Promise<void> => {
    expect([status, body.status], JSON.stringify(body)).to.deep.equal([200, wire]);
    await Promise.all([inCatalogue(to, version), hooked('app.status_changed', { status: to })]);
  };
  /** What Bob's notice room says of the app. */
  const noticed = async (type: string, content: object): Promise<void> => {
    const event: ReceivedEvent = await bob.waitForEvent((one) => one.type === type && one.content.miniapp_id === id, { description: `${type} in the notice room` });
    expect(event.content).to.include({ ...content, sender: bob.userId });
    expect(event.sender).to.equal('@_tmcp:hs.test');
    expect(checkContent(event.type, event.content)).to.deep.equal([]);
  };
  const openReview = async (): Promise<string> => {
    const report = await eventually(async () => {
      const { body } = await dev('GET', `${id}/review`);
      expect(body.status).to.equal('automated_review_complete');
      return body as { review_id: string; checks: object };
    }, { description: 'the automated checks', timeoutMs: 30_000 });
    expect(report.checks).to.deep.equal({ csp_valid: true, https_only: true, no_credentials: true, no_obfuscation: true, dependencies_clean: 'not_run', scopes_justified: true });
    return report.review_id;
  };

  const signIn = (): Promise<Response> =>
    fetch(`${town.server.url}/oauth2/developer/token`, { method: 'POST', body: new URLSearchParams({ client_id: 'tmcp_developer_console_001', grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange', subject_token: dana.accessToken, subject_token_type: 'urn:ietf:params:oauth:token-type:access_token' }) });

  it('begins with somebody who becomes a developer, signs in and registers', async () => {
    const early = await signIn();
    expect([early.status, ((await early.json()) as { error: string }).error]).to.deep.equal([403, 'developer_not_whitelisted']);
    const listed = await as(admin, 'POST', '/admin/developers/whitelist', { matrix_user_id: '@dana:hs.test', reason: 'Plays chess' });
    expect([listed.status, listed.body.developer_id], JSON.stringify(listed.body)).to.deep.equal([201, '@dana:hs.test']);
    const signedIn = await signIn();
    expect(signedIn.status).to.equal(200);
    developer = ((await signedIn.json()) as { access_token: string }).access_token;
    const { status, body } = await dev('POST', 'register', { name: 'Chess', draft: true, technical: { entry_url: 'https://chess.example', webhook_url: 'https://chess.example/hook', scopes_requested: ['storage:read'] } });
    expect([status, body.status]).to.deep.equal([201, 'draft']);
    id = body.miniapp_id as string;
    secret = body.credentials.webhook_secret as string;
    // Only https is taken at the door; the test's own server listens on loopback.
    await database.sql('miniapp').where({ miniapp_id: id }).update({ webhook_url: merchant.url });
  });

  it('goes through review to the store', async () => {
    const added = await postParts(`${town.server.url}/mini-apps/v1/${id}/versions`, developer, [['metadata', JSON.stringify({ version: '1.1.0' })], ['bundle', await zip({ 'index.html': page() })]]);
    expect([added.status, added.body.state]).to.deep.equal([201, 'draft']);
    await stepped(await dev('POST', `${id}/submit`), 'submitted', 'pending_review', '1.0.0');
    const reviewId = await openReview();
    await Promise.all([inCatalogue('under_review', '1.0.0'), hooked('app.status_changed', { status: 'under_review' })]);
    await stepped(await as(admin, 'POST', `/admin/v1/reviews/${reviewId}/verdict`, { verdict: 'reject', reason: 'No privacy policy' }), 'rejected', 'rejected', '1.0.0');
    const notices = await dana.waitForInvite((invite) => invite.sender === '@_tmcp:hs.test');
    await dana.join(notices.roomId);
    await dana.waitForEvent((event) => event.type === 'm.room.message' && String(event.content.body).includes('rejected: No privacy policy'), { description: 'the notice to the developer' });
    const appealed = await postParts(`${town.server.url}/mini-apps/v1/${id}/appeal`, developer, [['reason', 'There is one now'], ['evidence', Buffer.from('https://chess.example/privacy'), 'privacy.txt']]);
    expect([appealed.status, appealed.body.status], JSON.stringify(appealed.body)).to.deep.equal([201, 'under_review']);
    const again = await openReview();
    expect(again).not.to.equal(reviewId);
    await stepped(await as(admin, 'POST', `/admin/v1/reviews/${again}/verdict`, { verdict: 'approve', checklists: passed, hold: true }), 'approved', 'approved', '1.0.0');
    await stepped(await dev('POST', `${id}/publish`), 'active');
  });

  it('is installed, updated with a signature that verifies, and used', async () => {
    const installed = await as(store, 'POST', `/api/v1/store/apps/${id}/install`);
    expect([installed.status, installed.body.status]).to.deep.equal([200, 'installing']);
    const notices = await bob.waitForInvite((invite) => invite.sender === '@_tmcp:hs.test');
    await bob.join(notices.roomId);
    await noticed('m.tween.miniapp.installed', { version: '1.1.0', install_id: installed.body.install_id as string });
    await hooked('app.installed', { user_id: bob.userId, install_id: installed.body.install_id as string, version: '1.1.0' });
    const launched = await as(store, 'POST', `/api/v1/store/apps/${id}/launch`, { launch_source: 'store' });
    expect([launched.status, launched.body.version]).to.deep.equal([201, '1.1.0']);
    expect((await as(store, 'PUT', `/api/v1/store/apps/${id}/rating`, { rating: 4 })).body.rating).to.deep.equal({ average: 4, count: 1 });
    const bundle = await zip({ 'index.html': page('<title>two</title>') });
    const added = await postParts(`${town.server.url}/mini-apps/v1/${id}/versions`, developer, [['metadata', JSON.stringify({ version: '1.2.0', release_notes: 'Better' })], ['bundle', bundle]]);
    expect([added.status, added.body.state]).to.deep.equal([201, 'submitted']);
    await hooked('app.version_changed', { state: 'submitted', version: '1.2.0' });
    expect((await as(admin, 'POST', `/admin/v1/reviews/${await openReview()}/verdict`, { verdict: 'approve', checklists: passed })).body.status).to.equal('active');
    await Promise.all([inCatalogue('active', '1.2.0'), hooked('app.version_changed', { state: 'released', version: '1.2.0' })]);
    const { release_keys: keys } = (await as(bob.accessToken, 'POST', '/api/v1/client/bootstrap', { platform: 'web' })).body as { release_keys: Parameters<typeof trustedKeys>[0] };
    const [update] = (await as(store, 'POST', '/api/v1/client/check-updates', { installed_apps: [{ miniapp_id: id, current_version: '1.1.0' }], platform: 'web' })).body.updates_available as { download: { url: string; signature: string } }[];
    const bytes = Buffer.from(await (await fetch(update!.download.url)).arrayBuffer());
    expect(bytes.equals(bundle)).to.equal(true);
    expect(verifyRelease({ miniappId: id, signature: update!.download.signature, bytes }, { trusted: trustedKeys(keys), installedCode: 2, platform: 'web', now: Date.now() }).version).to.equal('1.2.0');
    expect((await as(store, 'POST', '/api/v1/client/updates/applied', { miniapp_id: id, version: '1.2.0' })).body.recorded).to.equal(true);
    await noticed('m.tween.miniapp.updated', { previous_version: '1.1.0', new_version: '1.2.0' });
    await hooked('app.updated', { user_id: bob.userId, new_version: '1.2.0' });
    const analytics = await dev('GET', `${id}/analytics?days=1`);
    expect([analytics.status, analytics.body.current], JSON.stringify(analytics.body)).to.deep.equal([200, { installed_users: 1, active_users_7d: 1, active_users_30d: 1, rating: { average: 4, count: 1 }, versions: [{ version: '1.2.0', users: 1 }] }]);
  });

  it('is removed by its user, suspended, reinstated, and ends', async () => {
    expect((await as(store, 'DELETE', `/api/v1/store/apps/${id}/install`)).body.status).to.equal('uninstalled');
    await noticed('m.tween.miniapp.uninstalled', { reason: 'user_initiated' });
    await hooked('app.uninstalled', { user_id: bob.userId, reason: 'user_initiated' });
    await stepped(await as(admin, 'POST', `/admin/v1/mini-apps/${id}/suspend`, { reason: 'Complaints' }), 'suspended', 'suspended', '1.2.0');
    expect((await as(store, 'GET', `/api/v1/store/apps/${id}`)).status).to.equal(404);
    await stepped(await as(admin, 'POST', `/admin/v1/mini-apps/${id}/reinstate`, {}), 'active', 'active', '1.2.0');
    await stepped(await dev('POST', `${id}/retire`, { reason: 'Enough chess' }), 'retired', 'retired', '1.2.0');
    expect((await dev('POST', `${id}/publish`)).body.error.message).to.equal('Cannot publish while retired');
    const way = bob.received.filter((event) => event.roomId === catalogue && event.type === 'm.tween.miniapp.app' && event.stateKey === id).map(({ content }) => content.status);
    expect(way).to.deep.equal(['submitted', 'under_review', 'rejected', 'under_review', 'approved', 'active', 'active', 'suspended', 'active', 'retired']);
  });
});
