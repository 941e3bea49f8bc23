import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import express, { type NextFunction, type Request, type RequestHandler, type Response } from 'express';
import { AppError } from '../kernel/errors.ts';
import { multipart } from './contract.ts';

/** What express's parsers read; `multipart/form-data` is read by the operation, as it arrives. */
export const parsedMediaTypes = ['application/json', 'application/x-www-form-urlencoded'];

/** Where the JSON parser leaves what it has read, for as long as the request itself is in memory. */
const bodyBytes = new WeakMap<object, { readonly bytes: Buffer }>();

/** JSON as it was sent; undefined for a form or no body. */
export const bodyTextOf = (req: IncomingMessage): string | undefined => bodyBytes.get(req)?.bytes.toString('utf8');
export const bodyLengthOf = (req: IncomingMessage): number | undefined => bodyBytes.get(req)?.bytes.length;

/** JSON is UTF-8 (RFC 8259 section 8.1): what is not would be stored as something else than was sent. */
function keepBytes(req: object, bytes: Buffer, encoding: string): void {
  if (encoding !== 'utf-8') throw Object.assign(new Error('charset'), { type: 'charset.unsupported' });
  if (!isUtf8(bytes)) throw Object.assign(new Error('encoding'), { type: 'entity.encoding.invalid' });
  bodyBytes.set(req, { bytes });
}

/** Whether the headers announce a body, be it empty (RFC 9112 section 6). */
export const announcesBody = ({ headers }: IncomingMessage): boolean => headers['transfer-encoding'] !== undefined || headers['content-length'] !== undefined;

function refuseOtherMediaTypes(req: Request, accepted: string[]): void {
  const isEmpty = req.headers['transfer-encoding'] === undefined && req.headers['content-length'] === '0';
  if (!isEmpty && req.is(accepted) === false) throw new AppError('UNSUPPORTED_MEDIA_TYPE', `Content-Type must be one of ${accepted.join(', ')}`);
}

/** Before it is read: the parsers would read all of it first, to throw it away. Files are read by the operation, which has limits of its own. */
function refuseTooLarge(req: Request, res: Response, limit: number): void {
  if (Number(req.headers['content-length'] ?? 0) <= limit || req.is(multipart) === multipart) return;
  res.set('Connection', 'close');
  throw new AppError('PAYLOAD_TOO_LARGE', 'The request body is too large');
}

const awaited = (parser: RequestHandler): ((req: Request, res: Response) => Promise<void>) =>
  promisify((req: Request, res: Response, done: (error: Error | null) => void) => void parser(req, res, done as NextFunction));

/** Reads a body up to `limit` bytes into `req.body`, if there is one. Throws AppError, or what express's parsers throw. */
export type BodyReader = (req: Request, res: Response) => Promise<void>;

export function bodyReader(limit: number, accepted: string[]): BodyReader {
  const json = awaited(express.json({ limit, verify: (req, _res, bytes, encoding) => keepBytes(req, bytes, encoding) }));
  const form = awaited(express.urlencoded({ extended: false, limit }));
  return async (req, res) => {
    refuseOtherMediaTypes(req, accepted);
    refuseTooLarge(req, res, limit);
    await json(req, res);
    await form(req, res);
  };
}
