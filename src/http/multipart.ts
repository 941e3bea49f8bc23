import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { AppError, invalidField } from '../kernel/errors.ts';

export interface MultipartLimits {
  readonly fileBytes: number;
  readonly files: number;
}

/** A file as its sender calls it; none of it is to be believed. */
export interface FilePart {
  readonly field: string;
  readonly filename: string;
  readonly mediaType: string;
}

/** Takes in one file, to its end. What it throws refuses the request. */
export type FileSink = (part: FilePart, stream: Readable) => Promise<void>;

const maxFields = 100;
const maxFieldBytes = 64 * 1024;

/** The part `metadata` is a JSON object; the others are texts, a name that comes again makes a list. */
function adopt(body: Record<string, unknown>, name: string, value: string): void {
  if (name === 'metadata') {
    let parsed: unknown;
    try {
      parsed = JSON.parse(value);
    } catch {
      throw invalidField('metadata', 'is not valid JSON');
    }
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw invalidField('metadata', 'must be an object');
    for (const [key, inner] of Object.entries(parsed)) body[key] = inner;
    return;
  }
  const before = Object.hasOwn(body, name) ? body[name] : undefined;
  if (before === undefined) body[name] = value;
  else body[name] = [...(Array.isArray(before) ? (before as unknown[]) : [before]), value];
}

/**
 * Reads `multipart/form-data` as it arrives: files go to `sink` one after another and are never held in memory. Resolves with the
 * other parts once everything is there. @throws AppError PAYLOAD_TOO_LARGE, INVALID_REQUEST; what `sink` throws
 */
export async function readMultipart(req: IncomingMessage, limits: MultipartLimits, sink: FileSink): Promise<Record<string, unknown>> {
  const { Busboy } = await import('@fastify/busboy');
  const body: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  const files: Promise<void>[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const tooLarge = (what: string): AppError => new AppError('PAYLOAD_TOO_LARGE', `${what} is too large`);
  let parser: InstanceType<typeof Busboy>;
  try {
    parser = new Busboy({ headers: req.headers as { 'content-type': string }, limits: { fileSize: limits.fileBytes, files: limits.files, fields: maxFields, fieldSize: maxFieldBytes, parts: maxFields + limits.files, headerPairs: 20 } });
  } catch {
    throw invalidField('body', 'is not multipart/form-data');
  }
  parser.on('file', (field, stream, filename, _encoding, mediaType) => {
    stream.once('limit', () => stream.destroy(tooLarge(field)));
    const taken = sink({ field, filename, mediaType }, stream);
    taken.catch(reject);
    files.push(taken);
  });
  parser.on('field', (name, value, nameTruncated, valueTruncated) => {
    try {
      if (nameTruncated || valueTruncated) throw tooLarge(name.slice(0, 40));
      adopt(body, name, value);
    } catch (error) {
      reject(error);
    }
  });
  for (const limit of ['partsLimit', 'filesLimit', 'fieldsLimit'] as const) parser.once(limit, () => reject(invalidField('body', 'has too many parts')));
  parser.once('error', () => reject(invalidField('body', 'is not well-formed multipart/form-data')));
  parser.once('finish', resolve);
  req.once('aborted', () => reject(invalidField('body', 'ended too early')));
  req.pipe(parser);
  try {
    await promise;
    await Promise.all(files);
    return body;
  } catch (error) {
    req.unpipe(parser);
    parser.destroy();
    req.resume();
    await Promise.allSettled(files);
    throw error;
  }
}
