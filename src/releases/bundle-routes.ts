import type { Database } from '../database/index.ts';
import { answer, TextStream, type ApiRequest, type Routes } from '../http/index.ts';
import { AppError } from '../kernel/errors.ts';
import type { Bundles } from './bundles.ts';
import type { ByteRange } from './bundle-store.ts';
import { isBundleServed } from './version-repo.ts';

/** The bytes never change under their name; and they never run on this origin (decision D16). */
const headers = (sha256: string): Record<string, string> => ({
  ETag: `"${sha256}"`,
  'Cache-Control': 'public, max-age=31536000, immutable',
  'Accept-Ranges': 'bytes',
  'Content-Disposition': `attachment; filename="${sha256}.bundle"`,
  'Content-Security-Policy': "sandbox; default-src 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Cross-Origin-Resource-Policy': 'cross-origin',
});

/** One range of RFC 9110 section 14; undefined for none, or for a form that may be answered with everything. @throws AppError RANGE_NOT_SATISFIABLE */
export function rangeOf(header: string | undefined, size: number): ByteRange | undefined {
  const [, first = '', last = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '') ?? [];
  if (first === '' && last === '') return undefined;
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (first !== '' && last !== '' && Number(last) < start) return undefined;
  if (start >= size || (first === '' && last === '0')) throw new AppError('RANGE_NOT_SATISFIABLE', `The bundle has ${size} bytes`, { details: { size_bytes: size } });
  return { start, end };
}

const namesTag = (header: string | undefined, sha256: string): boolean => header?.split(',').some((tag) => ['*', `"${sha256}"`, `W/"${sha256}"`].includes(tag.trim())) ?? false;

/** `GET /bundles/{sha256}`: for clients, and for a CDN in front. */
export function bundleRoutes({ database, bundles }: { readonly database: Database; readonly bundles: Bundles }): Routes {
  return {
    getBundle: async ({ path, headers: given }: ApiRequest) => {
      const sha256 = path.sha256 as string;
      const bundle = (await isBundleServed(database, sha256)) ? await bundles.find(sha256) : undefined;
      if (bundle === undefined) throw new AppError('NOT_FOUND', 'No such bundle');
      if (namesTag(given['if-none-match'], sha256)) return answer(undefined, 304, headers(sha256));
      const isCurrent = given['if-range'] === undefined || given['if-range'] === `"${sha256}"`;
      const range = isCurrent ? rangeOf(given.range, bundle.sizeBytes) : undefined;
      const bytes = await bundles.read(sha256, range);
      if (bytes === undefined) throw new AppError('SERVICE_UNAVAILABLE', 'The bytes of this bundle are not in the store');
      const length = range === undefined ? bundle.sizeBytes : range.end - range.start + 1;
      const extra = range === undefined ? {} : { 'Content-Range': `bytes ${range.start}-${range.end}/${bundle.sizeBytes}` };
      return answer(new TextStream('application/octet-stream', bytes as AsyncIterable<Buffer>), range === undefined ? 200 : 206, { ...headers(sha256), ...extra, 'Content-Length': String(length) });
    },
  };
}
