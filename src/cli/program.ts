import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { packageRoot } from '../config/package-root.ts';
import { addAdmin } from './commands/admin.ts';
import { addAudit } from './commands/audit.ts';
import { addBackup } from './commands/backup.ts';
import { addDatabase } from './commands/database.ts';
import { addDoctor } from './commands/doctor.ts';
import { addKeys } from './commands/keys.ts';
import { addMfa } from './commands/mfa.ts';
import { addMigrate } from './commands/migrate.ts';
import { addQueue } from './commands/queue.ts';
import { addRegister } from './commands/register.ts';
import { addStart } from './commands/start.ts';
import { addWallet } from './commands/wallet.ts';

const { version } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string };

/** The command line. Its commands load what they need when they run, so that a wrong word is answered at once. */
export function buildProgram(): Command {
  const program = new Command('tmcp')
    .description('tmcp-server: a Matrix application service that turns a homeserver into a mini-app platform.')
    .version(version, '-V, --version', 'show the version')
    .option('-c, --config <file>', 'configuration file; without it TMCP_CONFIG, else the environment and defaults alone')
    .helpOption('-h, --help', 'show help for a command')
    .configureHelp({ showGlobalOptions: true })
    .exitOverride()
    .showHelpAfterError('(-h shows what this command takes)')
    .addHelpText('after', '\nExit codes: 0 done, 1 failed, 2 wrong usage. Standard output carries only the answer.\n\nExample: tmcp -c /etc/tmcp/config.yaml start');
  for (const add of [addStart, addRegister, addDoctor, addMigrate, addKeys, addAdmin, addMfa, addWallet, addAudit, addQueue, addBackup, addDatabase]) add(program);
  return program;
}
