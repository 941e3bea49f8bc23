import { existsSync, realpathSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { stringify } from 'yaml';
import type { Config } from '../../config/index.ts';
import { packageRoot } from '../../config/package-root.ts';
import { CommandFailed } from '../failure.ts';
import { writeSecretFile } from '../files.ts';
import { configFileOf, serverName, webUrl } from '../options.ts';
import { print, say } from '../output.ts';

interface Options {
  readonly url: string;
  readonly file?: string;
  readonly domain?: string;
  readonly keepTokens?: true;
  readonly force?: true;
}

const heading = `# Application service registration of tmcp-server, made by "tmcp register".
# It is secret: who has as_token acts as every user below, who has hs_token speaks for the homeserver.
`;

const shipped = join(packageRoot(), 'registration.yaml');

/** Where the registration goes: -f, or where the configuration looks for it. */
function targetOf({ file }: Options, { homeserver }: Config): string {
  const path = file === undefined ? (homeserver.registration === shipped ? resolve('registration.yaml') : homeserver.registration) : resolve(file);
  if (existsSync(path) && realpathSync(path) === realpathSync(shipped)) {
    throw new CommandFailed(`${path} comes with this package, for development, and is left as it is: name another file with -f, and set homeserver.registration to it`);
  }
  return path;
}

async function keptTokens(path: string): Promise<{ asToken: string; hsToken: string }> {
  if (!existsSync(path)) throw new CommandFailed(`there is no ${path} whose tokens could be kept`);
  const { readRegistrationTokens, usesDevelopmentTokens } = await import('../../config/index.ts');
  const tokens = readRegistrationTokens(path);
  if (usesDevelopmentTokens(tokens)) throw new CommandFailed(`${path} has the development tokens, which everybody knows: leave --keep-tokens out (--force replaces the file)`);
  return tokens;
}

/** As the homeserver reads it: a regular expression in which the dots of a name are dots. */
const escaped = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');

async function register(options: Options, command: Command): Promise<void> {
  const { loadConfig } = await import('../../config/index.ts');
  const file = configFileOf(command);
  const config = loadConfig({ file, ignoreRegistration: true });
  const path = targetOf(options, config);
  const replace = options.force === true || options.keepTokens === true;
  if (existsSync(path) && !replace) {
    throw new CommandFailed(`${path} exists already\n--keep-tokens writes it anew with the same tokens, --force with new ones (the homeserver then needs the new file)`);
  }
  const tokens = options.keepTokens === true ? await keptTokens(path) : {};
  const domain = options.domain ?? config.homeserver.domain;
  const { buildRegistration } = await import('../../matrix/index.ts');
  const registration = await buildRegistration({ id: 'tmcp', url: options.url, senderLocalpart: '_tmcp', domainPattern: escaped(domain), ...tokens });
  await writeSecretFile(path, replace, async (draft) => {
    await writeFile(draft, `${heading}${stringify(registration)}`);
    // What the server would refuse is never put in place.
    loadConfig({ file, env: { ...process.env, TMCP_HOMESERVER_REGISTRATION: draft, TMCP_HOMESERVER_DOMAIN: domain } });
  });
  print(path);
  sayNext(path, domain, options, config);
}

function sayNext(path: string, domain: string, { url, keepTokens }: Options, { homeserver }: Config): void {
  const settings = [...(homeserver.registration === path ? [] : [`homeserver.registration: ${path}`]), ...(homeserver.domain === domain ? [] : [`homeserver.domain: ${domain}`])];
  say(`
Made for the users of ${domain} and a server at ${url}, with ${keepTokens === true ? 'the tokens that it had' : 'new tokens'}. Next:
- The homeserver must load this file. Synapse: in homeserver.yaml
    app_service_config_files:
      - ${path}
  and restart it. Only its owner can read the file (mode 0600): give the homeserver's user a copy if it is another.
${settings.map((line) => `- In this server's configuration, set ${line}\n`).join('')}- Start this server, or restart it, and run "tmcp doctor".`);
}

/** `tmcp register` */
export function addRegister(program: Command): void {
  program
    .command('register')
    .summary('make the registration file that the homeserver loads')
    .description('Makes the application service registration, with new tokens and mode 0600, and prints its path. Where the file goes when -f is not given: where homeserver.registration says, else registration.yaml in this directory. An existing file is left alone unless --keep-tokens or --force is given.')
    .requiredOption('-u, --url <url>', 'where the homeserver reaches this server', webUrl)
    .option('-f, --file <file>', 'the file to write')
    .option('--domain <name>', "the homeserver's server name (default: homeserver.domain)", serverName)
    .option('--keep-tokens', 'write an existing file anew, with the tokens that it has')
    .option('--force', 'replace an existing file, with new tokens')
    .addOption(new Option('-l, --localpart <localpart>', 'localpart of the bot; there is only one that it can be').choices(['_tmcp']))
    .addOption(new Option('-r, --generate-registration', "accepted because Matrix bridges' commands have it"))
    .addHelpText('after', '\nExample: tmcp register -u http://10.0.0.5:8627 -f /etc/tmcp/registration.yaml --domain example.org')
    .action(register);
}
