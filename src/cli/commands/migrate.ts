import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import type { Config } from '../../config/index.ts';
import type { MigrationStatus } from '../../database/index.ts';
import { withDatabase } from '../database.ts';
import { configFileOf } from '../options.ts';
import { counted, print, printJson, printTable, say } from '../output.ts';

interface Options {
  readonly status?: true;
  readonly json?: true;
}

/** `tmcp migrate` */
export function addMigrate(program: Command): void {
  program
    .command('migrate')
    .summary('bring the database up to date')
    .description('Runs the migrations that the database lacks, all of them or none, and prints their names. The server does the same when it starts; an SQLite file is made if there is none.')
    .option('--status', 'only list the migrations and whether they were run')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample: tmcp backup before-upgrade.db && tmcp migrate')
    .action(async (options: Options, command: Command) => {
      const { loadConfig } = await import('../../config/index.ts');
      const config = loadConfig({ file: configFileOf(command), ignoreRegistration: true });
      await (options.status === true ? showStatus(config, options) : migrateNow(config, options));
    });
}

async function migrateNow(config: Config, { json }: Options): Promise<void> {
  const { migrate, openConfiguredDatabase } = await import('../../database/index.ts');
  const database = openConfiguredDatabase(config);
  try {
    const ran = await migrate(database);
    if (json === true) printJson({ ran });
    else for (const name of ran) print(name);
    say(ran.length === 0 ? 'the database is up to date' : `${counted(ran.length, 'migration')} run`);
  } finally {
    await database.close();
  }
}

async function statusOf(config: Config): Promise<MigrationStatus[]> {
  const { listMigrations, listMissingDatabase, sqlitePathOf } = await import('../../database/index.ts');
  const path = sqlitePathOf(config.database.url);
  return path !== undefined && !existsSync(path) ? listMissingDatabase() : withDatabase(config, listMigrations);
}

async function showStatus(config: Config, { json }: Options): Promise<void> {
  const migrations = await statusOf(config);
  if (json === true) return printJson({ migrations });
  printTable(['MIGRATION', 'STATE'], migrations.map(({ name, state }) => [name, state]));
  const unknown = migrations.filter(({ state }) => state === 'unknown');
  if (unknown.length > 0) say('the unknown ones were run by a newer version of the server: this one must not use the database');
}
