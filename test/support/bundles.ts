import { createHash } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
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

/** `count` times a header, each with its number in the name and, as `place` says, where the file is. */
function headers(count: number, template: Buffer, nameAt: number, place?: (header: Buffer, n: number) => void): Buffer {
  const all = Buffer.alloc(count * template.length);
  for (let n = 0; n < count; n += 1) {
    const header = all.subarray(n * template.length, (n + 1) * template.length);
    template.copy(header);
    for (let digit = 6, rest = n; digit >= 0; digit -= 1, rest = Math.floor(rest / 10)) header[nameAt + digit] = 48 + (rest % 10);
    place?.(header, n);
  }
  return all;
}

/** Writes an archive that really has so many files, all of them empty, and says so in the form of ZIP64; or `claimed` of them, in the old form. */
export function writeCrowd(path: string, count: number, claimed?: number): void {
  const name = '0000000.txt';
  const local = Buffer.alloc(30 + name.length);
  local.writeUInt32LE(0x04034b50, 0);
  local.writeUInt16LE(20, 4);
  local.writeUInt16LE(name.length, 26);
  local.write(name, 30);
  const central = Buffer.alloc(46 + name.length);
  central.writeUInt32LE(0x02014b50, 0);
  central.writeUInt16LE(20, 4);
  central.writeUInt16LE(20, 6);
  central.writeUInt16LE(name.length, 28);
  central.write(name, 46);
  const [start, size] = [count * local.length, count * central.length];
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  for (const at of [8, 10]) end.writeUInt16LE(claimed ?? 0xffff, at);
  end.writeUInt32LE(claimed === undefined ? 0xffffffff : size, 12);
  end.writeUInt32LE(claimed === undefined ? 0xffffffff : start, 16);
  const end64 = Buffer.alloc(56 + 20);
  end64.writeUInt32LE(0x06064b50, 0);
  end64.writeBigUInt64LE(44n, 4);
  for (const at of [12, 14]) end64.writeUInt16LE(45, at);
  for (const at of [24, 32]) end64.writeBigUInt64LE(BigInt(count), at);
  end64.writeBigUInt64LE(BigInt(size), 40);
  end64.writeBigUInt64LE(BigInt(start), 48);
  // The locator of that record.
  end64.writeUInt32LE(0x07064b50, 56);
  end64.writeBigUInt64LE(BigInt(start + size), 64);
  end64.writeUInt32LE(1, 72);
  const file = openSync(path, 'w');
  const parts = [headers(count, local, 30), headers(count, central, 46, (header, n) => header.writeUInt32LE(n * local.length, 42)), ...(claimed === undefined ? [end64] : []), end];
  for (const part of parts) writeSync(file, part);
  closeSync(file);
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
