import { copyFileSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { call } from '../support/api.ts';
import { eventually } from '../support/eventually.ts';
import { prepareServer, type ServerProcess } from '../support/server-process.ts';
import { startStorageProcess, store, type StorageProcess } from '../support/storage-process.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { tmcp, tmcpJson, tmcpPrints } from '../support/tmcp.ts';

interface SigningKey {
  kid: string;
  state: 'next' | 'current' | 'retired';
  created_at: string;
  current_since: string | null;
  expires_at: string | null;
}
interface Keys {
  signing: SigningKey[];
  key_ring: { id: string; state: string }[];
}

describe('tmcp keys', function () {
  this.timeout(60_000);
  let server: ServerProcess;
  let ring: string;
  before(async () => {
    server = await prepareServer();
    await server.start();
    ring = join(server.directory, 'data/key-ring.json');
  });
  after(() => server?.stop());

  const list = async (): Promise<Keys> => (await tmcpJson(['keys', 'list', '--json'], { env: server.env })) as Keys;
  const rotate = async (): Promise<string> => (await tmcpPrints(['keys', 'rotate'], { env: server.env })).trimEnd();
  const inState = ({ signing }: Keys, state: string): string[] => signing.filter((key) => key.state === state).map(({ kid }) => kid);

  const published = async (): Promise<string[]> => {
    const { keys } = (await (await fetch(`${server.url}/.well-known/jwks.json`)).json()) as { keys: { kid: string }[] };
    return keys.map(({ kid }) => kid);
  };

  it('lists the signing keys that the server publishes, also after a rotation', async () => {
    const before = await list();
    expect(before.signing.map(({ state }) => state)).to.have.members(['current', 'next']);
    expect(await published()).to.have.members(before.signing.map(({ kid }) => kid));

    await rotate();
    await server.stop();
    await server.start();

    const after = await list();
    expect(after.signing.map(({ state }) => state)).to.have.members(['retired', 'current', 'next']);
    expect(await published()).to.have.members(after.signing.map(({ kid }) => kid));
  });

  it('makes the keys that sign releases, and shows their public halves', async () => {
    const release = async () => ((await tmcpJson(['keys', 'list', '--json'], { env: server.env })) as { release: { key_id: string; state: string; jwk: { crv: string; d?: string } }[] }).release;
    const made = [(await tmcpPrints(['keys', 'rotate', '--release'], { env: server.env })).trimEnd(), (await tmcpPrints(['keys', 'rotate', '--release'], { env: server.env })).trimEnd()];
    const listed = await release();
    expect(listed.map(({ key_id: id, state }) => `${id} ${state}`)).to.have.members([`${made[0]} retired`, `${made[1]} current`]);
    for (const { jwk } of listed) expect([jwk.crv, jwk.d]).to.deep.equal(['Ed25519', undefined]);
  });

  it('makes the next signing key the current one, and lets the old one verify for as long as tokens live', async () => {
    const before = await list();
    const [current] = inState(before, 'current');
    const [next] = inState(before, 'next');

    expect(await rotate()).to.equal(next);

    const after = await list();
    expect(inState(after, 'current')).to.deep.equal([next]);
    expect(inState(after, 'next')).to.have.length(1).and.not.to.include(next);
    const retired = after.signing.find(({ kid }) => kid === current);
    expect(retired?.state).to.equal('retired');
    const since = after.signing.find(({ kid }) => kid === next)?.current_since;
    expect(Date.parse(retired?.expires_at ?? '') - Date.parse(since ?? '')).to.be.at.least(24 * 60 * 60_000);
  });

  it('adds a key to the key ring, which seals from then on; the old one stays', async () => {
    const before = await list();
    expect(before.key_ring.map(({ state }) => state)).to.deep.equal(['seals']);

    const added = (await tmcpPrints(['keys', 'add'], { env: server.env })).trimEnd();

    const after = await list();
    expect(after.key_ring.map(({ id, state }) => [id, state])).to.deep.equal([
      [before.key_ring[0]?.id, 'opens'],
      [added, 'seals'],
    ]);
    expect(statSync(ring).mode & 0o777).to.equal(0o600);
    // What the first one sealed can still be opened: the current signing key.
    const [next] = inState(after, 'next');
    expect(await rotate()).to.equal(next);
  });

  it('shows nothing that is secret', async () => {
    const { stdout, stderr } = await tmcp(['keys', 'list'], { env: server.env });
    expect(stdout).to.match(/^USE +KEY +STATE +CREATED +VERIFIES UNTIL\nsigning +tmcp-/).and.to.match(/^key ring +key_\w+ +seals/m);
    const { keys } = JSON.parse(readFileSync(ring, 'utf8')) as { keys: { secret: string }[] };
    const { stdout: json } = await tmcp(['keys', 'list', '--json'], { env: server.env });
    for (const { secret } of keys) expect(stdout + stderr + json).not.to.contain(secret);
    expect(json).not.to.contain('sealed');
  });

  it('makes no key ring where there is none', async () => {
    const cwd = temporaryDirectory('keys');
    for (const command of ['list', 'rotate', 'add']) {
      const { code, stderr } = await tmcp(['keys', command], { env: { ...server.env, TMCP_SECURITY_KEY_RING: 'none.json' }, cwd });
      expect({ code, stderr }, command).to.deep.equal({ code: 1, stderr: `tmcp: there is no key ring at ${join(cwd, 'none.json')} (security.key_ring): the server makes one when it starts for the first time\n` });
    }
  });

  it("does not rotate under another database's ring, which the doctor notices", async () => {
    const other = await prepareServer();
    await other.start();
    await other.stop();
    const strange = join(temporaryDirectory('keys'), 'ring.json');
    copyFileSync(join(other.directory, 'data/key-ring.json'), strange);
    const keyRingCheck = async (path: string): Promise<{ status: string; summary: string } | undefined> => {
      const { stdout } = await tmcp(['doctor', '--json'], { env: { ...server.env, TMCP_SECURITY_KEY_RING: path } });
      return (JSON.parse(stdout) as { checks: { name: string; status: string; summary: string }[] }).checks.find(({ name }) => name === 'key-ring');
    };
    expect((await keyRingCheck(ring))?.status).to.equal('ok');
    const found = await keyRingCheck(strange);
    expect(found?.status).to.equal('failed');
    expect(found?.summary).to.contain('was sealed with another ring');
    const keys = await list();
    const { code, stdout, stderr } = await tmcp(['keys', 'rotate'], { env: { ...server.env, TMCP_SECURITY_KEY_RING: strange } });
    expect({ code, stdout }).to.deep.equal({ code: 1, stdout: '' });
    expect(stderr).to.contain('was sealed with another ring');
    expect(await list()).to.deep.equal(keys);
  });
});

describe('tmcp keys rotate --storage', function () {
  this.timeout(60_000);
  let world: StorageProcess;
  before(async () => {
    world = await startStorageProcess();
  });
  after(() => world?.close());

  const used = async (): Promise<string[]> => {
    const { key_ring } = (await tmcpJson(['keys', 'list', '--json'], { env: world.server.env })) as { key_ring: { id: string; storage: boolean }[] };
    return key_ring.filter(({ storage }) => storage).map(({ id }) => id);
  };
  const rotate = async (env: Readonly<Record<string, string>> = {}): Promise<string> => (await tmcpPrints(['keys', 'rotate', '--storage'], { env: { ...world.server.env, ...env } })).trimEnd();

  it('has the running server seal everything with a new key', async () => {
    const { server } = world;
    const token = await world.token();
    for (let n = 0; n < 20; n += 1) await store(server.url, token, `k${n}`, `value ${n}`);
    const before = await used();
    expect(before).to.have.length(1);

    const added = await rotate();

    expect(before).not.to.include(added);
    await eventually(async () => expect(await used()).to.deep.equal([added]), { description: 'storage uses the new key only', timeoutMs: 30_000 });
    expect((await call(server.url, 'GET', '/api/v1/storage/k7', { token })).body.value).to.equal('value 7');
    await store(server.url, token, 'later', 'x');
    expect(await used()).to.deep.equal([added]);
  });

  it('takes a key that was added before and is not used yet', async () => {
    await world.server.stop();
    const [before] = await used();
    const added = (await tmcpPrints(['keys', 'add'], { env: world.server.env })).trimEnd();
    await world.server.start();
    // The server seals with it by itself; the older entries are what is left to do.
    await store(world.server.url, await world.token(), 'with the added key', 'x');
    expect(await used()).to.deep.equal([before, added]);
    expect(await rotate()).to.equal(added);
    await eventually(async () => expect(await used()).to.deep.equal([added]), { description: 'storage uses the added key only', timeoutMs: 30_000 });
  });

  it('adds no key to a ring that is kept elsewhere', async () => {
    const text = readFileSync(join(world.server.directory, 'data/key-ring.json'), 'utf8');
    const { code, stderr } = await tmcp(['keys', 'rotate', '--storage'], { env: { ...world.server.env, TMCP_SECURITY_KEY_RING_TEXT: text } });
    expect({ code, stderr }).to.deep.equal({ code: 1, stderr: 'tmcp: the key ring in security.key_ring_text is not ours to change: add a key where it is kept\n' });
  });
});
