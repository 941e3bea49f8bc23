import { readFileSync } from 'node:fs';
import { isMap, isScalar, LineCounter, parseDocument, type ParsedNode, type YAMLError } from 'yaml';
import { type ConfigProblem, readFailure } from './problems.ts';

export interface YamlFile {
  readonly value: unknown;
  /** The line of the key at a path, where there is one. */
  lineOf(path: readonly string[]): number | undefined;
}

export type YamlResult = { readonly file: YamlFile; readonly problems?: undefined } | { readonly file?: undefined; readonly problems: readonly ConfigProblem[] };

const faults: Readonly<Partial<Record<YAMLError['code'], string>>> = {
  BAD_INDENT: 'the indentation is wrong',
  BLOCK_AS_IMPLICIT_KEY: 'a nested value stands on the same line as its key',
  DUPLICATE_KEY: 'a key is there twice',
  MISSING_CHAR: 'a quote, bracket, comma, colon or space is missing',
  MULTILINE_IMPLICIT_KEY: 'a key goes over more than one line',
  MULTIPLE_DOCS: 'there is more than one document',
  NON_STRING_KEY: 'a key is not text',
  TAB_AS_INDENT: 'a tab is used as indentation',
  UNEXPECTED_TOKEN: 'something is there that does not belong',
};

/** The parser's own messages quote the text, and with it perhaps a secret: only its codes are used. */
function syntaxProblem(name: string, error: YAMLError, lines: LineCounter): ConfigProblem {
  const { line, col } = lines.linePos(error.pos[0]);
  return { key: name, problem: `line ${line}, column ${col}: ${faults[error.code] ?? error.code}`, allowed: 'valid YAML 1.2' };
}

function lineOf(root: ParsedNode | null, path: readonly string[], lines: LineCounter): number | undefined {
  let node: unknown = root;
  let line: number | undefined;
  for (const name of path) {
    if (!isMap(node)) return undefined;
    const pair = node.items.find(({ key }) => isScalar(key) && key.value === name);
    if (!isScalar(pair?.key) || pair.key.range === undefined || pair.key.range === null) return undefined;
    line = lines.linePos(pair.key.range[0]).line;
    node = pair.value;
  }
  return line;
}

/** Reads a YAML file. Faults come back as problems that are named after `name` and quote nothing of the file. */
export function readYaml(path: string, name: string): YamlResult {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    return { problems: [{ key: name, problem: readFailure(error), allowed: 'a readable YAML file' }] };
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { prettyErrors: false, stringKeys: true, lineCounter: lines });
  const errors = [...document.errors, ...document.warnings];
  if (errors.length > 0) return { problems: errors.map((error) => syntaxProblem(name, error, lines)) };
  try {
    return { file: { value: document.toJS(), lineOf: (keys) => lineOf(document.contents, keys, lines) } };
  } catch {
    return { problems: [{ key: name, problem: 'its aliases cannot be resolved', allowed: 'valid YAML 1.2' }] };
  }
}
