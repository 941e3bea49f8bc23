import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { withDatabase } from '../database.ts';
import { CommandFailed } from '../failure.ts';
import { writeSecretFile } from '../files.ts';
import { configFileOf } from '../options.ts';
import { print, printJson, say } from '../output.ts';

const postgresAdvice = `the database is PostgreSQL: copy it with its own tool, for example
  pg_dump --format=custom --file=tmcp.dump "$DATABASE_URL"
where DATABASE_URL is what database.url has.`;

async function backup(file: string, { json }: { json?: true }, command: Command): Promise<void> {
  const { loadConfig } = await import('../../config/index.ts');
  const { finishSqliteCopy, sqlitePathOf } = await import('../../database/index.ts');
  const config = loadConfig({ file: configFileOf(command), ignoreRegistration: true });
  const keyRing = `The key ring is not in it, on purpose. Keep a copy of ${config.security.key_ring} in another place: without it the secrets in the backup can't be read.`;
  if (sqlitePathOf(config.database.url) === undefined) throw new CommandFailed(`${postgresAdvice}\n${keyRing}`);

  const path = resolve(file);
  await withDatabase(config, (database) =>
    writeSecretFile(path, false, async (draft) => {
      await database.backup(draft);
      const problems = finishSqliteCopy(draft);
      if (problems.length > 0) throw new CommandFailed(`the copy is damaged, and so is probably the database:\n${problems.join('\n')}`);
    }),
  );
  const { size } = await stat(path);
  if (json === true) printJson({ file: path, size_bytes: size });
  else print(`${path}: ${size} bytes`);
  say(`The copy was checked (PRAGMA integrity_check).\n${keyRing}`);
}

/** `tmcp backup` */
export function addBackup(program: Command): void {
  program
    .command('backup <file>')
    .summary('copy a live SQLite database')
    .description('Makes a consistent copy of the SQLite database while the server runs, checks it, and prints its size. An existing file is never overwritten. The key ring is not in the copy.')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample: tmcp backup /var/backups/tmcp-$(date +%F).db\nHow to restore it is in docs/administration.md.')
    .action(backup);
}
