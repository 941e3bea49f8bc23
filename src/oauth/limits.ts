import type { IncomingMessage } from 'node:http';
import net from 'node:net';
import { RateLimiterMemory, RateLimiterRes, type RateLimiterAbstract } from 'rate-limiter-flexible';
import { sha256Hex } from '../kernel/ids.ts';

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

/** Where attempts are counted: in memory here, elsewhere for several instances. */
export type LimitStore = (name: string, window: Window) => RateLimiterAbstract;

export const memoryLimits: LimitStore = (name, { attempts, seconds }) => new RateLimiterMemory({ keyPrefix: name, points: attempts, duration: seconds });

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
  const ip = (req as { ip?: string }).ip ?? req.socket.remoteAddress ?? 'unknown';
  const address = net.isIPv6(ip) && !ip.startsWith('::ffff:') ? ip.split(':').slice(0, 4).join(':') : ip;
  addresses.set(req, address);
  return address;
}

async function take(limiter: RateLimiterAbstract, key: string): Promise<void> {
  try {
    await limiter.consume(key);
  } catch (error) {
    if (error instanceof RateLimiterRes) throw new TooManyAttempts(error.msBeforeNext);
    throw error;
  }
}

async function assertLeft(limiter: RateLimiterAbstract, key: string): Promise<void> {
  const state = await limiter.get(key);
  if (state !== null && state.consumedPoints >= limiter.points) throw new TooManyAttempts(state.msBeforeNext);
}

export function createLimits(options: LimitOptions, store: LimitStore = memoryLimits): Limits {
  const failures = store('failures', options.failures);
  const secrets = store('secrets', options.secrets);
  const signIns = store('sign-ins', options.signIns);
  const passwords = store('passwords', options.passwords);
  const userCodes = store('user-codes', options.userCodes);
  const consents = store('consents', options.consents);
  const when = (work: () => Promise<void>): Promise<void> => (options.enabled ? work() : Promise.resolve());
  const clientKey = (req: IncomingMessage, clientId: string): string => sha256Hex(`${addressOf(req)} ${clientId}`);
  return {
    assertOpen: (req) => when(() => assertLeft(failures, addressOf(req))),
    assertSecretOpen: (req, clientId) => when(() => assertLeft(secrets, clientKey(req, clientId))),
    countFailure: (req, clientId) =>
      when(async () => {
        await failures.consume(addressOf(req)).catch(() => undefined);
        if (clientId !== undefined) await secrets.consume(clientKey(req, clientId)).catch(() => undefined);
      }),
    signIn: (req, username) =>
      when(async () => {
        await take(signIns, addressOf(req));
        if (username !== undefined) await take(passwords, sha256Hex(username.toLowerCase()));
      }),
    userCode: (req, userId) =>
      when(async () => {
        await take(userCodes, addressOf(req));
        await take(userCodes, userId);
      }),
    consent: (_req, userId) => when(() => take(consents, userId)),
  };
}
