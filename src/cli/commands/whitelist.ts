import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import { asUserId, isUserId, type UserId } from '../../kernel/ids.ts';
import { withApp } from '../app.ts';
import { CommandFailed } from '../failure.ts';
import { counted, printJson, printTable, say, shownTime } from '../output.ts';

function userId(text: string): UserId {
  if (!isUserId(text)) throw new InvalidArgumentError('It must be a Matrix user id such as @alice:example.org.');
  return asUserId(text);
}

/** Who it was stands in the database; that it was done here, not over HTTP, is all that this machine knows of them. */
const byCommandLine = 'command line';
const pageSize = 500;

async function add(user: UserId, { reason }: { reason?: string }, command: Command): Promise<void> {
  const { isNew } = await withApp(command, ({ whitelist }) => whitelist.add(user, byCommandLine, reason));
  say(isNew ? `${user} may be a developer now` : `${user} was on the whitelist already`);
}

async function remove(user: UserId, { reason }: { reason?: string }, command: Command): Promise<void> {
  const ended = await withApp(command, async ({ whitelist }) => {
    const { AppError } = await import('../../kernel/errors.ts');
    return whitelist.remove(user, byCommandLine, reason).catch((error: unknown) => {
      throw error instanceof AppError && error.code === 'NOT_FOUND' ? new CommandFailed(`${user} is not on the whitelist`) : error;
    });
  });
  say(`${user} is no developer any more; ${counted(ended, 'sign-in')} ended`);
}

async function list({ json }: { json?: true }, command: Command): Promise<void> {
  const entries = await withApp(command, async ({ whitelist }) => {
    const all = [];
    for (let offset = 0; ; offset += pageSize) {
      const page = await whitelist.list({ limit: pageSize, offset });
      all.push(...page.entries);
      if (page.entries.length < pageSize) return all;
    }
  });
  const rows = entries.map((entry) => ({ user_id: entry.userId, added_by: entry.addedBy, added_at: shownTime(entry.addedAt), reason: entry.reason ?? null }));
  if (json === true) return printJson({ developers: rows });
  printTable(['DEVELOPER', 'ADDED BY', 'ADDED', 'REASON'], rows.map((row) => [row.user_id, row.added_by, row.added_at, row.reason ?? '']));
  if (rows.length === 0) say('the whitelist is empty');
}

/** `tmcp admin whitelist`: who may be a developer (specification section 4.4.8). */
export function addWhitelist(admin: Command): void {
  const whitelist = admin.command('whitelist').summary('who may be a developer').description('The developer whitelist. Who is removed loses all developer tokens at once, in running servers too.');
  whitelist
    .command('add')
    .argument('<user>', 'Matrix user id', userId)
    .summary('let somebody be a developer')
    .description('Puts a Matrix user on the developer whitelist.')
    .option('--reason <text>', 'kept with the entry')
    .addHelpText('after', '\nExample: tmcp admin whitelist add @alice:example.org --reason "works for ACME"')
    .action(add);
  whitelist
    .command('remove')
    .argument('<user>', 'Matrix user id', userId)
    .summary('end a developer’s access')
    .description('Takes a Matrix user off the developer whitelist and ends their tokens. Fails when they are not on it.')
    .option('--reason <text>', 'kept with the entry')
    .addHelpText('after', '\nExample: tmcp admin whitelist remove @alice:example.org')
    .action(remove);
  whitelist
    .command('list')
    .summary('list developers')
    .description('Lists everybody on the developer whitelist.')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample: tmcp admin whitelist list')
    .action(list);
}
