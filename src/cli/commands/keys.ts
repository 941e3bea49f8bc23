import type { Command } from 'commander';
import type { Config } from '../../config/index.ts';
import type { Database } from '../../database/index.ts';
import type { RingPlace } from '../../security/key-ring.ts';
import { quietLog } from '../../kernel/log.ts';
import { commandLine, commandLineAudit } from '../audit.ts';
import { withCurrentDatabase } from '../database.ts';
import { CommandFailed } from '../failure.ts';
import { configFileOf } from '../options.ts';
import { print, printJson, printTable, say, shownTime } from '../output.ts';

async function configured(command: Command): Promise<Config> {
  const { loadConfig } = await import('../../config/index.ts');
  const config = loadConfig({ file: configFileOf(command), ignoreRegistration: true });
  const { ringExists, ringPlaceOf } = await import('../../security/key-ring.ts');
  // The server makes a ring where there is none; made here, in the wrong place, it would not fit the database.
  const path = config.security.key_ring;
  if (!ringExists(ringPlaceOf(config.security))) throw new CommandFailed(`there is no key ring at ${path} (security.key_ring): the server makes one when it starts for the first time`);
  return config;
}

const shown = (timeMs: number | null): string | null => (timeMs === null ? null : shownTime(timeMs));

async function list({ json }: { json?: true }, command: Command): Promise<void> {
  const config = await configured(command);
  const { listSigningKeys } = await import('../../oauth/signing-key-repo.ts');
  const { listRingKeys, ringPlaceOf } = await import('../../security/key-ring.ts');
  const { listUsedKeys } = await import('../../storage/index.ts');
  const { listReleaseKeys } = await import('../../releases/key-repo.ts');
  const [rows, used, releaseRows] = await withCurrentDatabase(config, async (database) => [await listSigningKeys(database), await listUsedKeys(database), await listReleaseKeys(database)] as const);
  const release = releaseRows.map((key) => ({ key_id: key.key_id, state: key.state, jwk: JSON.parse(key.public_jwk) as object, created_at: shown(key.created_at), retired_at: shown(key.retired_at) }));
  const signing = rows.map((key) => ({ kid: key.kid, state: key.state, created_at: shown(key.created_at), current_since: shown(key.current_since), expires_at: shown(key.expires_at) }));
  const ring = listRingKeys(ringPlaceOf(config.security)).map(({ id, createdAt }, index, all) => ({ id, state: index === all.length - 1 ? 'seals' : 'opens', storage: used.includes(id), created_at: shown(createdAt) }));
  if (json === true) return printJson({ signing, release, key_ring: ring });
  printTable(
    ['USE', 'KEY', 'STATE', 'CREATED', 'VERIFIES UNTIL'],
    [...signing.map((key) => ['signing', key.kid, key.state, key.created_at ?? '', key.expires_at ?? '']), ...release.map((key) => ['release', key.key_id, key.state, key.created_at ?? '', '']), ...ring.map((key) => ['key ring', key.id, key.storage ? `${key.state}, used by storage` : key.state, key.created_at ?? '', ''])],
  );
}


/** The configured ring, which must be the one that the database was sealed with. */
async function requireRing(config: Config, database: Database): Promise<RingPlace> {
  const { nameOfRing, ringPlaceOf } = await import('../../security/key-ring.ts');
  const { findLackingKey } = await import('../../security/ring-fit.ts');
  const place = ringPlaceOf(config.security);
  const lacking = await findLackingKey(place, database);
  if (lacking !== undefined) throw new CommandFailed(`${isFile(config) ? 'the key ring ' : ''}${nameOfRing(place)} lacks ${lacking}: this database was sealed with another ring`);
  return place;
}

const isFile = ({ security }: Config): boolean => security.key_ring_text === undefined && security.key_ring_command.length === 0;

