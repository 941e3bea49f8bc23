import type { Command } from 'commander';
import type { Config } from '../../config/index.ts';
import type { AdminTokens } from '../../security/admin-tokens.ts';
import { commandLine, commandLineAudit } from '../audit.ts';
import { withCurrentDatabase } from '../database.ts';
import { CommandFailed } from '../failure.ts';
import { configFileOf, integer, shortName } from '../options.ts';
import { addExportUser } from './export-user.ts';
import { addWhitelist } from './whitelist.ts';
import { counted, print, printJson, printTable, say, shownTime } from '../output.ts';

const dayMs = 24 * 60 * 60_000;

async function configured(command: Command): Promise<Config> {
  const { loadConfig } = await import('../../config/index.ts');
  return loadConfig({ file: configFileOf(command), ignoreRegistration: true });
}

async function withTokens<T>(command: Command, work: (tokens: AdminTokens) => Promise<T>): Promise<T> {
  const { createAdminTokens } = await import('../../security/admin-tokens.ts');
  const { systemClock } = await import('../../kernel/clock.ts');
  return withCurrentDatabase(await configured(command), async (database) => work(createAdminTokens({ database, clock: systemClock, audit: await commandLineAudit() })));
}

async function issue({ name, days }: { name: string; days: number }, command: Command): Promise<void> {
  const { token, expiresAt } = await withTokens(command, (tokens) => tokens.issue(name, days * dayMs, commandLine));
  print(token);
  say(`administrator ${name}, good until ${shownTime(expiresAt)}; it is shown this once`);
}

async function list({ json }: { json?: true }, command: Command): Promise<void> {
  const { systemClock } = await import('../../kernel/clock.ts');
  const tokens = await withTokens(command, (all) => all.list());
  const rows = tokens.map(({ name, createdAt, expiresAt, revokedAt }) => ({
    name,
    state: revokedAt !== undefined ? 'revoked' : expiresAt <= systemClock.now() ? 'expired' : 'good',
    created_at: shownTime(createdAt),
    expires_at: shownTime(expiresAt),
  }));
  if (json === true) return printJson({ tokens: rows });
  printTable(['NAME', 'STATE', 'CREATED', 'EXPIRES'], rows.map(({ name, state, created_at, expires_at }) => [name, state, created_at, expires_at]));
  if (rows.length === 0) say('there are no tokens');
}

async function revoke(name: string, _options: object, command: Command): Promise<void> {
  const count = await withTokens(command, (tokens) => tokens.revoke(name, commandLine));
  if (count === 0) throw new CommandFailed(`${name} has no token that is good`);
  say(`revoked ${counted(count, 'token')} of ${name}`);
}

/** `tmcp admin` */
export function addAdmin(program: Command): void {
  const admin = program.command('admin').summary("administrators' tokens, and the developer whitelist").description('What administrators present to the HTTP interface, and who may be a developer.');
  admin
    .command('token')
    .summary('make a token for an administrator')
    .description('Makes a token that the operations for administrators accept, and prints it and nothing else. Only its hash is stored.')
    .requiredOption('--name <name>', 'whose it is: shown in lists and in the audit trail', shortName)
    .option('--days <number>', 'days until it expires', integer(1, 3650), 30)
    .addHelpText('after', '\nExample: curl -H "Authorization: Bearer $(tmcp admin token --name alice)" http://127.0.0.1:8627/mini-apps/v1/ma_official_wallet/status')
    .action(issue);
  const tokens = admin.command('tokens').summary('list or revoke tokens').description('The tokens that were made, without the tokens themselves.');
  tokens
    .command('list')
    .summary('list all tokens')
    .description('Lists all tokens, oldest first, revoked and expired ones as well.')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample: tmcp admin tokens list')
    .action(list);
  tokens
    .command('revoke <name>')
    .summary('revoke the tokens of an administrator')
    .description('Revokes every token that was made for this name, at once. Fails when none was good.')
    .addHelpText('after', '\nExample: tmcp admin tokens revoke alice')
    .action(revoke);
  addWhitelist(admin);
  addExportUser(admin);
}
