import { extname } from 'node:path';

/** What each kind of file must look like from the inside; a kind that is not here has no place in a bundle. */
const binary: Readonly<Record<string, readonly string[]>> = {
  png: ['image/png', 'image/apng'],
  jpg: ['image/jpeg'],
  jpeg: ['image/jpeg'],
  gif: ['image/gif'],
  webp: ['image/webp'],
  avif: ['image/avif'],
  ico: ['image/x-icon'],
  woff: ['font/woff'],
  woff2: ['font/woff2'],
  ttf: ['font/ttf'],
  otf: ['font/otf'],
  mp3: ['audio/mpeg'],
  ogg: ['audio/ogg', 'video/ogg', 'application/ogg', 'audio/opus'],
  wav: ['audio/wav', 'audio/vnd.wave'],
  mp4: ['video/mp4'],
  webm: ['video/webm'],
  wasm: ['application/wasm'],
};
const text: ReadonlySet<string> = new Set(['', 'html', 'htm', 'css', 'js', 'mjs', 'cjs', 'json', 'map', 'svg', 'txt', 'md', 'xml', 'webmanifest', 'csv', 'vtt']);
/** What text may be taken for. */
const textTypes: ReadonlySet<string> = new Set(['application/xml', 'image/svg+xml', 'text/vtt']);

export const extensionOf = (name: string): string => extname(name).slice(1).toLowerCase();
/** Bytes from the beginning of a file that tell what it is. */
export const headBytes = 4100;

/** What is wrong with a file of this name that begins so; undefined when its inside is what its name says. */
export async function kindProblem(name: string, head: Buffer): Promise<string | undefined> {
  const extension = extensionOf(name);
  const expected = Object.hasOwn(binary, extension) ? binary[extension] : undefined;
  if (expected === undefined && !text.has(extension)) return 'is of a kind that has no place in a bundle';
  if (head.length === 0) return undefined;
  const { fileTypeFromBuffer } = await import('file-type');
  const found = (await fileTypeFromBuffer(head))?.mime;
  if (expected !== undefined) return found !== undefined && expected.includes(found) ? undefined : `is not what its name says: it is ${found ?? 'something else'}`;
  if (found !== undefined && !textTypes.has(found)) return `is not text: it is ${found}`;
  return head.includes(0) ? 'is not text' : undefined;
}
