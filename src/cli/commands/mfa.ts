import type { Command } from 'commander';
import type { MfaAdministration } from '../../mfa/index.ts';
import { quietLog } from '../../kernel/log.ts';
import { commandLineAudit } from '../audit.ts';
import { withCurrentDatabase } from '../database.ts';
import { CommandFailed } from '../failure.ts';
import { configFileOf, shortName } from '../options.ts';
import { counted, say } from '../output.ts';

async function administering<T>(command: Command, work: (administration: MfaAdministration) => Promise<T>): Promise<T> {
  const { loadConfig } = await import('../../config/index.ts');
  const { createJobQueue } = await import('../../jobs/index.ts');
  const { systemClock: clock } = await import('../../kernel/clock.ts');
  const { createRoomEvents } = await import('../../matrix/index.ts');
  const { buildMfaAdministration } = await import('../../factors.ts');
  const { callWalletService } = await import('../../wallet-adapter.ts');
  const audit = await commandLineAudit();
  const config = loadConfig({ file: configFileOf(command), ignoreRegistration: true });
  const calls = callWalletService({ config, clock, log: quietLog, observer: () => ({ onWalletCall: () => {} }) });
  const queue = createJobQueue(clock);
  try {
    return await withCurrentDatabase(config, (database) =>
      work(buildMfaAdministration({ config, database, clock, log: quietLog, queue, events: createRoomEvents(queue), audit, askFactors: calls === undefined ? undefined : (request) => calls.client.factors(request) })),
    );
  } finally {
    await calls?.close();
  }
}

async function userOf(text: string) {
  const { isUserId } = await import('../../kernel/ids.ts');
  if (!isUserId(text)) throw new CommandFailed(`${text} is not a Matrix user id`);
  return text;
}

async function unlock(user: string, { name }: { name: string }, command: Command): Promise<void> {
  const userId = await userOf(user);
  if (!(await administering(command, (administration) => administration.unlock(userId, name)))) throw new CommandFailed(`nothing of ${user} has failed or is locked`);
  say(`lifted the locks of ${user}`);
}

async function removeAll(user: string, { name }: { name: string }, command: Command): Promise<void> {
  const userId = await userOf(user);
  const count = await administering(command, (administration) => administration.removeAll(userId, name));
  if (count === 0) throw new CommandFailed(`${user} has no factor`);
  say(`removed ${counted(count, 'factor')} of ${user}`);
}

/** `tmcp mfa` */
export function addMfa(program: Command): void {
  const mfa = program.command('mfa').summary("users' second factors").description('For users who are locked out. Each use is recorded, and the user is told in their notice room.');
  mfa
    .command('unlock <user>')
    .summary('lift the locks of a user')
    .description('Lifts the locks that wrong attempts led to, and forgets the attempts. Fails when there are none.')
    .requiredOption('--name <name>', 'who does it: kept with the record', shortName)
    .addHelpText('after', '\nExample: tmcp mfa unlock @bob:example.org --name alice')
    .action(unlock);
  mfa
    .command('remove <user>')
    .summary('remove every factor of a user')
    .description('Removes PIN, authenticator, device keys and passkeys of a user who has lost them, and lowers their limits for a while. Be sure that it is them who asks: their next sign-in enrols a new factor.')
    .requiredOption('--name <name>', 'who does it: kept with the record', shortName)
    .addHelpText('after', '\nExample: tmcp mfa remove @bob:example.org --name alice')
    .action(removeAll);
}
