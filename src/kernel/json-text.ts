import { isJsonNumber } from './json.ts';

/**
 * JSON text that goes out as it came in: `JSON.parse` and `JSON.stringify` would turn `1.0` into `1`, `12345678901234567890`
 * into `12345678901234567000`, and put numeric keys first.
 */
export class JsonText {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** As `JSON.stringify` for plain objects, arrays, scalars and raw numbers; a `JsonText` anywhere inside stands as it is. */
export function writeJson(value: unknown): string {
  if (value instanceof JsonText) return value.text;
  if (isJsonNumber(value)) return value.rawJSON;
  if (Array.isArray(value)) return `[${value.map((item) => writeJson(item ?? null)).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${writeJson(member)}`).join(',')}}`;
}

const isSpace = (code: number): boolean => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09 || code === 0xfeff;
const quote = 0x22;
const backslash = 0x5c;

/** The index behind the string that begins at `at`. */
function endOfString(text: string, at: number): number {
  for (let end = text.indexOf('"', at + 1); ; end = text.indexOf('"', end + 1)) {
    if (end < 0) throw new SyntaxError('unterminated string');
    let escapes = 0;
    while (text.charCodeAt(end - 1 - escapes) === backslash) escapes += 1;
    if (escapes % 2 === 0) return end + 1;
  }
}

const skipSpace = (text: string, at: number): number => {
  let index = at;
  while (isSpace(text.charCodeAt(index))) index += 1;
  return index;
};

/** The index behind the value that begins at `at`. */
function endOfValue(text: string, at: number): number {
  const first = text[at];
  if (first === '"') return endOfString(text, at);
  if (first !== '{' && first !== '[') {
    let end = at;
    while (end < text.length && !',]}'.includes(text[end]!) && !isSpace(text.charCodeAt(end))) end += 1;
    return end;
  }
  let depth = 0;
  for (let index = at; index < text.length; ) {
    const code = text.charCodeAt(index);
    if (code === quote) {
      index = endOfString(text, index);
      continue;
    }
    if (code === 0x7b || code === 0x5b) depth += 1;
    else if (code === 0x7d || code === 0x5d) depth -= 1;
    index += 1;
    if (depth === 0) return index;
  }
  throw new SyntaxError('unterminated value');
}

/** Calls back with each member's or item's name and place. `text` is JSON that has been parsed before: it is not checked again. */
function* partsOf(text: string, at: number): Generator<{ readonly name: string | number; readonly from: number; readonly start: number; readonly end: number }> {
  const isObject = text[at] === '{';
  let index = skipSpace(text, at + 1);
  for (let position = 0; text[index] !== '}' && text[index] !== ']'; position += 1) {
    let name: string | number = position;
    const from = index;
    if (isObject) {
      const nameEnd = endOfString(text, index);
      name = JSON.parse(text.slice(index, nameEnd)) as string;
      index = skipSpace(text, skipSpace(text, nameEnd) + 1);
    }
    const end = endOfValue(text, index);
    yield { name, from, start: index, end };
    index = skipSpace(text, end);
    if (text[index] === ',') index = skipSpace(text, index + 1);
  }
}

/**
 * The text of the value at `path` in `text`, which must be valid JSON, with the white space between tokens left out and
 * everything else as it was. As with `JSON.parse`, the last of several members of one name counts. Undefined when there is none.
 */
export function textAt(text: string, path: readonly (string | number)[]): JsonText | undefined {
  let start = skipSpace(text, 0);
  let end = endOfValue(text, start);
  for (const step of path) {
    if (text[start] !== (typeof step === 'number' ? '[' : '{')) return undefined;
    let found: { start: number; end: number } | undefined;
    for (const part of partsOf(text, start)) if (part.name === step) found = part;
    if (found === undefined) return undefined;
    ({ start, end } = found);
  }
  return new JsonText(compact(text.slice(start, end)));
}

/**
 * A JSON object's text without one of its members, everything else byte for byte: it goes from the end of the value in front of it to
 * the end of its own value, or, where it is the first, from its name to the name of the next one. `text` must be valid JSON. Undefined
 * when it is no object, or does not have the member exactly once.
 */
export function withoutMember(text: string, name: string): string | undefined {
  const open = skipSpace(text, 0);
  if (text[open] !== '{') return undefined;
  const members = [...partsOf(text, open)];
  const at = members.findIndex((member) => member.name === name);
  if (at < 0 || members.filter((member) => member.name === name).length > 1) return undefined;
  const [before, member, after] = [members[at - 1], members[at]!, members[at + 1]];
  const [from, to] = before === undefined ? [member.from, after?.from ?? member.end] : [before.end, member.end];
  return text.slice(0, from) + text.slice(to);
}

/** The texts of one member of each item of the array at `path`, in one pass. */
export function textsOfItems(text: string, path: string, member: string): (JsonText | undefined)[] {
  let list: number | undefined;
  for (const part of partsOf(text, skipSpace(text, 0))) if (part.name === path) list = part.start;
  if (list === undefined || text[list] !== '[') return [];
  return [...partsOf(text, list)].map(({ start, end }) => textAt(text.slice(start, end), [member]));
}

function compact(text: string): string {
  if (!/\s/.test(text)) return text;
  const kept: string[] = [];
  let from = 0;
  for (let index = 0; index < text.length; ) {
    const code = text.charCodeAt(index);
    if (code === quote) index = endOfString(text, index);
    else if (isSpace(code)) {
      kept.push(text.slice(from, index));
      index = skipSpace(text, index);
      from = index;
    } else index += 1;
  }
  kept.push(text.slice(from));
  return kept.join('');
}
