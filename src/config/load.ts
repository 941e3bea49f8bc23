import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { ConfigFile } from '../generated/config.ts';
import { packageRoot } from './package-root.ts';
import { ConfigError } from './problems.ts';
import { checkRules, isDevelopment } from './rules.ts';
import { type Setting, settings } from './schema.ts';
import { type Given, settingsFromEnvironment, settingsFromFile } from './settings.ts';
import { validateSettings } from './validate.ts';
import { readYaml } from './yaml.ts';

type DeepReadonly<T> = T extends readonly (infer Item)[] ? readonly DeepReadonly<Item>[] : T extends object ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> } : T;

/**
 * The configuration, complete and checked. Keys are spelt as in the file and its documentation
 * (`config.server.public_url`), against the house's camelCase: one name for a key, wherever it is looked for.
 *
 * Paths are absolute, `server.public_url` and `homeserver.url` have no slash at the end.
 */
export type Config = DeepReadonly<ConfigFile>;

export interface LoadConfigOptions {
  /** Of the command line (`-c`); goes before `TMCP_CONFIG`. Neither: environment and defaults alone. */
  readonly file?: string | undefined;
  readonly env?: NodeJS.ProcessEnv;
  /** Relative paths start here. */
  readonly cwd?: string;
  /** For the commands that make or mend the registration. */
  readonly ignoreRegistration?: boolean;
}

function resolvePath(path: string, { node }: Pick<Setting, 'node'>, dataDir: string, cwd: string): string {
  const local = resolve(cwd, path.replaceAll('{data_dir}', dataDir));
  if (node['x-path'] !== 'shipped' || path !== node.default || existsSync(local)) return local;
  return join(packageRoot(), path);
}

const withoutSlash = (url: string): string => url.replace(/\/+$/, '');

/** Makes paths absolute and addresses uniform, in place. */
function settle(config: ConfigFile, cwd: string): void {
  config.server.data_dir = resolve(cwd, config.server.data_dir);
  const dataDir = config.server.data_dir;
  for (const setting of settings.filter(({ node }) => node['x-path'] !== undefined)) {
    const [section = '', key = ''] = setting.path.split('.');
    const values = config[section as keyof ConfigFile] as unknown as Record<string, string>;
    values[key] = resolvePath(values[key] ?? '', setting, dataDir, cwd);
  }
  const [, sqlitePath] = /^sqlite:(.*)$/s.exec(config.database.url) ?? [];
  if (sqlitePath !== undefined) config.database.url = `sqlite:${resolve(cwd, sqlitePath.replaceAll('{data_dir}', dataDir))}`;
  config.server.public_url = withoutSlash(config.server.public_url);
  config.homeserver.url = withoutSlash(config.homeserver.url);
  if (config.wallet.remote !== undefined) config.wallet.remote.url = withoutSlash(config.wallet.remote.url);
}

function freeze<T>(value: T): DeepReadonly<T> {
  if (typeof value === 'object' && value !== null) for (const inner of Object.values(Object.freeze(value))) freeze(inner);
  return value as DeepReadonly<T>;
}

/**
 * Reads the configuration: defaults of schema/config.json, over them the file, over that the environment.
 * Writes nothing, and asks nobody but the file system.
 * @throws ConfigError with everything that is wrong: syntax of the file, unknown and wrong keys and variables,
 *   keys that do not go together, the registration file. No message holds the value of a secret.
 */
export function loadConfig({ file, env = process.env, cwd = process.cwd(), ignoreRegistration = false }: LoadConfigOptions = {}): Config {
  const name = file ?? env.TMCP_CONFIG;
  const yaml = name === undefined ? undefined : readYaml(resolve(cwd, name), name);
  const fromFile = name === undefined || yaml?.file === undefined ? { given: new Map<string, Given>(), problems: yaml?.problems ?? [] } : settingsFromFile(yaml.file, name);
  const fromEnvironment = settingsFromEnvironment(env, cwd);
  const given = new Map([...fromFile.given, ...fromEnvironment.given]);
  const earlier = [...fromFile.problems, ...fromEnvironment.problems];
  const { config, problems, wrong } = validateSettings(given, earlier);
  settle(config, cwd);
  // Without the file its keys are unknown, and what they have to do with each other as well.
  const isFileLost = yaml?.problems !== undefined;
  const crossed = isFileLost ? [] : checkRules(config, wrong, (path) => given.has(path), ignoreRegistration);
  const all = [...earlier, ...problems, ...crossed];
  if (all.length > 0) throw new ConfigError(all);
  config.security.development = isDevelopment(config);
  return freeze(config);
}
