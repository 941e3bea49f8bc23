import { expect } from 'chai';
import { loadEventSchemas } from '../../../src/http/index.ts';
import { createReleaseKeys } from '../../../src/releases/release-keys.ts';
import { manifestType, openEnvelope, trustedKeys } from '../../../src/releases/statement.ts';
import { verifyRelease, type Holder } from '../../../src/releases/verifier.ts';
import { openKeyRing } from '../../../src/security/key-ring.ts';
import { call, exchange, firstPartyToken, type ApiResponse } from '../../support/api.ts';
import { page, postParts, zip } from '../../support/bundles.ts';
import { onBothDatabases } from '../../support/databases.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { queued, type WholeServer } from '../../support/whole-server.ts';
import { outcome, startPlatform } from '../developers/support.ts';

const checkContent = loadEventSchemas(new URL('../../../schema/events/', import.meta.url));
/** The envelope with another statement in it, and the old signature. */
function altered(signature: string, change: (statement: object) => object): string {
  const envelope = JSON.parse(Buffer.from(signature, 'base64url').toString()) as { payload: string };
  const statement = JSON.parse(Buffer.from(envelope.payload, 'base64').toString()) as object;
  return Buffer.from(JSON.stringify({ ...envelope, payload: Buffer.from(JSON.stringify(change(statement))).toString('base64') })).toString('base64url');
}
const day = 24 * 60 * 60_000;

