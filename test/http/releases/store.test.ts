import { randomBytes } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { CreateBucketCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { expect } from 'chai';
import { createLocalStore, createS3Store, type BundleStore } from '../../../src/releases/bundle-store.ts';
import { requireOrSkip } from '../../support/availability.ts';
import { MOTO_HOOK_TIMEOUT_MS, motoAvailable, startMoto, type S3Server } from '../../support/moto.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

/** What every store does. */
function behaves(open: () => { readonly store: BundleStore; readonly names: () => Promise<string[]> }): void {
  const bytes = randomBytes(100_000);
  const read = async (store: BundleStore, name: string, range?: { start: number; end: number }): Promise<Buffer | undefined> => {
    const stream = await store.open(name, range);
    return stream === undefined ? undefined : buffer(stream);
  };

  it('keeps bytes under a name, whole and in part, and lets them go', async () => {
    const { store, names } = open();
    const file = join(temporaryDirectory('upload'), 'file');
    writeFileSync(file, bytes);
    expect(await store.open('bundles/ab12')).to.equal(undefined);
    // One after the other: moto loses its own buffer when one key is written twice at once.
    for (const _time of [1, 2]) await store.put('bundles/ab12', file);
    expect((await read(store, 'bundles/ab12'))!.equals(bytes)).to.equal(true);
    expect((await read(store, 'bundles/ab12', { start: 10, end: 19 }))!.equals(bytes.subarray(10, 20))).to.equal(true);
    expect(await names()).to.have.length(1);
    await store.remove('bundles/ab12');
    await store.remove('bundles/ab12');
    expect(await store.open('bundles/ab12')).to.equal(undefined);
    expect(await names()).to.deep.equal([]);
    await store.put('bundles/missing', `${file}.not-there`).then(
      () => expect.fail('stored what is not there'),
      (error: NodeJS.ErrnoException) => expect(error.code).to.equal('ENOENT'),
    );
    expect(await names()).to.deep.equal([]);
  });
}

describe('a store of bundles in a directory', () => {
  const directory = temporaryDirectory('store');
  const store = createLocalStore(directory);
  behaves(() => ({ store, names: () => Promise.resolve(readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map(({ name }) => name)) }));
});

describe('a store of bundles in a bucket', () => {
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  let server: S3Server;
  let client: S3Client;
  let store: BundleStore;
  before(async function () {
    this.timeout(MOTO_HOOK_TIMEOUT_MS);
    requireOrSkip(this, await motoAvailable());
    server = await startMoto();
    client = new S3Client({ endpoint: server.url, region: 'us-east-1', forcePathStyle: true, credentials });
    await client.send(new CreateBucketCommand({ Bucket: 'bundles' }));
    store = createS3Store({ endpoint: server.url, region: 'us-east-1', bucket: 'bundles', prefix: 'tmcp/', access_key_id: credentials.accessKeyId, secret_access_key: credentials.secretAccessKey, path_style: true });
  });
  after(async () => {
    client?.destroy();
    await store?.close();
    await server?.close();
  });
  behaves(() => ({ store, names: async () => ((await client.send(new ListObjectsV2Command({ Bucket: 'bundles' }))).Contents ?? []).map(({ Key }) => Key ?? '') }));
});
