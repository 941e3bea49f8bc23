import { createHash } from 'node:crypto';
import type * as Webauthn from '@simplewebauthn/server';
import type { Database, Queryable } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { newSecret, type UserId } from '../kernel/ids.ts';
import type { KeyRing } from '../security/key-ring.ts';
import { listPasskeys, type Ceremony } from './passkey-repo.ts';

export interface PasskeysDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly keyRing: KeyRing;
  /** Relying party: its id (a domain) and name, and the origins whose pages may use its passkeys. */
  readonly rpId: string;
  readonly rpName: string;
  readonly origins: readonly string[];
  /** How long a challenge can be answered. */
  readonly ceremonyMs: number;
}

/** What a browser's `navigator.credentials` gets (WebAuthn level 3, JSON form). */
export interface CeremonyOptions {
  readonly options: object;
  readonly expiresAt: number;
}

/** The challenge that the authenticator signed, according to the answer itself; it is looked up, not believed. */
export function challengeOf(response: unknown): string | undefined {
  const text = (response as { response?: { clientDataJSON?: unknown } } | null)?.response?.clientDataJSON;
  if (typeof text !== 'string') return undefined;
  try {
    const { challenge } = JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as { challenge?: unknown };
    return typeof challenge === 'string' ? challenge : undefined;
  } catch {
    return undefined;
  }
}

/** A challenge: the SHA-256 of what is proven and of 256 random bits. */
export function newCeremony({ clock, ceremonyMs }: Pick<PasskeysDependencies, 'clock' | 'ceremonyMs'>, kind: Ceremony['kind'], boundTo: string): Ceremony {
  const challenge = createHash('sha256').update(`${boundTo}:${newSecret('')}`).digest('base64url');
  return { challenge, kind, boundTo, allowedBy: undefined, expiresAt: clock.now() + ceremonyMs };
}

/** As bytes: the library would take a string for text. */
export const bytesOf = (base64url: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(base64url, 'base64url'));

/** How the library names the passkeys of a user. */
export const descriptorsOf = async (db: Queryable, userId: UserId): Promise<{ id: string; transports: string[] }[]> => (await listPasskeys(db, userId)).map(({ credentialId, transports }) => ({ id: credentialId, transports: [...transports] }));

/** Loaded when the first passkey is used: it takes a fifth of a second and 28 MB. */
export const loadWebauthn = (): Promise<typeof Webauthn> => import('@simplewebauthn/server');
