import { invalidField } from '../kernel/errors.ts';
import { isMiniAppId, type MiniAppId } from '../kernel/ids.ts';

/** `tween-internal://{miniapp_id}[/{path}][?{query}]` (specification section 16.5), taken apart. */
export interface InternalUrl {
  readonly miniappId: MiniAppId;
  /** Without the leading slash. */
  readonly path: string;
  readonly query: string;
}

const scheme = 'tween-internal://';

/** `wallet` is short for `ma_official_wallet`. @throws AppError INVALID_REQUEST, naming `url` */
export function parseInternalUrl(text: string): InternalUrl {
  const [, host = '', rest = '', query = ''] = /^tween-internal:\/\/([^/?#]*)(\/[^?#]*)?(?:\?([^#]*))?$/.exec(text) ?? [];
  if (!text.startsWith(scheme) || host === '') throw invalidField('url', 'is no tween-internal: URL');
  const miniappId = host.startsWith('ma_') ? host : `ma_official_${host}`;
  if (!isMiniAppId(miniappId)) throw invalidField('url', 'names no mini-app');
  let path: string;
  try {
    path = decodeURIComponent(rest.slice(1));
  } catch {
    throw invalidField('url', 'is not well encoded');
  }
  if (path.split('/').some((part) => part === '..' || part === '.') || /[\\\p{Cc}]/u.test(path)) throw invalidField('url', 'leads outside of the bundle');
  return { miniappId, path, query };
}

/** The file of a bundle that a path shows: itself, or the app's page, which reads the path. */
export const entryFor = (path: string, files: readonly string[]): string => (files.includes(path) ? path : files.includes(`${path.replace(/\/?$/, '/')}index.html`) && path !== '' ? `${path.replace(/\/?$/, '/')}index.html` : 'index.html');
