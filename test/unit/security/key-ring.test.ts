import { statSync } from 'node:fs';
import { copyFile, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { addKey, KeyRingError, listRingKeys, openKeyRing } from '../../../src/security/key-ring.ts';
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
    const changed = sealed.at(-2) === 'A' ? 'B' : 'A';
    for (const attempt of [
      () => ring.open('two', sealed, 'row-1'),
      () => ring.open('one', sealed, 'row-2'),
      () => ring.open('one', `${sealed.slice(0, -2)}${changed}${sealed.at(-1)}`, 'row-1'),
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

  describe('for owners of their own', () => {
    const bytes = Buffer.from([0, 1, 2, 255]);

    it('opens only for the same purpose, owner and place, and unchanged', async () => {
      const ring = await openKeyRing(fresh());
      const { keyId, sealed } = ring.sealFor('one', '@alice', bytes, 'row-1');
      expect(ring.openFor('one', '@alice', keyId, sealed, 'row-1')).to.deep.equal(bytes);
      expect(ring.openFor('one', '@alice', keyId, ring.sealFor('one', '@alice', Buffer.alloc(0), '').sealed, '')).to.have.length(0);
      const changed = Buffer.from(sealed);
      changed[15]! ^= 1;
      for (const attempt of [
        () => ring.openFor('two', '@alice', keyId, sealed, 'row-1'),
        () => ring.openFor('one', '@bob', keyId, sealed, 'row-1'),
        () => ring.openFor('one', '@alice', keyId, sealed, 'row-2'),
        () => ring.openFor('one', '@alice', keyId, changed, 'row-1'),
        () => ring.openFor('one', '@alice', keyId, sealed.subarray(0, 20), 'row-1'),
        () => ring.openFor('one', '@alice', 'key_none', sealed, 'row-1'),
      ]) {
        expect(errorOf(attempt)).to.be.instanceOf(KeyRingError);
      }
      expect(ring.sealFor('one', '@alice', bytes, 'row-1').sealed.equals(sealed)).to.equal(false);
    });

    it('seals with a key that was added within seconds, in a process that runs', async () => {
      let now = 1_700_000_000_000;
      const options = { path: fresh().path, clock: { now: () => now } };
      const ring = await openKeyRing(options);
      const first = ring.newestKey();
      const added = await addKey(options);
      expect(ring.newestKey()).to.equal(first);
      now += 5000;
      expect(ring.sealFor('p', 'o', bytes, '').keyId).to.equal(added);
      await writeFile(options.path, 'not a ring');
      now += 5000;
      expect(ring.newestKey()).to.equal(added);
    });
  });

  describe('from elsewhere than a file', () => {
    const kept = async (): Promise<{ json: string; sealed: string }> => {
      const options = fresh();
      const sealed = (await openKeyRing(options)).seal('p', 'text', '');
      return { json: await readFile(options.path, 'utf8'), sealed };
    };

    it('is read from a text or a command, and makes no file', async () => {
      const { json, sealed } = await kept();
      for (const place of [{ text: json }, { command: [process.execPath, '-e', `console.log(${JSON.stringify(json)})`] }]) {
        const options = { ...fresh(), ...place };
        const ring = await openKeyRing(options);
        expect(ring.open('p', sealed, '')).to.equal('text');
        expect(listRingKeys(options).map(({ id }) => id)).to.deep.equal([ring.newestKey()]);
        expect(errorOf(() => statSync(options.path))).to.have.property('code', 'ENOENT');
        const refused = await addKey(options).then(
          () => undefined,
          (error: unknown) => error,
        );
        expect(refused).to.be.instanceOf(KeyRingError);
      }
    });

    it('says what is wrong without saying what it saw', async () => {
      const { json } = await kept();
      const { secret } = (JSON.parse(json) as { keys: { secret: string }[] }).keys[0]!;
      for (const place of [{ text: json.slice(0, -5) }, { command: [process.execPath, '-e', `console.log(${JSON.stringify(json)}); process.exit(3)`] }, { command: ['/nowhere/at/all'] }, { command: [process.execPath, '-e', ''] }]) {
        const failure = await openKeyRing({ ...fresh(), ...place }).then(
          () => undefined,
          (error: unknown) => error,
        );
        expect(failure).to.be.instanceOf(KeyRingError);
        expect(String(failure) + String((failure as Error).cause)).to.contain('security.key_ring_').and.not.to.contain(secret);
      }
    });

    it('asks the command again for a key that it did not print, but not for each one', async () => {
      const { json } = await kept();
      const file = join(temporaryDirectory('ring'), 'printed.json');
      const log = `${file}.log`;
      await writeFile(file, json);
      let now = 1_700_000_000_000;
      const command = [process.execPath, '-e', `const fs = require('fs'); fs.appendFileSync(${JSON.stringify(log)}, 'x'); process.stdout.write(fs.readFileSync(${JSON.stringify(file)}))`];
      const ring = await openKeyRing({ path: '', command, clock: { now: () => now } });
      const more = fresh();
      await openKeyRing(more);
      const both = { version: 1, keys: [...(JSON.parse(json) as { keys: object[] }).keys, ...(JSON.parse(await readFile(more.path, 'utf8')) as { keys: object[] }).keys] };
      const newer = (both.keys[1] as { id: string }).id;
      expect([ring.hasKey(newer), ring.hasKey('key_b'), ring.hasKey('key_c')]).to.deep.equal([false, false, false]);
      await writeFile(file, JSON.stringify(both));
      expect(ring.hasKey(newer)).to.equal(false);
      now += 30_000;
      expect([ring.hasKey(newer), ring.newestKey()]).to.deep.equal([true, newer]);
      expect(await readFile(log, 'utf8')).to.equal('xxx');
    });
  });
});
