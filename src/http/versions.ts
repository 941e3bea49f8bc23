import type { Request, Response } from 'express';
import { AppError } from '../kernel/errors.ts';

/** Of the protocol (decision "The target is v1.9.0"). */
export const protocolVersion = '1.9.0';
const [major, minor] = protocolVersion.split('.').map(Number) as [number, number];

/** A newer minor version only adds: who speaks an older one is understood, who needs a newer one must know that it is not here. */
function isSpoken(text: string): boolean {
  const [, asked, askedMinor = '0'] = /^v?(\d{1,4})(?:\.(\d{1,4}))?(?:\.\d{1,4})?$/.exec(text.trim()) ?? [];
  return Number(asked) === major && Number(askedMinor) <= minor;
}

/** `TMCP-Version` on every answer; a request that names a version that is not spoken here is refused. Throws AppError UNSUPPORTED_PROTOCOL_VERSION. */
export function agreeOnVersion(req: Request, res: Response): void {
  res.setHeader('tmcp-version', protocolVersion);
  const asked = req.headers['tmcp-version'];
  if (asked === undefined || (typeof asked === 'string' && isSpoken(asked))) return;
  throw new AppError('UNSUPPORTED_PROTOCOL_VERSION', `TMCP-Version: this server speaks ${major}.0 to ${protocolVersion}`, { details: { supported: { from: `${major}.0`, to: protocolVersion } } });
}

/** `x-deprecation` of an operation: since when, and until when it is answered. */
export interface Deprecation {
  /** RFC 3339. */
  readonly since: string;
  readonly sunset?: string;
  /** Where it says what to do instead. */
  readonly link?: string;
}

/** RFC 9745, RFC 8594. Throws a RangeError for a date that is none. */
export function deprecationHeaders({ since, sunset, link }: Deprecation): Record<string, string> {
  const seconds = Math.floor(new Date(since).getTime() / 1000);
  if (Number.isNaN(seconds)) throw new RangeError(`x-deprecation: ${since} is no date`);
  return {
    Deprecation: `@${seconds}`,
    ...(sunset === undefined ? {} : { Sunset: new Date(new Date(sunset).toISOString()).toUTCString() }),
    ...(link === undefined ? {} : { Link: `<${link}>; rel="deprecation"; type="text/html"` }),
  };
}