async function rotate({ storage, release }: { storage?: true; release?: true }, command: Command): Promise<void> {
  const config = await configured(command);
  if (release === true) return rotateRelease(config);
  if (storage === true) return rotateStorage(config);
  const { systemClock: clock } = await import('../../kernel/clock.ts');
  const { createSigningKeys } = await import('../../oauth/keys.ts');
  const { openKeyRing } = await import('../../security/key-ring.ts');
  const { access_token_seconds, first_party_access_token_seconds, client_token_seconds, privileged_token_seconds } = config.oauth;
  const longestTokenMs = Math.max(access_token_seconds, first_party_access_token_seconds, client_token_seconds, privileged_token_seconds, config.developers.access_token_seconds) * 1000;
  const kid = await withCurrentDatabase(config, async (database) => {
    const keyRing = await openKeyRing({ ...(await requireRing(config, database)), clock });
    const rotated = await createSigningKeys({ database, clock, keyRing, log: quietLog, longestTokenMs }).rotate();
    const record = await commandLineAudit();
    await database.inTransaction((tx) => record(tx, { actor: commandLine, action: 'signing_key.rotated', target: { kind: 'signing_key', id: rotated } }));
    return rotated;
  });
  print(kid);
  say('It signs access tokens from now on, in running servers within a minute. The one before it verifies until the last token that it signed has expired.');
}

async function rotateRelease(config: Config): Promise<void> {
  const { systemClock: clock } = await import('../../kernel/clock.ts');
  const { createReleaseKeys } = await import('../../releases/release-keys.ts');
  const { openKeyRing } = await import('../../security/key-ring.ts');
  const keyId = await withCurrentDatabase(config, async (database) => {
    const keyRing = await openKeyRing({ ...(await requireRing(config, database)), clock });
    const rotated = await createReleaseKeys({ database, clock, keyRing }).rotate();
    const record = await commandLineAudit();
    await database.inTransaction((tx) => record(tx, { actor: commandLine, action: 'release_key.rotated', target: { kind: 'release_key', id: rotated } }));
    return rotated;
  });
  print(keyId);
  say('It signs releases from now on, in running servers within a minute. Clients learn of it from their next bootstrap, which the key before it signs too; build it into new clients ("tmcp keys list --json" has it).');
}

/**
 * Has all that mini-apps store sealed anew. A key is added only when everything is sealed with the newest one already: who had to
 * carry a new ring to several machines first has done that before.
 */
async function rotateStorage(config: Config): Promise<void> {
  const { systemClock: clock } = await import('../../kernel/clock.ts');
  const { createJobQueue } = await import('../../jobs/index.ts');
  const { addKey, listRingKeys } = await import('../../security/key-ring.ts');
  const { listUsedKeys, resealJob } = await import('../../storage/index.ts');
  const keyId = await withCurrentDatabase(config, async (database) => {
    const place = await requireRing(config, database);
    const used = await listUsedKeys(database);
    const newest = listRingKeys(place).at(-1)!.id;
    const target = used.every((id) => id === newest) ? await addKey({ ...place, clock }) : newest;
    const queue = createJobQueue(clock);
    const record = await commandLineAudit();
    await database.inTransaction(async (tx) => {
      queue.enqueue(tx, resealJob(target, clock.now()));
      await record(tx, { actor: commandLine, action: 'storage_key.rotated', target: { kind: 'key_ring', id: target } });
    });
    return target;
  });
  print(keyId);
  say(`What mini-apps store is being sealed with it, by the servers' workers, while everything goes on; "tmcp keys list" shows when no older key is used for it any more.${isFile(config) ? `\nKeep a new copy of ${config.security.key_ring} apart from the database.` : ''}`);
}

async function add(_options: object, command: Command): Promise<void> {
  const { security } = await configured(command);
  const { systemClock: clock } = await import('../../kernel/clock.ts');
  const { addKey, ringPlaceOf } = await import('../../security/key-ring.ts');
  print(await addKey({ ...ringPlaceOf(security), clock }));
  say(`It seals what is stored from now on, in running servers within seconds; what the older keys sealed they still open.\nKeep a new copy of ${security.key_ring} apart from the database.`);
}

/** `tmcp keys` */
export function addKeys(program: Command): void {
  const keys = program.command('keys').summary('list, rotate or add keys').description('The keys that sign access tokens and releases, which the database holds, sealed, and the key ring that seals them, which is a file beside it.');
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
    .option('--release', 'sign releases of mini-apps with a new key')
    .option('--storage', 'seal what mini-apps store with a new key of the key ring')
    .addHelpText('after', '\nExample: tmcp keys rotate\n          tmcp keys rotate --release\n          tmcp keys rotate --storage\nWith --storage it adds a key to the key ring, unless there is one that storage does not use yet, and has everything sealed anew; a server does that, and goes on where it stopped.')
    .action(rotate);
  keys
    .command('add')
    .summary('add a key to the key ring')
    .description('Adds a key to the key ring, which seals from then on, and prints its id. The older keys stay, for what they sealed.')
    .addHelpText('after', '\nExample: tmcp keys add')
    .action(add);
}
