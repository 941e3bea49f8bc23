import { existsSync, mkdirSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import type { Recording } from '../../../src/jobs/index.ts';
import { call, type ApiResponse } from '../../support/api.ts';
import { forge, page, postParts, sha256, zip } from '../../support/bundles.ts';
import { onBothDatabases } from '../../support/databases.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { startWholeServer, type WholeServer } from '../../support/whole-server.ts';
import { signIn, startPlatform } from '../developers/support.ts';

const limits = { maxBytes: 256 * 1024, maxUnpacked: 512 * 1024, maxFiles: 50 };
const png = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64');

onBothDatabases('bundles', (databases) => {
  let server: WholeServer;
  let directory: string;
  let token: string;
  let id: string;
  let minor = 0;
  before(async () => {
    directory = temporaryDirectory('bundles');
    server = await startPlatform(databases, ['dana'], { TMCP_BUNDLES_DIRECTORY: directory, TMCP_BUNDLES_MAX_BYTES: String(limits.maxBytes), TMCP_BUNDLES_MAX_UNPACKED_BYTES: String(limits.maxUnpacked), TMCP_BUNDLES_MAX_FILES: String(limits.maxFiles) });
    token = (await signIn(server, 'dana')).access;
    id = (await call(server.url, 'POST', '/mini-apps/v1/register', { token, body: { name: 'Chess', technical: { entry_url: 'https://chess.example' } } })).body.miniapp_id as string;
    await call(server.url, 'POST', `/admin/v1/mini-apps/${id}/approve`, { token: server.adminToken, body: {} });
  });
  after(() => server.close());

  const metadata = (more: object = {}): string => JSON.stringify({ version: `1.${(minor += 1)}.0`, draft: true, ...more });
  const upload = (bundle: Buffer, more: object = {}): Promise<ApiResponse> => postParts(`${server.url}/mini-apps/v1/${id}/versions`, token, [['metadata', metadata(more)], ['bundle', bundle, 'app.zip']]);
  const leftBehind = (): string[] => (existsSync(directory) ? readdirSync(directory, { recursive: true }).map(String).filter((name) => statSync(join(directory, name)).isFile()) : []);
  const get = (hash: string, headers: Record<string, string> = {}, method = 'GET') => fetch(`${server.url}/bundles/${hash}`, { headers, method });

  it('are stored under their hash and served to anyone, never to be run here', async () => {
    const bundle = await zip({ 'index.html': page(), 'js/main.js': 'export {};\n', 'icon.png': png, LICENSE: 'Apache-2.0' });
    const hash = sha256(bundle);
    const { status, body } = await upload(bundle, { sha256: hash });
    expect([status, body.hash], JSON.stringify(body)).to.deep.equal([201, `sha256:${hash}`]);
    const response = await get(hash);
    expect(response.status).to.equal(200);
    expect(Buffer.from(await response.arrayBuffer()).equals(bundle)).to.equal(true);
    expect(Object.fromEntries(['etag', 'cache-control', 'content-type', 'content-disposition', 'content-security-policy', 'x-content-type-options', 'content-length', 'accept-ranges', 'access-control-allow-origin'].map((name) => [name, response.headers.get(name)]))).to.deep.equal({
      etag: `"${hash}"`,
      'cache-control': 'public, max-age=31536000, immutable',
      'content-type': 'application/octet-stream',
      'content-disposition': `attachment; filename="${hash}.bundle"`,
      'content-security-policy': "sandbox; default-src 'none'",
      'x-content-type-options': 'nosniff',
      'content-length': String(bundle.length),
      'accept-ranges': 'bytes',
      'access-control-allow-origin': '*',
    });
    expect((await get(hash, { 'if-none-match': `"x", "${hash}"` })).status).to.equal(304);
    const head = await get(hash, {}, 'HEAD');
    expect([head.status, head.headers.get('content-length')]).to.deep.equal([200, String(bundle.length)]);
    const part = async (range: string, more: Record<string, string> = {}): Promise<[number, string | null, string]> => {
      const answer = await get(hash, { range, ...more });
      return [answer.status, answer.headers.get('content-range'), Buffer.from(await answer.arrayBuffer()).toString('latin1')];
    };
    const text = bundle.toString('latin1');
    const size = bundle.length;
    expect(await part('bytes=0-3')).to.deep.equal([206, `bytes 0-3/${size}`, text.slice(0, 4)]);
    expect(await part('bytes=10-')).to.deep.equal([206, `bytes 10-${size - 1}/${size}`, text.slice(10)]);
    expect(await part('bytes=-5')).to.deep.equal([206, `bytes ${size - 5}-${size - 1}/${size}`, text.slice(-5)]);
    expect((await part(`bytes=${size}-`))[0]).to.equal(416);
    expect(await part('bytes=0-3', { 'if-range': '"another"' })).to.deep.equal([200, null, text]);
    expect(await part('bytes=0-1,3-4')).to.deep.equal([200, null, text]);
    expect(leftBehind()).to.deep.equal([join('bundles', hash.slice(0, 2), hash)]);
    expect((await get('0'.repeat(64))).status).to.equal(404);
    expect((await get('ZZ')).status).to.equal(400);
  });

  it('that a process which died had not finished are gone after the next start; others are at work in the same directory', async () => {
    const incoming = join(directory, 'incoming');
    mkdirSync(incoming, { recursive: true });
    const [old, young] = [join(incoming, 'upload_old'), join(incoming, 'upload_young')];
    for (const file of [old, young]) writeFileSync(file, 'half');
    const longAgo = (server.clock.now() - 61 * 60_000) / 1000;
    utimesSync(old, longAgo, longAgo);
    const next = await startWholeServer(databases, { TMCP_BUNDLES_DIRECTORY: directory, TMCP_DEVELOPERS_WHITELIST: '@dana:example.org' }, {}, server.shared);
    await next.close();
    expect([existsSync(old), existsSync(young)]).to.deep.equal([false, true]);
    rmSync(young);
  });

  it('are stored once for all who have the same bytes, and not served once every version of them was revoked', async () => {
    const bundle = await zip({ 'index.html': page('<title>twice</title>') });
    expect((await upload(bundle)).status).to.equal(201);
    await upload(bundle, { draft: false });
    await call(server.url, 'POST', `/admin/v1/mini-apps/${id}/approve`, { token: server.adminToken, body: {} });
    const { body } = await call(server.url, 'GET', `/mini-apps/v1/${id}/versions`, { token });
    const [newest, before] = body.versions as { version_code: number; state: string; hash: string }[];
    expect([newest!.state, before!.state, newest!.hash]).to.deep.equal(['released', 'withdrawn', before!.hash]);
    await server.database.sql('miniapp_version').where({ version_code: before!.version_code }).update({ state: 'revoked' });
    expect((await get(sha256(bundle))).status).to.equal(200);
    await call(server.url, 'POST', `/mini-apps/v1/${id}/versions/${newest!.version_code}/revoke`, { token, body: { reason: 'bad' } });
    expect((await get(sha256(bundle))).status).to.equal(404);
  });

  describe('are refused, with nothing left behind:', () => {
    const index = { 'index.html': page() };
    const cases: [string, () => Promise<Buffer>, RegExp][] = [
      ['no archive at all', () => Promise.resolve(Buffer.from('<html>')), /is not a ZIP archive/],
      ['a page in front of an archive', async () => Buffer.concat([Buffer.from('<html>'), await zip(index)]), /is not a ZIP archive/],
      ['an archive that is cut off', async () => (await zip(index)).subarray(0, -30), /well-formed/],
      ['a comment that hides something', () => zip(index, { comment: '<script>' }), /comment/],
      ['no index.html', () => zip({ 'main.js': '1' }), /index\.html/],
      ['a path that leads outside', async () => forge(await zip({ ...index, 'aa/evil.html': 'x' }), 'aa/evil.html', '../evil.html'.slice(0, 12)), /leads outside/],
      ['an absolute path', async () => forge(await zip({ ...index, 'aevil.html': 'x' }), 'aevil.html', '/evil.html'), /leads outside/],
      ['a path of Windows', async () => forge(await zip({ ...index, 'aa/evil.html': 'x' }), 'aa/evil.html', 'aa\\evil.html'), /leads outside/],
      ['a drive of Windows', async () => forge(await zip({ ...index, 'cc/evil.html': 'x' }), 'cc/evil.html', 'c:/evil.html'), /leads outside|hold/],
      ['a symbolic link', () => zip({ ...index, link: '/etc/passwd' }, { mode: { link: 0o120777 } }), /link/],
      ['a device', () => zip({ ...index, zero: '' }, { mode: { zero: 0o020666 } }), /link or a device/],
      ['the same name twice', async () => forge(await zip({ ...index, 'a.js': '1', 'b.js': '2' }), 'b.js', 'a.js'), /twice/],
      ['names that only their case tells apart', () => zip({ ...index, 'a.js': '1', 'A.js': '2' }), /twice/],
      ['too many files', () => zip({ ...index, ...Object.fromEntries(Array.from({ length: limits.maxFiles }, (_, n) => [`f${n}.txt`, ''])) }), /more than 50 files/],
      ['more bytes than may unpack', () => zip({ ...index, 'zeros.txt': Buffer.alloc(limits.maxUnpacked) }), /unpacks to more/],
      ['a size that is a lie', async () => {
        const real = Buffer.alloc(4);
        real.writeUInt32LE(300_000);
        return forge(await zip({ ...index, 'zeros.txt': Buffer.alloc(300_000, 32) }), real, Buffer.from([1, 0, 0, 0]));
      }, /does not unpack/],
      ['a picture that is a page', () => zip({ ...index, 'a.png': '<script>alert(1)</script>' }), /a\.png.*is not what its name says/],
      ['a picture of another kind', () => zip({ ...index, 'a.jpg': png }), /image\/png/],
      ['a script that is a program', () => zip({ ...index, 'a.js': Buffer.concat([Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]), randomBytes(60)]) }), /a\.js.*is not text/],
      ['a page that is an archive', async () => zip({ ...index, 'a.html': await zip(index) }), /application\/zip/],
      ['a program', () => zip({ ...index, 'a.exe': 'MZ' }), /no place in a bundle/],
    ];
    for (const [what, make, problem] of cases) {
      it(what, async () => {
        const before = leftBehind();
        const rows = await server.database.sql('bundle').pluck('sha256');
        const { status, body } = await upload(await make());
        expect([status, body.error.code], JSON.stringify(body)).to.deep.equal([400, 'INVALID_REQUEST']);
        expect(body.error.details[0]).to.include({ field: 'bundle' });
        expect(body.error.details[0].problem).to.match(problem);
        expect(leftBehind()).to.deep.equal(before);
        expect(await server.database.sql('bundle').pluck('sha256')).to.have.members(rows);
      });
    }

    // One that really has them: test/faults/greedy.test.ts.
    it('a million files, by what the archive claims', async () => {
      const archive = await zip(index);
      const end = archive.length - 22;
      archive.writeUInt16LE(60_000, end + 8);
      archive.writeUInt16LE(60_000, end + 10);
      const before = leftBehind();
      expect((await upload(archive)).body.error.details[0].problem).to.equal('has more than 50 files');
      expect(leftBehind()).to.deep.equal(before);
    });

    it('more bytes than may come, a wrong hash, a version that is there, parts that nobody asked for', async () => {
      const before = leftBehind();
      const bundle = await zip({ ...index, 'new.txt': 'new' });
      const large = await upload(randomBytes(limits.maxBytes + 1));
      expect([large.status, large.body.error.code]).to.deep.equal([413, 'PAYLOAD_TOO_LARGE']);
      expect((await upload(bundle, { sha256: '0'.repeat(64) })).body.error.details[0]).to.deep.equal({ field: 'sha256', problem: `is not the bundle's: that is ${sha256(bundle)}` });
      expect((await upload(bundle, { version: '1.0.0' })).status).to.equal(400);
      expect((await upload(bundle, { version: 'one' })).body.error.details[0].field).to.equal('version');
      expect((await upload(bundle, { colour: 'red' })).body.error.details[0]).to.deep.equal({ field: 'colour', problem: 'is not a known field' });
      const path = `${server.url}/mini-apps/v1/${id}/versions`;
      expect((await postParts(path, token, [['metadata', metadata()]])).body.error.details[0]).to.deep.equal({ field: 'bundle', problem: 'is required' });
      expect((await postParts(path, token, [['metadata', '{'], ['bundle', bundle]])).body.error.details[0].field).to.equal('metadata');
      expect((await postParts(path, token, [['metadata', metadata()], ['other', bundle]])).body.error.details[0].field).to.equal('other');
      expect((await postParts(path, token, [['metadata', metadata()], ['bundle', bundle], ['bundle', bundle]])).status).to.equal(400);
      const cut = await fetch(path, { method: 'POST', headers: { authorization: `Bearer ${token}`, 'content-type': 'multipart/form-data; boundary=b' }, body: '--b\r\ncontent-disposition: form-data; name="bundle"; filename="x"\r\n\r\nabc' });
      expect(cut.status).to.equal(400);
      expect((await fetch(path, { method: 'POST', headers: { authorization: `Bearer ${token}`, 'content-type': 'multipart/form-data' }, body: 'x' })).status).to.equal(400);
      const status = await fetch(`${server.url}/mini-apps/v1/${id}/submit`, { method: 'POST', headers: { authorization: `Bearer ${token}`, 'content-type': 'multipart/form-data; boundary=b' }, body: '--b--' });
      expect(status.status, 'elsewhere no parts are taken').to.equal(415);
      expect(leftBehind()).to.deep.equal(before);
    });
  });

  it('that were stored for a version which never came are tidied away', async () => {
    const hash = 'ab'.repeat(32);
    await server.database.sql('bundle').insert({ sha256: hash, state: 'pending', size_bytes: 1, files: '[]', touched_at: server.clock.now() });
    const tidy = async (): Promise<unknown> => {
      const record = await server.app.jobs['maintenance']!.run({ id: 'x', stream: 'x', kind: 'maintenance', body: {}, attempt: 1, createdAt: 0, unsettledSince: undefined });
      if (record !== undefined) await server.database.inTransaction(record);
      return (await server.database.sql<{ sha256: string; state: string }>('bundle').where({ sha256: hash }).first())?.state;
    };
    expect(await tidy()).to.equal('pending');
    server.clock.advance(61 * 60_000);
    expect(await tidy()).to.equal('removing');
    const removal = server.app.jobs['bundle.removal']!;
    const record = await removal.run({ id: 'y', stream: 'y', kind: 'bundle.removal', body: { sha256: hash }, attempt: 1, createdAt: 0, unsettledSince: undefined });
    await server.database.inTransaction(record as Recording);
    expect(await server.database.sql('bundle').where({ sha256: hash })).to.deep.equal([]);
  });
});
