import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import type { Config } from '../../config/index.ts';
import type { Log } from '../../kernel/log.ts';
import { commandLine, commandLineAudit } from '../audit.ts';
import { withCurrentDatabase } from '../database.ts';
import { CommandFailed } from '../failure.ts';
import { configFileOf } from '../options.ts';
import { print, printJson, printTable, say, shownTime } from '../output.ts';

async function configured(command: Command): Promise<Config> {
  const { loadConfig } = await import('../../config/index.ts');
  const config = loadConfig({ file: configFileOf(command), ignoreRegistration: true });
  // The server makes a ring where there is none; made here, in the wrong place, it would not fit the database.
  const path = config.security.key_ring;
  if (!existsSync(path)) throw new CommandFailed(`there is no key ring at ${path} (security.key_ring): the server makes one when it starts for the first time`);
  return config;
}

const shown = (timeMs: number | null): string | null => (timeMs === null ? null : shownTime(timeMs));

async function list({ json }: { json?: true }, command: Command): Promise<void> {
  const config = await configured(command);
  const { listSigningKeys } = await import('../../oauth/signing-key-repo.ts');
  const { listRingKeys } = await import('../../security/key-ring.ts');
  const rows = await withCurrentDatabase(config, listSigningKeys);
  const signing = rows.map((key) => ({ kid: key.kid, state: key.state, created_at: shown(key.created_at), current_since: shown(key.current_since), expires_at: shown(key.expires_at) }));
  const ring = listRingKeys(config.security.key_ring).map(({ id, createdAt }, index, all) => ({ id, state: index === all.length - 1 ? 'seals' : 'opens', created_at: shown(createdAt) }));
  if (json === true) return printJson({ signing, key_ring: ring });
  printTable(
    ['USE', 'KEY', 'STATE', 'CREATED', 'VERIFIES UNTIL'],
    [...signing.map((key) => ['signing', key.kid, key.state, key.created_at ?? '', key.expires_at ?? '']), ...ring.map((key) => ['key ring', key.id, key.state, key.created_at ?? '', ''])],
  );
}

const quiet: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };

async function rotate(_options: object, command: Command): Promise<void> {
  const config = await configured(command);
  const { systemClock: clock } = await import('../../kernel/clock.ts');
  const { findLackingKey } = await import('../../oauth/key-ring-fit.ts');
  const { createSigningKeys } = await import('../../oauth/keys.ts');
  const { openKeyRing } = await import('../../security/key-ring.ts');
  const keyRing = await openKeyRing({ path: config.security.key_ring, clock });
  const { access_token_seconds, first_party_access_token_seconds, client_token_seconds, privileged_token_seconds } = config.oauth;
  const longestTokenMs = Math.max(access_token_seconds, first_party_access_token_seconds, client_token_seconds, privileged_token_seconds, config.developers.access_token_seconds) * 1000;
  const kid = await withCurrentDatabase(config, async (database) => {
    const lacking = await findLackingKey(config.security.key_ring, database);
    if (lacking !== undefined) throw new CommandFailed(`the key ring ${config.security.key_ring} lacks ${lacking}: this database was sealed with another ring`);
    const rotated = await createSigningKeys({ database, clock, keyRing, log: quiet, longestTokenMs }).rotate();
    const record = await commandLineAudit();
    await database.inTransaction((tx) => record(tx, { actor: commandLine, action: 'signing_key.rotated', target: { kind: 'signing_key', id: rotated } }));
    return rotated;
  });
  print(kid);
  say('It signs access tokens from now on, in running servers within a minute. The one before it verifies until the last token that it signed has expired.');
}

async function add(_options: object, command: Command): Promise<void> {
  const { security } = await configured(command);
  const { systemClock: clock } = await import('../../kernel/clock.ts');
  const { addKey } = await import('../../security/key-ring.ts');
  print(await addKey({ path: security.key_ring, clock }));
  say(`It seals what is stored from the next start of the server on; what the older keys sealed they still open.\nKeep a new copy of ${security.key_ring} apart from the database.`);
}

/** `tmcp keys` */
export function addKeys(program: Command): void {
  const keys = program.command('keys').summary('list, rotate or add keys').description('The keys that sign access tokens, which the database holds, sealed, and the key ring that seals them, which is a file beside it.');
  keys
    .command('list')
    .summary('list the keys, without what is secret')
    .description('Lists the signing keys and the keys of the key ring, without what is secret of them.')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample: tmcp keys list')
    .action(list);
  keys
    .command('rotate')
    .summary('sign access tokens with the next key')
    .description('Makes the next signing key, which has been published for a while, the current one, and prints its id. The one before it goes on verifying until the last token that it signed has expired.')
    .addHelpText('after', '\nExample: tmcp keys rotate')
    .action(rotate);
  keys
    .command('add')
    .summary('add a key to the key ring')
    .description('Adds a key to the key ring, which seals from then on, and prints its id. The older keys stay, for what they sealed.')
    .addHelpText('after', '\nExample: tmcp keys add')
    .action(add);
}
