import { hash, randomBytes, randomFillSync, timingSafeEqual } from 'node:crypto';

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** `@localpart:server_name` */
export type UserId = Branded<'UserId'>;
/** `!opaque` or `!opaque:server_name` (room version 12 ids have no server) */
export type RoomId = Branded<'RoomId'>;
/** `$opaque` */
export type EventId = Branded<'EventId'>;
/** `#localpart:server_name` */
export type RoomAlias = Branded<'RoomAlias'>;
/** `ma_…`: one mini-app; also the localpart of its virtual user */
export type MiniAppId = Branded<'MiniAppId'>;
/** An OAuth client: a mini-app's frontend (`ma_…`) or backend (`ma_…_backend`) */
export type ClientId = Branded<'ClientId'>;

const maxMatrixIdBytes = 255;
const isShortText = (text: string): boolean => text.isWellFormed() && Buffer.byteLength(text) <= maxMatrixIdBytes && !/[\p{Cc}\s]/u.test(text);

/** Matrix specification, appendix "User Identifiers", historical localparts included. */
export const isUserId = (text: unknown): text is UserId => typeof text === 'string' && isShortText(text) && /^@[^:]+:.+$/.test(text);
export const isRoomId = (text: unknown): text is RoomId => typeof text === 'string' && isShortText(text) && /^![^:]+(:.+)?$/.test(text);
export const isEventId = (text: unknown): text is EventId => typeof text === 'string' && isShortText(text) && /^\$.+$/.test(text);
export const isRoomAlias = (text: unknown): text is RoomAlias => typeof text === 'string' && isShortText(text) && /^#[^:]+:.+$/.test(text);
/** Lower-case letters, digits and `._-` after `ma_`: every id is also a legal Matrix localpart. */
export const isMiniAppId = (text: unknown): text is MiniAppId => typeof text === 'string' && /^ma_[a-z0-9][a-z0-9._-]{1,60}$/.test(text);

const idFrom = <T extends string>(text: string, is: (candidate: unknown) => candidate is T, what: string): T => {
  if (!is(text)) throw new TypeError(`${JSON.stringify(text)} is not a ${what}`);
  return text;
};
export const asUserId = (text: string): UserId => idFrom(text, isUserId, 'Matrix user id');
export const asRoomId = (text: string): RoomId => idFrom(text, isRoomId, 'Matrix room id');
export const asMiniAppId = (text: string): MiniAppId => idFrom(text, isMiniAppId, 'mini-app id');

/** Server name of a Matrix user id. */
export const serverNameOf = (userId: UserId): string => userId.slice(userId.indexOf(':') + 1);
/** Localpart of a Matrix user id, without the `@`. */
export const localpartOf = (userId: UserId): string => userId.slice(1, userId.indexOf(':'));

const pool = Buffer.alloc(8192);
let taken = pool.length;

/** Random bytes for what is no secret, asked of the system by the thousand: a request needs several, and each question takes as long as a hundred of them. */
export function randomPublicBytes(count: number): Buffer {
  if (taken + count > pool.length) {
    randomFillSync(pool);
    taken = 0;
  }
  taken += count;
  return pool.subarray(taken - count, taken);
}

const base32 = 'abcdefghijklmnopqrstuvwxyz234567';
/** `length` characters of 5 random bits each. */
export const randomSuffix = (length: number): string => Array.from(randomBytes(length), (byte) => base32[byte & 31]).join('');

/** The same 32 characters in the order in which databases sort them. */
const sortedBase32 = [...base32].sort().join('');
const timeCharacters = 9;
const randomCharacters = 16;

/** The time in milliseconds, as text of one length that sorts as the times do until the year 3084. */
function sortableTime(ms: number): string {
  let text = '';
  for (let rest = ms; text.length < timeCharacters; rest = Math.floor(rest / 32)) text = sortedBase32[rest % 32]! + text;
  return text;
}

/**
 * A public identifier: `prefix_`, when it was made, and 80 random bits. Not a secret. As of ULIDs, those made one after another stand
 * side by side in an index: what a moment writes changes few of its pages, where random ones change a page each.
 */
export function newId(prefix: string, madeAtMs = Date.now()): string {
  let id = `${prefix}_${sortableTime(madeAtMs)}`;
  for (const byte of randomPublicBytes(randomCharacters)) id += base32[byte & 31];
  return id;
}
/** A bearer secret: `prefix` and 256 random bits, base64url. */
export const newSecret = (prefix: string): string => `${prefix}${randomBytes(32).toString('base64url')}`;

/** The key of a webhook's signatures in the form of Standard Webhooks: `whsec_` and 256 random bits, base64. */
export const newWebhookSecret = (): string => `whsec_${randomBytes(32).toString('base64')}`;

/** SHA-256 as hex: how secrets with 256 bits of entropy are stored. */
export const sha256Hex = (text: string): string => hash('sha256', text);

/** Compares secrets without telling by time how much of them agrees. */
export const equalSecrets = (given: string, expected: string): boolean =>
  timingSafeEqual(hash('sha256', given, 'buffer'), hash('sha256', expected, 'buffer'));

/** Uniform in [0, 1): for jitter, never for money or secrets. */
export const randomFraction = (): number => randomBytes(4).readUInt32BE() / 2 ** 32;

/** Uniform in 0 … n - 1, for n up to 2^53: from the system's source of secrets, so that nobody can foresee it. */
export function randomBelow(n: number): number {
  const whole = 2 ** 53;
  for (;;) {
    const bytes = randomBytes(7);
    const value = (bytes[0]! & 31) * 2 ** 48 + bytes.readUIntBE(1, 6);
    // The last, incomplete run of n would favour its beginning.
    if (value < whole - (whole % n)) return value % n;
  }
}
