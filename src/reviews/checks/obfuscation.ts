import { parse, type Node } from 'acorn';
import { full } from 'acorn-walk';
import { scriptsOf, type Script } from './html.ts';
import { verdictOf, type Finding, type Material, type Outcome } from './types.ts';

/** From here on a script is taken for one that hides what it does. */
const threshold = 0.5;
const enough = 20;

interface Counts {
  identifiers: number;
  /** `_0x3fa2`: what the usual obfuscators make. */
  hexNames: number;
  strings: number;
  /** More escapes than characters. */
  escaped: number;
  /** Texts made into code. */
  evals: number;
  decoders: number;
  longArrays: number;
  traps: number;
}

const decoding: ReadonlySet<string> = new Set(['atob', 'unescape', 'fromCharCode', 'decodeURIComponent']);
const nameOf = (node: Node | null | undefined): string => {
  const { type, name, property } = (node ?? {}) as { type?: string; name?: string; property?: { name?: string } };
  return type === 'Identifier' ? (name ?? '') : type === 'MemberExpression' ? (property?.name ?? '') : '';
};

function count(tree: Node): Counts {
  const counts: Counts = { identifiers: 0, hexNames: 0, strings: 0, escaped: 0, evals: 0, decoders: 0, longArrays: 0, traps: 0 };
  full(tree, (node) => {
    const { type, raw, value, callee, elements, name } = node as Node & { raw?: string; value?: unknown; callee?: Node; elements?: (Node | null)[]; name?: string; arguments?: (Node & { value?: unknown })[] };
    if ((type === 'Identifier' || type === 'VariablePattern') && name !== undefined) {
      counts.identifiers += 1;
      if (/^_?0x[0-9a-f]{3,}$/i.test(name) || /^[_$]?[Il1O0]{5,}$/.test(name)) counts.hexNames += 1;
    }
    if (type === 'Literal' && typeof value === 'string' && raw !== undefined && value.length > 3) {
      counts.strings += 1;
      if ((raw.match(/\\(x[0-9a-f]{2}|u[0-9a-f]{4})/gi)?.length ?? 0) > value.length / 2) counts.escaped += 1;
    }
    if (type === 'CallExpression' || type === 'NewExpression') {
      const called = nameOf(callee);
      if (called === 'eval' || called === 'Function') counts.evals += 1;
      if (decoding.has(called)) counts.decoders += 1;
    }
    if (type === 'ArrayExpression' && (elements?.length ?? 0) > enough && elements!.every((element) => element?.type === 'Literal')) counts.longArrays += 1;
    if (type === 'DebuggerStatement') counts.traps += 1;
  });
  return counts;
}

/** 0 for plain (or merely minified) code up to 1. */
export function obfuscationScore(text: string): number {
  const counts = count(parse(text, { ecmaVersion: 'latest', sourceType: 'module', allowHashBang: true, allowReturnOutsideFunction: true }));
  const share = (part: number, of: number): number => (of === 0 ? 0 : part / of);
  const names = counts.hexNames >= 5 ? Math.min(1, share(counts.hexNames, counts.identifiers) * 3) : 0;
  const escapes = counts.escaped >= 3 ? Math.min(1, share(counts.escaped, counts.strings) * 2) : 0;
  const unpacking = counts.evals > 0 && counts.decoders > 0 ? 0.7 : counts.evals > 0 ? 0.3 : 0;
  const tables = counts.longArrays > 0 && counts.hexNames + counts.decoders > 0 ? 0.3 : 0;
  return Math.min(1, 0.7 * names + 0.6 * escapes + unpacking + tables + (counts.traps > 0 ? 0.1 : 0));
}

function judge({ file, line, text }: Script, hasMap: boolean): Finding[] {
  let score: number;
  try {
    score = obfuscationScore(text);
  } catch (error) {
    const at = (error as { loc?: { line: number } }).loc?.line ?? 1;
    return [{ type: 'UNREADABLE_CODE', file, line: line + at - 1, severity: 'medium', message: `The script does not parse: ${(error as Error).message.slice(0, 200)}`, fix: 'Ship the script as a browser runs it' }];
  }
  if (score < threshold) return [];
  return [{ type: 'OBFUSCATED_CODE', file, line, severity: 'medium', message: `The code appears obfuscated (score ${score.toFixed(2)} of 1)${hasMap ? ', and a source map does not change what it does' : '. Provide source maps for verification'}`, fix: hasMap ? 'Ship the code without the obfuscator' : `//# sourceMappingURL=${file.split('/').at(-1)!}.map` }];
}

export const checkObfuscation = ({ files }: Material): Outcome => verdictOf(scriptsOf(files).flatMap((script) => judge(script, files[`${script.file}.map`] !== undefined)));
