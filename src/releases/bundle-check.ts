import { open, type FileHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import type { Entry, ZipFile } from 'yauzl';
import { invalidField } from '../kernel/errors.ts';
import { headBytes, kindProblem } from './file-kinds.ts';

export interface BundleLimits {
  readonly maxFiles: number;
  readonly maxUnpackedBytes: number;
}

/** Given each file of a bundle, one after another, as it unpacks. Must read `bytes` to their end, or leave them alone altogether. */
export type FileVisitor = (name: string, bytes: AsyncIterable<Buffer>) => Promise<void>;

const localHeader = Buffer.from([0x50, 0x4b, 0x03, 0x04]);
/** What ends the list of files: the end record, or the one of ZIP64 before it. */
const endRecords = [Buffer.from([0x50, 0x4b, 0x05, 0x06]), Buffer.from([0x50, 0x4b, 0x06, 0x06])];
const maxPathBytes = 512;
const maxDepth = 20;
const fileTypeMask = 0o170000;
const regularFile = 0o100000;
const directory = 0o040000;
const unixMadeBy = 3;
const refused = (problem: string) => invalidField('bundle', problem);
/** In messages: what came from outside, shortened and without control characters. */
const shown = (name: string): string => JSON.stringify(name.slice(0, 80));

/** What is wrong with the entry whatever it unpacks to; yauzl has refused absolute paths, backslashes and `..` before. */
function entryProblem(entry: Entry, seen: Set<string>): string | undefined {
  const name = entry.fileName;
  if (Buffer.byteLength(name) > maxPathBytes || name.split('/').length > maxDepth) return 'has too long a path';
  if (/[\p{Cc}\p{Cf}:*?"<>|]/u.test(name) || name.split('/').some((part) => part === '' || part === '.' || part.endsWith('.') || part.endsWith(' '))) return 'has a name that not every system can hold';
  const type = entry.versionMadeBy >>> 8 === unixMadeBy ? (entry.externalFileAttributes >>> 16) & fileTypeMask : 0;
  if (type !== 0 && type !== regularFile) return 'is a link or a device, not a file';
  if (entry.isEncrypted()) return 'is encrypted';
  if (!entry.canDecodeFileData()) return 'is packed in a way that we do not read';
  const key = name.normalize('NFC').toLowerCase();
  if (seen.has(key)) return 'is there twice';
  seen.add(key);
  return undefined;
}

const isDirectory = (entry: Entry): boolean => entry.fileName.endsWith('/') && entry.uncompressedSize === 0 && [0, directory].includes((entry.externalFileAttributes >>> 16) & fileTypeMask);

function readEntries(zip: ZipFile, limits: BundleLimits): Promise<Entry[]> {
  return new Promise((resolve, reject) => {
    const entries: Entry[] = [];
    const seen = new Set<string>();
    zip.on('error', () => reject(refused('is not a well-formed ZIP archive, or a path in it leads outside')));
    zip.on('end', () => resolve(entries));
    zip.on('entry', (entry: Entry) => {
      if (!isDirectory(entry)) {
        const problem = entryProblem(entry, seen);
        if (problem !== undefined) return reject(refused(`${shown(entry.fileName)} ${problem}`));
        entries.push(entry);
      }
      if (entries.length > limits.maxFiles) return reject(refused(`has more than ${limits.maxFiles} files`));
      zip.readEntry();
    });
    zip.readEntry();
  });
}

/** Readers that go by the size of the list, and not by the count, must not find files that we have not seen. */
async function assertCounted(zip: ZipFile, file: FileHandle): Promise<void> {
  // Where the next entry would be; the types have it wrong.
  const { buffer } = await file.read(Buffer.alloc(4), 0, 4, zip.readEntryCursor as unknown as number);
  if (!endRecords.some((signature) => signature.equals(buffer))) throw refused('is not a well-formed ZIP archive: it has more files than it counts');
}

/** Entries that share bytes unpack to far more than the archive holds. */
function assertApart(entries: readonly Entry[], sizeBytes: number): void {
  let end = 0;
  for (const entry of [...entries].sort((a, b) => a.relativeOffsetOfLocalHeader - b.relativeOffsetOfLocalHeader)) {
    if (entry.relativeOffsetOfLocalHeader < end) throw refused('has files that overlap each other');
    end = entry.relativeOffsetOfLocalHeader + 30 + entry.fileNameLength + entry.compressedSize;
  }
  if (end > sizeBytes) throw refused('is cut off');
}

const openEntry = (zip: ZipFile, entry: Entry): Promise<Readable> =>
  new Promise((resolve, reject) => {
    zip.openReadStream(entry, (error, stream) => (error !== null ? reject(error) : resolve(stream)));
  });

/** Unpacks what the archive says, and no more of it than is allowed, whatever its headers claim. */
async function* unpack(zip: ZipFile, entry: Entry, spend: (bytes: number) => void): AsyncIterable<Buffer> {
  for await (const chunk of (await openEntry(zip, entry)) as AsyncIterable<Buffer>) {
    spend(chunk.length);
    yield chunk;
  }
}

async function inspectFile(name: string, bytes: AsyncIterable<Buffer>): Promise<void> {
  const head: Buffer[] = [];
  let size = 0;
  for await (const chunk of bytes) {
    if (size < headBytes) head.push(chunk);
    size += chunk.length;
  }
  const problem = await kindProblem(name, Buffer.concat(head).subarray(0, headBytes));
  if (problem !== undefined) throw refused(`${shown(name)} ${problem}`);
}

/**
 * Goes through the ZIP archive in `path` and unpacks every file of it, into nothing unless `visit` keeps it. Returns the names of the
 * files. @throws AppError INVALID_REQUEST for what is not a bundle: no archive, links, paths that lead outside, too many files,
 * too much when unpacked, files that are not what their names say, no index.html
 */
export async function readBundle(path: string, limits: BundleLimits, visit: FileVisitor = inspectFile): Promise<string[]> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const { buffer } = await file.read(Buffer.alloc(4), 0, 4, 0);
    // Something in front of an archive would make it two files in one.
    if (!buffer.equals(localHeader)) throw refused('is not a ZIP archive');
    const yauzl = await import('yauzl');
    const zip = await new Promise<ZipFile>((resolve, reject) => {
      yauzl.fromFd(file.fd, { lazyEntries: true, autoClose: false, strictFileNames: true, validateEntrySizes: true }, (error, opened) => (error !== null ? reject(refused('is not a well-formed ZIP archive')) : resolve(opened)));
    });
    if (zip.entryCount > limits.maxFiles * 2) throw refused(`has more than ${limits.maxFiles} files`);
    if (zip.comment !== undefined && zip.comment.length > 0) throw refused('has a comment at its end');
    const entries = await readEntries(zip, limits);
    await assertCounted(zip, file);
    assertApart(entries, size);
    const names = entries.map(({ fileName }) => fileName);
    if (!names.includes('index.html')) throw refused('has no index.html at its root');
    let left = limits.maxUnpackedBytes;
    const spend = (bytes: number): void => {
      left -= bytes;
      if (left < 0) throw refused(`unpacks to more than ${limits.maxUnpackedBytes} bytes`);
    };
    for (const entry of entries) {
      if (entry.uncompressedSize > left) spend(entry.uncompressedSize);
      try {
        await visit(entry.fileName, unpack(zip, entry, spend));
      } catch (error) {
        throw error instanceof Error && error.name === 'AppError' ? error : refused(`${shown(entry.fileName)} does not unpack`);
      }
    }
    return names;
  } finally {
    await file.close();
  }
}
