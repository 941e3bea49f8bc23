/** Names that the interface has for itself under `/api/v1/storage/`. */
const reserved: ReadonlySet<string> = new Set(['info', 'changes', 'export']);

/** Why a text can't be a key (specification section 10.3.3), in words; undefined when it can. Keys are compared byte by byte: no normal form, no paths. */
export function keyProblem(key: string, maxBytes: number): string | undefined {
  if (key === '') return 'must not be empty';
  const problem = textProblem(key, maxBytes);
  if (problem !== undefined) return problem;
  return reserved.has(key) ? `is one of ${[...reserved].join(', ')}, which have a meaning of their own in addresses` : undefined;
}

/** The same for the beginning of a key, which may be empty. */
export function textProblem(text: string, maxBytes: number): string | undefined {
  if (!text.isWellFormed()) return 'is not well-formed Unicode';
  if (/\p{Cc}/u.test(text)) return 'must not contain control characters';
  return Buffer.byteLength(text) > maxBytes ? `is longer than ${maxBytes} bytes of UTF-8` : undefined;
}

const lastCodePoint = 0x10ffff;
const surrogates = { first: 0xd800, afterLast: 0xe000 };

/** The least text that is greater, byte by byte, than every text that begins with `prefix`; undefined when there is none. */
export function endOfPrefix(prefix: string): string | undefined {
  const codePoints = Array.from(prefix, (character) => character.codePointAt(0)!);
  while (codePoints.at(-1) === lastCodePoint) codePoints.pop();
  const last = codePoints.pop();
  if (last === undefined) return undefined;
  const next = last + 1 === surrogates.first ? surrogates.afterLast : last + 1;
  return String.fromCodePoint(...codePoints, next);
}

/** Where a page ended, for the caller to hand back. */
export const cursorOf = (lastKey: string): string => Buffer.from(lastKey).toString('base64url');

/** Undefined for a text that is no cursor of ours. */
export function keyOfCursor(cursor: string): string | undefined {
  const key = Buffer.from(cursor, 'base64url').toString('utf8');
  return key !== '' && cursorOf(key) === cursor ? key : undefined;
}
