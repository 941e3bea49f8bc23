import { isIP } from 'node:net';
import { isUserId } from '../kernel/ids.ts';

function isHttpUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^https?:\/\//i.test(text) && url.username === '' && url.password === '' && !/[?#\s]/.test(text);
}

function isIpOrRange(text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128));
}

/** Without a host too: PostgreSQL may be reached by a socket that is named in the query. */
const hasScheme = (text: string, schemes: readonly string[]): boolean => schemes.includes(URL.parse(text)?.protocol ?? '') && text.includes('://');

/** The in-memory database is left out on purpose: money and queued events would not outlive the process. */
const isSqlitePath = (text: string): boolean => /^sqlite:(?!:memory:)[^?]+$/.test(text);

/** The formats that schema/config.json names. Each has its words beside it there, in `x-allowed`. */
export const formats: Readonly<Record<string, (text: string) => boolean>> = {
  'http-url': isHttpUrl,
  'http-origin': (text) => isHttpUrl(text) && URL.parse(text)?.pathname === '/',
  'server-name': (text) => /^([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?$/.test(text),
  'ip-or-cidr': isIpOrRange,
  'matrix-user-id': isUserId,
  'database-url': (text) => isSqlitePath(text) || hasScheme(text, ['postgres:', 'postgresql:']),
  'rate-limit': (text) => /^[1-9]\d{0,8}\/[1-9]\d{0,5}[smhd](\+\d{1,9})?$/.test(text),
  'redis-url': (text) => hasScheme(text, ['redis:', 'rediss:']) && URL.parse(text)?.hostname !== '',
};
