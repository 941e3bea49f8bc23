import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import type { Request, Response } from 'express';
import { AppError } from '../kernel/errors.ts';

/** Headers of which two make a request that two programs may understand in two ways. Node itself refuses a second Content-Length. */
const single = ['host', 'authorization', 'content-type', 'idempotency-key', 'x-idempotency-key', 'tmcp-version'];
/** Most headers are told apart by their length: this runs for every request. */
const hasLengthOfOne: readonly boolean[] = Array.from({ length: 1 + Math.max(...single.map(({ length }) => length)) }, (_, length) => single.some((name) => name.length === length));

function repeated({ rawHeaders }: IncomingMessage): string | undefined {
  let seen = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    if (hasLengthOfOne[name.length] !== true) continue;
    const at = single.indexOf(name.toLowerCase());
    if (at < 0) continue;
    if ((seen & (1 << at)) !== 0) return single[at];
    seen |= 1 << at;
  }
  return undefined;
}

/** RFC 9110 section 7.2: a name or address and a port, or nothing. Nothing here depends on what it says. */
const hostField = /^(?:[A-Za-z0-9._~%!$&'()*+,;=-]*|\[[0-9A-Fa-f:.]+\])(?::\d{0,5})?$/;

/** `GET http://host/path` is the same as `GET /path` (RFC 9112 section 3.2.2). Undefined when it is no address of ours. */
function originForm(target: string): string | undefined {
  if (target.startsWith('/') || target === '*') return target;
  const [, rest] = /^https?:\/\/[^/?#]+(.*)$/i.exec(target) ?? [];
  return rest === undefined ? undefined : rest.startsWith('/') ? rest : `/${rest}`;
}

function problemOf(req: IncomingMessage): string | undefined {
  const { host, 'transfer-encoding': transferEncoding } = req.headers;
  if (req.httpVersionMajor < 1) return 'HTTP/0.9 is not spoken here';
  if (host === undefined && req.httpVersion === '1.1') return 'Host: is missing';
  if (host !== undefined && !hostField.test(host)) return 'Host: is not valid';
  const twice = repeated(req);
  if (twice !== undefined) return `${twice}: is there twice`;
  // The parser takes the last coding for its own and would leave the others in the body.
  if (transferEncoding !== undefined && transferEncoding.toLowerCase() !== 'chunked') return 'Transfer-Encoding: must be chunked';
  return originForm(req.url ?? '') === undefined ? 'The address of the request is not one of ours' : undefined;
}

/** Refuses what another program in front may have understood otherwise, before anything looks at it, and ends the connection. Throws AppError INVALID_REQUEST. */
export function refuseMalformed(req: Request, res: Response): void {
  const problem = problemOf(req);
  if (problem !== undefined) {
    res.set('Connection', 'close');
    throw new AppError('INVALID_REQUEST', problem);
  }
  if (!req.url.startsWith('/')) req.url = originForm(req.url)!;
}

/** With or without a port, as some proxies write it. */
const withoutPort = (text: string): string => /^\[([0-9A-Fa-f:.]+)\](?::\d+)?$/.exec(text)?.[1] ?? /^([0-9.]+):\d+$/.exec(text)?.[1] ?? text;

/** The caller's address as trusted proxies tell it; what they tell is an address, or it does not count. */
export function callerAddress(req: Pick<Request, 'ip' | 'socket'>): string | undefined {
  const told = withoutPort(req.ip ?? '');
  return isIP(told) === 0 ? req.socket.remoteAddress : told;
}
