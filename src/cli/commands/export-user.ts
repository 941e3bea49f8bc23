import type { Command } from 'commander';
import { withApp } from '../app.ts';
import { commandLine, commandLineAudit } from '../audit.ts';
import { withCurrentDatabase } from '../database.ts';
import { CommandFailed } from '../failure.ts';
import { configFileOf, shortName } from '../options.ts';
import { counted, print, say } from '../output.ts';

async function exportUser(user: string, { name }: { name: string }, command: Command): Promise<void> {
  const [{ isUserId }, { loadConfig }] = await Promise.all([import('../../kernel/ids.ts'), import('../../config/index.ts')]);
  if (!isUserId(user)) throw new CommandFailed(`${user} is not a Matrix user id`);
  const record = await commandLineAudit();
  // Recorded before anything is shown: whoever stops it in the middle has seen some of it.
  await withCurrentDatabase(loadConfig({ file: configFileOf(command) }), (database) =>
    database.inTransaction((tx) => record(tx, { actor: commandLine, action: 'user.exported', target: { kind: 'user', id: user }, details: { administrator: name } })),
  );
  let count = 0;
  await withApp(command, async ({ storage }) => {
    for await (const { text } of storage.exportUser(user)) {
      print(text);
      count += 1;
    }
  });
  say(`${counted(count, 'line')} of stored entries of ${user}`);
}

/** `tmcp admin export-user` */
export function addExportUser(admin: Command): void {
  admin
    .command('export-user <user>')
    .summary('print what mini-apps store for a user')
    .description('Prints everything that any mini-app stores for a user, one JSON object a line, values as they were sent. It is recorded who did it.')
    .requiredOption('--name <name>', 'who does it: kept with the record', shortName)
    .addHelpText('after', '\nExample: tmcp admin export-user @bob:example.org --name alice > bob.jsonl')
    .action(exportUser);
}
