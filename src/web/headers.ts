import { createHash } from 'node:crypto';
import { style } from './style.ts';

/** The one style element of every page, as the policy names it. */
export const styleHash = `'sha256-${createHash('sha256').update(style).digest('base64')}'`;

const unused = ['accelerometer', 'camera', 'display-capture', 'geolocation', 'gyroscope', 'microphone', 'midi', 'payment', 'usb'];

const forbidden = new Set(['javascript:', 'data:', 'blob:', 'filesystem:']);

/** What a form may lead to, as the policy writes it. Throws a TypeError for what is no address. */
function formSource(target: string): string {
  const isScheme = /^[a-z][a-z0-9+.-]*:$/i.test(target);
  const url = new URL(isScheme ? `${target}//x` : target);
  if (forbidden.has(url.protocol)) throw new TypeError(`A form can't lead to ${url.protocol}`);
  if (isScheme) return url.protocol;
  if (!/^https?:$/.test(url.protocol)) return url.protocol;
  if (url.hostname.startsWith('[')) return url.protocol; // A policy can't name an IPv6 address.
  if (!/^[a-z0-9._-]+$/.test(url.hostname)) throw new TypeError(`A policy can't name ${url.hostname}`);
  return url.origin;
}

export interface PageHeaderOptions {
  /**
   * Where a posted form may be redirected to besides this server: origins, or whole redirect URIs of which the origin counts (the
   * scheme where there is none, as in `com.example.app:/done`). Chromium holds every redirect after a form to `form-action`.
   */
  readonly formActions: readonly string[];
}

/**
 * The headers of every page. Nothing is loaded from anywhere, nothing runs, nobody frames it, nothing is kept. The referrer
 * is `same-origin` because `no-referrer` would turn the `Origin` of our own forms into `null`; other sites see none either way.
 */
export function pageHeaders({ formActions }: PageHeaderOptions): Record<string, string> {
  const sources = [...new Set(["'self'", ...formActions.map(formSource)])];
  const policy = [
    "default-src 'none'",
    `style-src ${styleHash}`,
    'img-src data:',
    `form-action ${sources.join(' ')}`,
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ];
  return {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': policy.join('; '),
    'x-frame-options': 'DENY',
    'referrer-policy': 'same-origin',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'permissions-policy': unused.map((feature) => `${feature}=()`).join(', '),
    'x-robots-tag': 'noindex, nofollow',
  };
}
