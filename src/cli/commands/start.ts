import type { Command } from 'commander';
import { configFileOf } from '../options.ts';

/** `tmcp start` */
export function addStart(program: Command): void {
  program
    .command('start')
    .summary('run the server')
    .description('Runs the server until SIGTERM or SIGINT. It brings the database up to date, makes the key ring on the first start, and says on standard error when it is ready.')
    .addHelpText('after', '\nExample: tmcp start -c /etc/tmcp/config.yaml')
    .action(async (_options: object, command: Command) => {
      const { start } = await import('../../main.ts');
      await start(configFileOf(command));
    });
}
