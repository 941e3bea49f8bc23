import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type ConfigProblem, nearest, readFailure } from './problems.ts';
import { allowedBy, configSchema, listSections, type SchemaNode, type Setting, settings } from './schema.ts';
import type { YamlFile } from './yaml.ts';

/** A value as it was given, and by what. */
export interface Given {
  readonly value: unknown;
  /** For messages: `TMCP_SERVER_PORT`, or `line 3 of config.yaml`. */
  readonly source: string;
}

/** Values by path of the key. */
export type GivenSettings = ReadonlyMap<string, Given>;

interface Collected {
  readonly given: GivenSettings;
  readonly problems: readonly ConfigProblem[];
}

const knownPaths = [...settings.map(({ path }) => path), ...listSections(configSchema)];
const isFields = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Walks the file beside the schema. Values of unknown keys are not looked at: they may be misspelt secrets. */
export function settingsFromFile(file: YamlFile, name: string): Collected {
  const given = new Map<string, Given>();
  const problems: ConfigProblem[] = [];
  const place = (keys: readonly string[]): string => {
    const line = file.lineOf(keys);
    return line === undefined ? name : `line ${line} of ${name}`;
  };
  const walk = (value: unknown, node: SchemaNode, keys: readonly string[]): void => {
    const path = keys.join('.');
    // A key without a value is one that is not set: so a section may have all of its keys commented out.
    if (value === null || value === undefined) return;
    if (node.type !== 'object') {
      given.set(path, { value, source: place(keys) });
      return;
    }
    if (!isFields(value)) {
      problems.push({ key: path === '' ? name : path, problem: `is not a section (${place(keys)})`, allowed: allowedBy(node) });
      return;
    }
    for (const [key, inner] of Object.entries(value)) {
      const innerKeys = [...keys, key];
      const innerNode = node.properties !== undefined && Object.hasOwn(node.properties, key) ? node.properties[key] : undefined;
      if (innerNode === undefined) problems.push(unknownKey(innerKeys.join('.'), place(innerKeys)));
      else walk(inner, innerNode, innerKeys);
    }
  };
  walk(file.value, configSchema, []);
  return { given, problems };
}

const unknownKey = (path: string, source: string): ConfigProblem => ({
  key: path,
  problem: `is not a key (${source})`,
  allowed: `the keys of config/config.sample.yaml; the nearest is ${nearest(path, knownPaths)}`,
});

type Read = { readonly value: unknown } | { readonly fault: string };

/** Numbers, truth values and lists from text. What the value may be beyond its type is the schema's business. */
function fromText(text: string, { node, isSecret }: Setting): Read {
  const fault = { fault: isSecret ? 'has the wrong form' : text === '' ? 'is empty' : `is ${JSON.stringify(text.slice(0, 80))}` };
  switch (node.type) {
    case 'boolean':
      return text === 'true' || text === 'false' ? { value: text === 'true' } : fault;
    case 'integer':
      return /^-?\d+$/.test(text) && Number.isSafeInteger(Number(text)) ? { value: Number(text) } : fault;
    case 'array':
      // An empty variable is an empty list; empty items are typing mistakes and are left to the schema.
      return { value: text.trim() === '' ? [] : text.split(',').map((item) => item.trim()) };
    case 'string':
    case 'object':
      return { value: text };
  }
}

/** Files made by editors and by `echo` end in a line break, which is no part of a secret. */
function readSecret(path: string, cwd: string): Read {
  try {
    return { value: readFileSync(resolve(cwd, path), 'utf8').replace(/\r?\n$/, '') };
  } catch (error) {
    return { fault: `${JSON.stringify(path)} ${readFailure(error)}` };
  }
}

function settingFromEnvironment(setting: Setting, env: NodeJS.ProcessEnv, cwd: string): { given?: Given; problem?: ConfigProblem } {
  const { path, variable, isSecret, node } = setting;
  const fileVariable = `${variable}_FILE`;
  const text = env[variable];
  const file = isSecret ? env[fileVariable] : undefined;
  if (text !== undefined && file !== undefined) {
    return { problem: { key: path, problem: `is set by both ${variable} and ${fileVariable}`, allowed: 'one of the two' } };
  }
  const source = file === undefined ? variable : fileVariable;
  const read = file !== undefined ? readSecret(file, cwd) : text !== undefined ? fromText(text, setting) : undefined;
  if (read === undefined) return {};
  if ('value' in read) return { given: { value: read.value, source } };
  return { problem: { key: path, problem: `${read.fault} (${source})`, allowed: file === undefined ? allowedBy(node) : 'a readable file that holds the secret' } };
}

/** `TMCP_CONFIG` names the file; `TMCP_TEST_…` belongs to the test suites. */
const isForOthers = (variable: string): boolean => variable === 'TMCP_CONFIG' || variable.startsWith('TMCP_TEST_');

const secretFiles = settings.filter(({ isSecret }) => isSecret).map(({ variable }) => `${variable}_FILE`);
const knownVariables = [...settings.map(({ variable }) => variable), ...secretFiles];

/** Reads the `TMCP_…` variables, and the files that the `TMCP_…_FILE` ones name. */
export function settingsFromEnvironment(env: NodeJS.ProcessEnv, cwd: string): Collected {
  const given = new Map<string, Given>();
  const problems: ConfigProblem[] = [];
  for (const setting of settings) {
    const found = settingFromEnvironment(setting, env, cwd);
    if (found.given !== undefined) given.set(setting.path, found.given);
    if (found.problem !== undefined) problems.push(found.problem);
  }
  const unknown = Object.keys(env).filter((variable) => variable.startsWith('TMCP_') && !knownVariables.includes(variable) && !isForOthers(variable));
  for (const variable of unknown.sort()) {
    problems.push({ key: variable, problem: 'is not a variable of this server', allowed: `TMCP_ and the path of a key; the nearest is ${nearest(variable, knownVariables)}` });
  }
  return { given, problems };
}

/** The nested object that a set of keys makes; later sets win. */
export function nest(given: GivenSettings): Record<string, unknown> {
  const root: Record<string, unknown> = {};
  for (const [path, { value }] of given) {
    const names = path.split('.');
    const last = names.pop() ?? path;
    let section = root;
    for (const name of names) section = (section[name] ??= {}) as Record<string, unknown>;
    section[last] = structuredClone(value);
  }
  return root;
}
