import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { ZipFile } from 'yazl';
import type { ApiResponse } from './api.ts';

export const goodPolicy = "default-src 'self'; script-src 'self'; connect-src 'self'; frame-ancestors 'none'; upgrade-insecure-requests";
export const page = (head = '', body = '', policy = goodPolicy): string => `<!doctype html>\n<html><head>\n<meta http-equiv="Content-Security-Policy" content="${policy}">\n${head}\n</head><body>\n${body}\n</body></html>\n`;

export type Files = Readonly<Record<string, string | Buffer>>;

/** A ZIP archive of these files; `mode` as the archive says it, by name. */
export async function zip(files: Files, options: { readonly mode?: Readonly<Record<string, number>>; readonly comment?: string } = {}): Promise<Buffer> {
  const archive = new ZipFile();
  for (const [name, content] of Object.entries(files)) archive.addBuffer(Buffer.from(content as string), name, { mtime: new Date(0), ...(options.mode?.[name] === undefined ? {} : { mode: options.mode[name] }) });
  archive.end({ forceZip64Format: false, comment: options.comment ?? '' });
  return buffer(archive.outputStream);
}

/** The archive with a text in it replaced by one that is as long, wherever it is. */
export function forge(archive: Buffer, from: string | Buffer, to: string | Buffer): Buffer {
  const [old, next] = [Buffer.from(from as string), Buffer.from(to as string)];
  if (old.length !== next.length) throw new RangeError('a forgery must be as long as the original');
  const forged = Buffer.from(archive);
  for (let at = forged.indexOf(old); at >= 0; at = forged.indexOf(old, at + old.length)) next.copy(forged, at);
  return forged;
}

export const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** POST of `multipart/form-data`. */
export async function postParts(url: string, token: string, parts: readonly (readonly [name: string, value: string | Buffer, filename?: string])[]): Promise<ApiResponse> {
  const form = new FormData();
  for (const [name, value, filename] of parts) {
    if (typeof value === 'string') form.append(name, value);
    else form.append(name, new Blob([new Uint8Array(value)]), filename ?? 'file.bin');
  }
  const response = await fetch(url, { method: 'POST', headers: { authorization: `Bearer ${token}` }, body: form });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? undefined : (JSON.parse(text) as unknown) };
}
