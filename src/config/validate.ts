import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js';
import type { ConfigFile } from '../generated/config.ts';
import { formats } from './formats.ts';
import type { ConfigProblem } from './problems.ts';
import { allowedBy, configSchema, type SchemaNode, type Setting, settings } from './schema.ts';
import { type GivenSettings, nest } from './settings.ts';

const ajv = new Ajv2020({ allErrors: true, useDefaults: true, verbose: true, formats });
ajv.addVocabulary(['x-secret', 'x-path', 'x-allowed']);
const validate = ajv.compile<ConfigFile>(configSchema);

export interface Validated {
  /** Defaults filled in; wrong keys have their defaults here, so that the rest can still be looked at. */
  readonly config: ConfigFile;
  readonly problems: readonly ConfigProblem[];
  /** Paths of the keys that had problems. */
  readonly wrong: ReadonlySet<string>;
}

/** A value for a message. Addresses that carry credentials are not shown. */
function shown(value: unknown): string {
  if (typeof value === 'string') return /:\/\/.*@/.test(value) ? 'an address with credentials' : JSON.stringify(value.slice(0, 80));
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return Array.isArray(value) ? 'a list' : 'a section';
}

function faultOf({ keyword, data }: ErrorObject, setting: Setting): string {
  if (data === '') return 'is empty';
  if (keyword === 'uniqueItems') return 'has an item twice';
  if (keyword === 'minItems') return 'is an empty list';
  if (setting.isSecret) return keyword === 'type' ? 'is not text (put quotes around it)' : 'has the wrong form (not shown, as it is a secret)';
  return setting.node.type === 'string' && typeof data === 'number' ? `is the number ${data} and not text (put quotes around it)` : `is ${shown(data)}`;
}

/** The setting that an error is about, and its text. Errors of list items are their list's. */
function problemOf(error: ErrorObject, given: GivenSettings): { path: string; problem: ConfigProblem } {
  const keys = error.instancePath.split('/').slice(1);
  if (error.keyword === 'required') {
    const path = [...keys, String(error.params.missingProperty)].join('.');
    const node = (error.parentSchema as SchemaNode).properties?.[String(error.params.missingProperty)];
    return { path, problem: { key: path, problem: 'is missing', allowed: `${node === undefined ? 'a value' : allowedBy(node)}, or nothing in the whole section ${keys.join('.')}` } };
  }
  const setting = settings.find(({ path }) => path === keys.join('.') || path === keys.slice(0, -1).join('.'));
  // settingsFromFile() lets through nothing that the schema has no setting for.
  if (setting === undefined) throw new Error(`schema/config.json: unexpected error at ${error.instancePath}: ${error.keyword}`);
  const item = setting.path === keys.join('.') ? '' : `item ${Number(keys.at(-1)) + 1} `;
  const source = given.get(setting.path)?.source ?? 'default';
  return { path: setting.path, problem: { key: setting.path, problem: `${item}${faultOf(error, setting)} (${source})`, allowed: allowedBy(setting.node) } };
}

const isUnder = (path: string, section: string): boolean => path.startsWith(`${section}.`);

/** Without the wrong settings; an optional section that misses something goes as a whole. */
function withoutWrong(given: GivenSettings, errors: readonly ErrorObject[], wrong: ReadonlySet<string>): GivenSettings {
  const incomplete = errors.filter(({ keyword }) => keyword === 'required').map(({ instancePath }) => instancePath.slice(1).replaceAll('/', '.'));
  return new Map([...given].filter(([path]) => !wrong.has(path) && !incomplete.some((section) => isUnder(path, section))));
}

/**
 * Checks the settings against schema/config.json and fills in the defaults.
 * Keys of `earlier` problems are not reported again as missing.
 */
export function validateSettings(given: GivenSettings, earlier: readonly ConfigProblem[]): Validated {
  const problems: ConfigProblem[] = [];
  const wrong = new Set(earlier.map(({ key }) => key));
  let rest = given;
  // A round for the wrong keys, one more when they leave their section incomplete, and one that passes.
  for (;;) {
    const candidate: unknown = nest(rest);
    if (validate(candidate)) return { config: candidate, problems, wrong };
    const errors = validate.errors ?? [];
    for (const { path, problem } of errors.map((error) => problemOf(error, rest))) {
      // One line for each key, and none for what is only missing because its value was wrong.
      if (!wrong.has(path)) problems.push(problem);
      wrong.add(path);
    }
    rest = withoutWrong(rest, errors, wrong);
  }
}
