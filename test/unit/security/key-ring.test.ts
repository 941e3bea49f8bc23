import { copyFile, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { addKey, KeyRingError, openKeyRing } from '../../../src/security/key-ring.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const clock = { now: () => 1_700_000_000_000 };
const fresh = () => ({ path: join(temporaryDirectory('ring'), 'secrets', 'key-ring.json'), clock });

const errorOf = (work: () => unknown): unknown => {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
};

describe('key ring', () => {
  it('is made on first start, for its owner only, and the same ring afterwards', async () => {
    const options = fresh();
    const sealed = (await openKeyRing(options)).seal('purpose', 'a secret', 'row-1');
    expect((await stat(options.path)).mode & 0o777).to.equal(0o600);
    expect((await openKeyRing(options)).open('purpose', sealed, 'row-1')).to.equal('a secret');
    expect(sealed).not.to.contain('a secret');
  });

  it('is one ring when many processes make it at once', async () => {
    const options = fresh();
    const rings = await Promise.all(Array.from({ length: 8 }, () => openKeyRing(options)));
    const sealed = rings[0]!.seal('purpose', 'text', '');
    expect(rings.map((ring) => ring.open('purpose', sealed, ''))).to.deep.equal(Array.from({ length: 8 }, () => 'text'));
    expect((JSON.parse(await readFile(options.path, 'utf8')) as { keys: unknown[] }).keys).to.have.length(1);
  });

  it('opens only what was sealed for the same purpose and row, and unchanged', async () => {
    const ring = await openKeyRing(fresh());
    const sealed = ring.seal('one', 'text', 'row-1');
    const last = sealed.at(-1) === 'A' ? 'B' : 'A';
    for (const attempt of [
      () => ring.open('two', sealed, 'row-1'),
      () => ring.open('one', sealed, 'row-2'),
      () => ring.open('one', `${sealed.slice(0, -2)}${last}A`, 'row-1'),
      () => ring.open('one', sealed.slice(0, 40), 'row-1'),
      () => ring.open('one', 'text', 'row-1'),
    ]) {
      expect(errorOf(attempt)).to.be.instanceOf(KeyRingError);
    }
  });

  it('keeps opening old values after a key was added, in processes that run and in new ones', async () => {
    const options = fresh();
    const running = await openKeyRing(options);
    const old = running.seal('p', 'old', '');
    const mac = running.mac('p', 'text');
    const added = await addKey(options);
    const restarted = await openKeyRing(options);
    const young = restarted.seal('p', 'young', '');
    expect(young).to.contain(added);
    expect(old).not.to.contain(added);
    expect([restarted.open('p', old, ''), running.open('p', young, '')]).to.deep.equal(['old', 'young']);
    expect(restarted.mac('p', 'text')).to.equal(mac);
    expect(restarted.mac('q', 'text')).not.to.equal(mac);
  });

  it('names the key that is missing', async () => {
    const mine = fresh();
    const theirs = fresh();
    const sealed = (await openKeyRing(theirs)).seal('p', 'text', '');
    const keyId = sealed.split('.')[1]!;
    const ring = await openKeyRing(mine);
    expect(errorOf(() => ring.open('p', sealed, ''))).to.be.instanceOf(KeyRingError).with.property('message').that.contains(keyId);
  });

  it('never replaces a file that it can not read', async () => {
    const options = fresh();
    await openKeyRing(options);
    await copyFile(options.path, `${options.path}.kept`);
    await writeFile(options.path, '{"version": 1, "keys": [');
    const failure = await openKeyRing(options).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).to.be.instanceOf(KeyRingError);
    expect(await readFile(options.path, 'utf8')).to.equal('{"version": 1, "keys": [');
  });
});
