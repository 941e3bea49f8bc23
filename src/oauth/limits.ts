import type { IncomingMessage } from 'node:http';
import net from 'node:net';
import { sha256Hex } from '../kernel/ids.ts';
import { requestContext } from '../kernel/request-context.ts';

/** A window: so many attempts in so many seconds. */
export interface Window {
  readonly attempts: number;
  readonly seconds: number;
}

export interface LimitOptions {
  readonly enabled: boolean;
  /** Refused grants and client authentications from one address. */
  readonly failures: Window;
  /** Wrong secrets of one client from one address. */
  readonly secrets: Window;
  /** Sign-ins from one address, whoever they are for. */
  readonly signIns: Window;
  /** Passwords for one user name, wherever they come from. */
  readonly passwords: Window;
  /** User codes of the device flow, by one user or from one address. */
  readonly userCodes: Window;
  /** Answers to questions for consent, by one user. */
  readonly consents: Window;
}

/** What is left of a window. */
export interface Attempts {
  readonly allowed: boolean;
  /** Until the next attempt is let in, when none is now. */
  readonly waitMs: number;
}

/** Where attempts are counted: in memory for one instance, elsewhere for several. `peek` only looks. */
export type LimitStore = (name: string, window: Window, key: string, peek: boolean) => Promise<Attempts>;

/** Too many attempts; whoever serves the request says so in its own form, with 429. */
export class TooManyAttempts extends Error {
  override readonly name = 'TooManyAttempts';
  readonly retryAfterSeconds: number;
  constructor(retryAfterMs: number) {
    super('Too many attempts');
    this.retryAfterSeconds = Math.max(1, Math.ceil(retryAfterMs / 1000));
  }
}

/** Slows down who guesses (RFC 9700 section 2.5, RFC 8628 section 5.1). Every method may throw TooManyAttempts. */
export interface Limits {
  /** Before a request at the token endpoint and its neighbours. */
  assertOpen(req: IncomingMessage): Promise<void>;
  /** Before a secret is compared. */
  assertSecretOpen(req: IncomingMessage, clientId: string): Promise<void>;
  /** After a refusal. Throws nothing. */
  countFailure(req: IncomingMessage, clientId: string | undefined): Promise<void>;
  signIn(req: IncomingMessage, username: string | undefined): Promise<void>;
  userCode(req: IncomingMessage, userId: string): Promise<void>;
  consent(req: IncomingMessage, userId: string): Promise<void>;
}

const addresses = new WeakMap<IncomingMessage, string>();

/** The caller's address as the HTTP layer judges it; the first call decides. An IPv6 network counts as one. */
export function addressOf(req: IncomingMessage): string {
  const known = addresses.get(req);
  if (known !== undefined) return known;
  const ip = requestContext.getStore()?.address ?? req.socket.remoteAddress ?? 'unknown';
  const address = net.isIPv6(ip) && !ip.startsWith('::ffff:') ? ip.split(':').slice(0, 4).join(':') : ip;
  addresses.set(req, address);
  return address;
}

export function createLimits(options: LimitOptions, store: LimitStore = () => Promise.resolve({ allowed: true, waitMs: 0 })): Limits {
  const when = (work: () => Promise<void>): Promise<void> => (options.enabled ? work() : Promise.resolve());
  const count = async (name: keyof Omit<LimitOptions, 'enabled'>, key: string, peek = false): Promise<void> => {
    const { allowed, waitMs } = await store(name, options[name], key, peek);
    if (!allowed) throw new TooManyAttempts(waitMs);
  };
  const quietly = async (work: Promise<void>): Promise<void> => work.catch(() => undefined);
  const clientKey = (req: IncomingMessage, clientId: string): string => sha256Hex(`${addressOf(req)} ${clientId}`);
  return {
    assertOpen: (req) => when(() => count('failures', addressOf(req), true)),
    assertSecretOpen: (req, clientId) => when(() => count('secrets', clientKey(req, clientId), true)),
    countFailure: (req, clientId) =>
      when(async () => {
        await quietly(count('failures', addressOf(req)));
        if (clientId !== undefined) await quietly(count('secrets', clientKey(req, clientId)));
      }),
    signIn: (req, username) =>
      when(async () => {
        await count('signIns', addressOf(req));
        if (username !== undefined) await count('passwords', sha256Hex(username.toLowerCase()));
      }),
    userCode: (req, userId) =>
      when(async () => {
        await count('userCodes', addressOf(req));
        await count('userCodes', userId);
      }),
    consent: (_req, userId) => when(() => count('consents', userId)),
  };
}