onBothDatabases('updates', (databases) => {
  let server: WholeServer;
  let alice: string;
  let trusted: Holder['trusted'];
  let v1: Buffer;
  let v2: Buffer;
  let first: string;

  const admin = (method: string, path: string, body?: unknown): Promise<ApiResponse> => call(server.url, method, path, { token: server.adminToken, ...(body === undefined ? {} : { body }) });
  const user = (path: string, body: unknown, token = alice): Promise<ApiResponse> => call(server.url, 'POST', `/api/v1/client/${path}`, { token, body });
  const check = async (id: string, version: string, more: object = {}, token = alice): Promise<ApiResponse['body']> => (await user('check-updates', { installed_apps: [{ miniapp_id: id, current_version: version, ...more }], platform: 'ios' }, token)).body;
  const register = async (id: string, more: object = {}): Promise<void> => {
    expect((await admin('POST', '/mini-apps/v1/register', { miniapp_id: id, name: id, technical: { entry_url: 'https://a.example', webhook_url: 'https://a.example/hook', scopes_requested: ['storage:read'] }, ...more })).status).to.equal(201);
    await admin('POST', `/admin/v1/mini-apps/${id}/approve`, {});
  };
  const release = async (id: string, version: string, bundle: Buffer | undefined, more: object = {}): Promise<void> => {
    const metadata = { version, release_notes: `News of ${version}`, ...more };
    const path = `/mini-apps/v1/${id}/versions`;
    const added = bundle === undefined ? await admin('POST', path, metadata) : await postParts(`${server.url}${path}`, server.adminToken, [['metadata', JSON.stringify(metadata)], ['bundle', bundle]]);
    expect(added.status, JSON.stringify(added.body)).to.equal(201);
    expect((await admin('POST', `/admin/v1/mini-apps/${id}/approve`, {})).status).to.equal(200);
  };
  const holder = (more: Partial<Holder> = {}): Holder => ({ trusted, installedCode: 1, platform: 'ios', now: server.clock.now(), ...more });
  const storeToken = (name: string): Promise<string> => {
    server.identity.whoami.set(`syt_${name}`, { user_id: `@${name}:example.org`, device_id: 'A', is_guest: false });
    return firstPartyToken(server.url, `syt_${name}`, 'tmcp_store');
  };

  before(async () => {
    server = await startPlatform(databases, ['dana'], { TMCP_BUNDLES_DIRECTORY: temporaryDirectory('bundles') });
    alice = await storeToken('alice');
    [v1, v2] = [await zip({ 'index.html': page('<title>one</title>') }), await zip({ 'index.html': page('<title>two</title>'), 'send/index.html': page(), 'app.js': 'export {};\n' })];
    const { body } = await call(server.url, 'POST', '/api/v1/client/bootstrap', { token: 'syt_alice', body: { platform: 'ios' } });
    trusted = trustedKeys(body.release_keys as Parameters<typeof trustedKeys>[0]);
  });
  beforeEach(async () => {
    alice = await storeToken('alice');
  });
  after(() => server.close());

  it('are offered with a signature that a client can trust, and only then', async () => {
    await register('ma_shop');
    expect(await check('ma_shop', '1.0.0')).to.deep.equal({ updates_available: [], revoked: [] });
    await release('ma_shop', '1.1.0', v1);
    const { updates_available: [update] } = (await check('ma_shop', '1.0.0')) as { updates_available: { download: { url: string; signature: string; hash: string; size_bytes: number } }[] };
    expect(update).to.deep.include({ miniapp_id: 'ma_shop', current_version: '1.0.0', new_version: '1.1.0', new_version_code: 2, update_type: 'minor', mandatory: false, release_notes: 'News of 1.1.0' });
    const { url, signature } = update!.download;
    const bytes = Buffer.from(await (await fetch(url)).arrayBuffer());
    const offer = { miniappId: 'ma_shop', signature, bytes };
    expect(verifyRelease(offer, holder())).to.deep.include({ version: '1.1.0', version_code: 2, size_bytes: v1.length, scopes: ['storage:read'] });

    const stranger = createReleaseKeys({ database: server.database, clock: server.clock, keyRing: await openKeyRing({ path: server.keyRingPath, clock: server.clock }) });
    expect((await stranger.list()).map(({ state }) => state)).to.deep.equal(['current']);
    const flipped = Buffer.from(bytes);
    flipped[40]! ^= 1;
    const refusals: [string, () => unknown, RegExp][] = [
      ['one byte changed', () => verifyRelease({ ...offer, bytes: flipped }, holder()), /not the one that was signed/],
      ['one byte more', () => verifyRelease({ ...offer, bytes: Buffer.concat([bytes, Buffer.alloc(1)]) }, holder()), /another size/],
      ['a key that is not trusted', () => verifyRelease(offer, holder({ trusted: new Map() })), /no trusted key/],
      ['the right name of a wrong key', () => verifyRelease(offer, holder({ trusted: new Map([...trusted.keys()].map((id) => [id, trustedKeys([{ key_id: id, jwk: { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' } }]).get(id)!])) })), /no trusted key/],
      ['another statement', () => verifyRelease({ ...offer, signature: altered(signature, (statement) => ({ ...statement, version_code: 99 })) }, holder()), /no trusted key/],
      ['another kind of thing', () => openEnvelope(signature, manifestType, trusted), /another kind/],
      ['no envelope', () => verifyRelease({ ...offer, signature: 'signature_xyz' }, holder()), /no DSSE/],
      ['another app', () => verifyRelease({ ...offer, miniappId: 'ma_bank' }, holder()), /another mini-app/],
      ['when it has expired', () => verifyRelease(offer, holder({ now: server.clock.now() + 31 * day })), /expired/],
      ['long before', () => verifyRelease(offer, holder({ now: server.clock.now() - 2 * day })), /later/],
      ['what is installed already', () => verifyRelease(offer, holder({ installedCode: 2 })), /not newer/],
      ['a downgrade', () => verifyRelease(offer, holder({ installedCode: 9 })), /not newer/],
    ];
    for (const [what, attempt, why] of refusals) expect(attempt, what).to.throw(why).with.property('name', 'Untrusted');
    first = signature;
  });

  it('rise only: names and codes that are known, unknown and newer', async () => {
    const names = async (version: string, more: object = {}): Promise<string[]> => ((await check('ma_shop', version, more)).updates_available as { new_version: string }[]).map((one) => one.new_version);
    expect(await names('1.1.0')).to.deep.equal([]);
    expect(await names('0.9.0')).to.deep.equal(['1.1.0']);
    expect(await names('3.0.0')).to.deep.equal([]);
    expect(await names('nightly')).to.deep.equal(['1.1.0']);
    expect(await names('1.0.0', { current_version_code: 2 })).to.deep.equal([]);
    expect((await user('check-updates', { installed_apps: [{ miniapp_id: 'ma_nothing', current_version: '1' }], platform: 'ios' })).body).to.deep.equal({ updates_available: [], revoked: [] });
    expect((await user('check-updates', { installed_apps: [], platform: 'symbian' })).status).to.equal(400);
  });

  it('reach a share of the users, always the same ones', async () => {
    await register('ma_staged');
    await release('ma_staged', '1.1.0', v1);
    await release('ma_staged', '1.2.0', v2, { rollout_percent: 0 });
    const offered = async (token?: string): Promise<string> => (await check('ma_staged', '1.0.0', {}, token)).updates_available[0].new_version as string;
    expect(await offered()).to.equal('1.1.0');
    const people = await Promise.all(Array.from({ length: 12 }, (_, n) => storeToken(`person${n}`)));
    const share = async (percent: number): Promise<Set<number>> => {
      expect((await admin('POST', '/mini-apps/v1/ma_staged/versions/3/rollout', { percent })).body.rollout_percent).to.equal(percent);
      const versions = await Promise.all(people.map(offered));
      return new Set(versions.flatMap((version, n) => (version === '1.2.0' ? [n] : [])));
    };
    const [none, some, more, all] = [await share(0), await share(40), await share(80), await share(100)];
    expect([none.size, all.size]).to.deep.equal([0, 12]);
    expect(some.isSubsetOf(more)).to.equal(true);
    expect(await share(40)).to.deep.equal(some);
  });

  it('go back by going up, and what was revoked is left at once', async () => {
    await admin('POST', '/mini-apps/v1/ma_staged/versions/2/rollback', { reason: 'slow' });
    expect((await check('ma_staged', '1.2.0')).updates_available[0]).to.include({ new_version: '1.1.0+rollback.4', new_version_code: 4, update_type: 'rollback', mandatory: true });
    await admin('POST', '/mini-apps/v1/ma_staged/versions/4/revoke', { reason: 'worse' });
    expect((await check('ma_staged', '1.1.0+rollback.4')).updates_available[0]).to.include({ new_version_code: 5, mandatory: true });
    await register('ma_alone');
    await release('ma_alone', '2.0.0', v1, { platforms: ['ios'], mandatory: true });
    expect((await check('ma_alone', '1.0.0')).updates_available[0]).to.include({ update_type: 'major', mandatory: true });
    expect((await user('check-updates', { installed_apps: [{ miniapp_id: 'ma_alone', current_version: '1.0.0' }], platform: 'web' })).body.updates_available).to.deep.equal([]);
    await server.database.sql('miniapp_version').where({ miniapp_id: 'ma_alone', version_code: 1 }).update({ state: 'revoked' });
    await admin('POST', '/mini-apps/v1/ma_alone/versions/2/revoke', { reason: 'bad' });
    expect(await check('ma_alone', '2.0.0')).to.deep.equal({ updates_available: [], revoked: [{ miniapp_id: 'ma_alone', version: '2.0.0' }] });
  });

  it('of hosted apps name the address', async () => {
    await register('ma_hosted');
    await release('ma_hosted', '1.0.1', undefined, { changes: { technical: { entry_url: 'https://two.example' } } });
    const [update] = (await check('ma_hosted', '1.0.0')).updates_available as object[];
    expect(update).to.include({ new_version: '1.0.1', update_type: 'patch', entry_point: 'https://two.example' });
    expect(update).not.to.have.property('download');
  });

  it('that were applied are told to the user and the app, once', async () => {
    const applied = (body: object): Promise<ApiResponse> => user('updates/applied', { miniapp_id: 'ma_hosted', ...body });
    expect(outcome(await applied({ version: '1.0.1' })), 'not installed').to.deep.equal([404, 'APP_NOT_FOUND']);
    await call(server.url, 'POST', '/api/v1/store/apps/ma_hosted/install', { token: alice });
    await server.database.sql('installation').where({ miniapp_id: 'ma_hosted' }).update({ version: '1.0.0' });
    expect(outcome(await applied({ version: '9.9.9' }))).to.deep.equal([404, 'NOT_FOUND']);
    const answers = await Promise.all([applied({ version: '1.0.1' }), applied({ version: '1.0.1' })]);
    expect(answers.map(({ body }) => body.recorded as boolean).sort()).to.deep.equal([false, true]);
    expect((await applied({ version: '1.0.0', previous_version: '1.0.1' })).body.recorded, 'another device, behind').to.equal(false);
    const events = (await queued<{ event: { type: string; place: object; content: object } }>(server.database, 'matrix.event')).filter(({ event }) => event.type === 'm.tween.miniapp.updated');
    expect(events).to.have.length(1);
    expect(events[0]!.event.place).to.deep.equal({ noticesOf: '@alice:example.org' });
    expect(events[0]!.event.content).to.include({ miniapp_id: 'ma_hosted', previous_version: '1.0.0', new_version: '1.0.1', update_type: 'patch', sender: '@alice:example.org' });
    expect(checkContent('m.tween.miniapp.updated', { ...events[0]!.event.content, delivery_id: 'd' })).to.deep.equal([]);
    const hooks = (await server.database.sql<{ event: string; payload: string }>('webhook_delivery').where({ event: 'app.updated' })).map(({ payload }) => (JSON.parse(payload) as { data: object }).data);
    expect(hooks).to.have.length(1);
    expect(hooks[0]).to.include({ miniapp_id: 'ma_hosted', user_id: '@alice:example.org', previous_version: '1.0.0', new_version: '1.0.1' });
  });

  it('of official apps: the bootstrap has them in a signed manifest, and no tokens', async () => {
    await release('ma_official_wallet', '1.1.0', v2);
    const bootstrap = () => call(server.url, 'POST', '/api/v1/client/bootstrap', { token: 'syt_alice', body: { client_version: '2.1.0', platform: 'ios', manifest_version: '1.0', device_id: 'device_xyz789' } });
    const { status, body } = await bootstrap();
    expect(status).to.equal(200);
    const wallet = (body.official_apps as { miniapp_id: string; bundle_hash: string; signature: string; credentials: object }[]).find((app) => app.miniapp_id === 'ma_official_wallet')!;
    expect(wallet).to.deep.include({ version: '1.1.0', install_mode: 'mandatory', removable: false, credentials: { client_id: 'ma_official_wallet' } });
    expect(JSON.stringify(body)).not.to.match(/tep\.|privileged/);
    const manifest = openEnvelope(body.manifest as string, manifestType, trusted) as { apps: { miniapp_id: string; hash?: string }[]; release_keys: { key_id: string; state: string }[] };
    expect(manifest.apps.find((app) => app.miniapp_id === 'ma_official_wallet')!.hash).to.equal(wallet.bundle_hash);
    verifyRelease({ miniappId: 'ma_official_wallet', signature: wallet.signature, bytes: v2 }, holder());
    expect((await check('ma_official_wallet', '1.0.0')).updates_available[0].mandatory, 'the app is mandatory').to.equal(true);

    const resolve = (url: string): Promise<ApiResponse> => call(server.url, 'GET', `/api/v1/client/resolve?url=${encodeURIComponent(url)}`, { token: alice });
    expect((await resolve('tween-internal://wallet/send?recipient=@bob:example.org')).body).to.deep.include({ miniapp_id: 'ma_official_wallet', path: 'send', query: 'recipient=@bob:example.org', entry: 'send/index.html' });
    expect((await resolve('tween-internal://ma_official_wallet/app.js')).body.entry).to.equal('app.js');
    expect((await resolve('tween-internal://wallet')).body.entry).to.equal('index.html');
    for (const url of ['tween-internal://wallet/../x', 'tween-internal://wallet/%2e%2e/x', 'tween-internal://', 'https://wallet', 'tween-internal://wallet/%zz']) expect(outcome(await resolve(url)), url).to.deep.equal([400, 'INVALID_REQUEST']);
    expect(outcome(await resolve('tween-internal://ma_shop'))).to.deep.equal([404, 'APP_NOT_FOUND']);

    const keys = createReleaseKeys({ database: server.database, clock: server.clock, keyRing: await openKeyRing({ path: server.keyRingPath, clock: server.clock }) });
    const next = await keys.rotate();
    server.clock.advance(61_000);
    const after = openEnvelope((await bootstrap()).body.manifest as string, manifestType, trusted) as typeof manifest;
    expect(after.release_keys.map(({ state }) => state), 'the old key vouches for the new one').to.deep.equal(['retired', 'current']);
    const offer = { miniappId: 'ma_official_wallet', signature: (await check('ma_official_wallet', '1.0.0')).updates_available[0].download.signature as string, bytes: v2 };
    expect(() => verifyRelease(offer, holder())).to.throw('no trusted key');
    verifyRelease(offer, holder({ trusted: trustedKeys(after.release_keys as never) }));
    expect(after.release_keys.at(-1)!.key_id).to.equal(next);
  });

  it('are for the store’s own token, the bootstrap for the user’s Matrix token', async () => {
    const miniapp = (await exchange(server.url, 'syt_alice', { client_id: 'ma_shop' })).body.access_token as string;
    const empty = { installed_apps: [], platform: 'ios' };
    for (const [path, body] of [['check-updates', empty], ['updates/applied', { miniapp_id: 'ma_shop', version: '1.1.0' }]] as const) {
      expect(outcome(await user(path, body, miniapp)), path).to.deep.equal([403, 'INSUFFICIENT_PERMISSIONS']);
      expect(outcome(await user(path, body, 'syt_alice')), path).to.deep.equal([401, 'INVALID_TOKEN']);
    }
    expect(outcome(await user('bootstrap', { platform: 'ios' }, alice))).to.deep.equal([401, 'INVALID_TOKEN']);
    expect((await user('bootstrap', { platform: 'ios' }, 'syt_nobody')).status).to.equal(401);
    await storeToken('alice');
    expect(outcome(await user('check-updates', empty)), 'the session was replaced').to.deep.equal([401, 'INVALID_TOKEN']);
  });

  it('are signed anew every day, so that a signature which nobody renews runs out', async () => {
    server.clock.advance(20 * day);
    alice = await storeToken('alice');
    const signature = (await check('ma_shop', '1.0.0')).updates_available[0].download.signature as string;
    expect(signature).not.to.equal(first);
    const keys = createReleaseKeys({ database: server.database, clock: server.clock, keyRing: await openKeyRing({ path: server.keyRingPath, clock: server.clock }) });
    verifyRelease({ miniappId: 'ma_shop', signature, bytes: v1 }, holder({ trusted: trustedKeys(await keys.list()), now: server.clock.now() + 28 * day }));
  });
});
