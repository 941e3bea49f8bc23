import { Option, type Command } from 'commander';
import type { CopiedTable } from '../../database/index.ts';
import { auditBooks } from '../books.ts';
import { withCurrentDatabase } from '../database.ts';
import { CommandFailed } from '../failure.ts';
import { configFileOf } from '../options.ts';
import { counted, printJson, printTable, say } from '../output.ts';

const targetVariable = 'COPY_TO_DATABASE_URL';

async function copy({ to, json }: { to?: string; json?: true }, command: Command): Promise<void> {
  const { loadConfig } = await import('../../config/index.ts');
  const { copyDatabase, CopyRefused, lockSqliteForServer, openConfiguredDatabase, sqlitePathOf } = await import('../../database/index.ts');
  const config = loadConfig({ file: configFileOf(command), ignoreRegistration: true });
  const path = sqlitePathOf(config.database.url);
  if (path === undefined) throw new CommandFailed('the configured database is not SQLite (database.url): PostgreSQL has its own tools to be copied with');
  if (to === undefined || !/^postgres(ql)?:\/\//.test(to)) throw new CommandFailed(`say where to: --to or ${targetVariable} with a postgres:// URL`);

  const copied = await withCurrentDatabase(config, async (source) => {
    // Nobody writes to it from here on: what a server acknowledged meanwhile would be missing in the copy.
    const lock = lockSqliteForServer(path);
    const target = openConfiguredDatabase({ database: { ...config.database, url: to } });
    try {
      return await target.inTransaction(async (tx): Promise<CopiedTable[]> => {
        const tables = await copyDatabase(source, tx);
        const breaks = await auditBooks(tx);
        if (breaks.length > 0) throw new CommandFailed(`the books do not hold in the copy, and so probably not in the source ("tmcp wallet audit"):\n${breaks.map(({ check, detail }) => `${check}: ${detail}`).join('\n')}`);
        return tables;
      });
    } catch (error) {
      throw error instanceof CopyRefused ? new CommandFailed(`${error.message}\nNothing was written to the target.`) : error;
    } finally {
      await target.close();
      lock.release();
    }
  });
  if (json === true) printJson({ tables: copied });
  else printTable(['TABLE', 'ROWS', 'CHECKSUM'], copied.map(({ table, rows, checksum }) => [table, String(rows), checksum]));
  say(`${counted(copied.reduce((sum, { rows }) => sum + rows, 0), 'row')} copied, read back and compared; the books hold.\nNow set database.url to the target and start the server, with the same key ring. ${path} is as it was: keep it until you are sure, and never start a server on it again.`);
}

/** `tmcp database` */
export function addDatabase(program: Command): void {
  const database = program.command('database').summary('copy the database from SQLite to PostgreSQL').description('The way from one machine with SQLite to several over PostgreSQL.');
  database
    .command('copy')
    .summary('copy the SQLite database to PostgreSQL')
    .description('Copies the configured SQLite database, whose server must be stopped, into an empty PostgreSQL database: all of it or nothing. Each table is read back and compared by its number of rows and a checksum, and the books are audited before anything is committed.')
    .addOption(new Option('--to <url>', 'postgres:// URL of the target; better in the environment, where other users of the machine do not see its password').env(targetVariable))
    .option('--json', 'print JSON')
    .addHelpText('after', `\nExample: ${targetVariable}=postgres://tmcp:secret@db/tmcp tmcp database copy\nWhat to do before and after is in docs/administration.md.`)
    .action(copy);
}
