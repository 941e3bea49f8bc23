import { createReadStream } from 'node:fs';
import { copyFile, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { newId } from '../kernel/ids.ts';

/** First and last byte, both inclusive. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Where bytes are kept by name. Names are ours: lower-case letters, digits, `/`, `_`. */
export interface BundleStore {
  /** Keeps a copy of the file under the name; doing it again changes nothing. Durable when it resolves. */
  put(name: string, file: string): Promise<void>;
  /** Undefined when there is nothing of that name. */
  open(name: string, range?: ByteRange): Promise<Readable | undefined>;
  /** Resolves also when there was nothing. */
  remove(name: string): Promise<void>;
  close(): Promise<void>;
}

/** Where files lie that are not finished: what is old there is of a process that died. */
export async function incomingIn(directory: string): Promise<string> {
  const incoming = join(directory, 'incoming');
  await mkdir(incoming, { recursive: true, mode: 0o700 });
  return incoming;
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A directory of this machine, or one that several machines share. */
export function createLocalStore(directory: string): BundleStore {
  // Two letters more in between: some file systems are slow with many names in one directory.
  const placeOf = (name: string): string => {
    const [folder = '', file = ''] = name.split('/');
    return join(directory, folder, file.slice(0, 2), file);
  };
  return {
    async put(name, file) {
      const place = placeOf(name);
      await mkdir(dirname(place), { recursive: true, mode: 0o700 });
      // Where unfinished files are looked for after a crash.
      const draft = join(await incomingIn(directory), newId('draft'));
      try {
        await copyFile(file, draft);
        await sync(draft);
        await rename(draft, place);
        await sync(dirname(place));
      } finally {
        await rm(draft, { force: true });
      }
    },
    async open(name, range) {
      const place = placeOf(name);
      if ((await stat(place).catch(() => undefined)) === undefined) return undefined;
      return createReadStream(place, range);
    },
    remove: (name) => rm(placeOf(name), { force: true }),
    close: () => Promise.resolve(),
  };
}

export interface S3Options {
  readonly endpoint?: string;
  readonly region: string;
  readonly bucket: string;
  readonly prefix: string;
  readonly access_key_id: string;
  readonly secret_access_key: string;
  readonly path_style: boolean;
}

const putAttempts = 3;

/** A bucket. The library is loaded when it is first needed. */
export function createS3Store(options: S3Options): BundleStore {
  const load = async () => {
    const sdk = await import('@aws-sdk/client-s3');
    // Not every service that speaks S3 knows the checksums which the library adds of late; the bytes' name is their hash already.
    const { endpoint, region, access_key_id: accessKeyId, secret_access_key: secretAccessKey, path_style: forcePathStyle } = options;
    return { sdk, client: new sdk.S3Client({ region, forcePathStyle, requestChecksumCalculation: 'WHEN_REQUIRED', responseChecksumValidation: 'WHEN_REQUIRED', credentials: { accessKeyId, secretAccessKey }, ...(endpoint === undefined ? {} : { endpoint }) }) };
  };
  let loaded: ReturnType<typeof load> | undefined;
  const s3 = () => (loaded ??= load());
  const at = (name: string) => ({ Bucket: options.bucket, Key: `${options.prefix}${name}` });
  return {
    async put(name, file) {
      const { sdk, client } = await s3();
      const { size } = await stat(file);
      for (let attempt = 1; ; attempt += 1) {
        try {
          // The library can't try a stream again by itself.
          await client.send(new sdk.PutObjectCommand({ ...at(name), Body: createReadStream(file), ContentLength: size, ContentType: 'application/octet-stream' }));
          return;
        } catch (error) {
          if (attempt === putAttempts || ((error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode ?? 0) < 500) throw error;
        }
      }
    },
    async open(name, range) {
      const { sdk, client } = await s3();
      try {
        const { Body } = await client.send(new sdk.GetObjectCommand({ ...at(name), ...(range === undefined ? {} : { Range: `bytes=${range.start}-${range.end}` }) }));
        return Body as Readable | undefined;
      } catch (error) {
        if (error instanceof sdk.NoSuchKey) return undefined;
        throw error;
      }
    },
    async remove(name) {
      const { sdk, client } = await s3();
      await client.send(new sdk.DeleteObjectCommand(at(name)));
    },
    async close() {
      (await loaded)?.client.destroy();
    },
  };
}
