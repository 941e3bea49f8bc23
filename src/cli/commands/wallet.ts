import type { Command } from 'commander';
import type { Config } from '../../config/index.ts';
import type { Database } from '../../database/index.ts';
import type { UserId } from '../../kernel/ids.ts';
import type * as Wallets from '../../wallet/index.ts';
import { commandLine, commandLineAudit } from '../audit.ts';
import { auditBooks } from '../books.ts';
import { withCurrentDatabase } from '../database.ts';
import { CommandFailed } from '../failure.ts';
import { configFileOf, integer, shortName } from '../options.ts';
import { counted, print, printJson, printTable, say } from '../output.ts';

async function configured(command: Command): Promise<Config> {
  const { loadConfig } = await import('../../config/index.ts');
  return loadConfig({ file: configFileOf(command), ignoreRegistration: true });
}

/** @throws CommandFailed for what is no user of this homeserver: a mistyped name would get money that nobody can claim */
async function userFrom(text: string, domain: string): Promise<UserId> {
  const { isUserId, serverNameOf } = await import('../../kernel/ids.ts');
  if (!isUserId(text)) throw new CommandFailed(`${text} is not a Matrix user id such as @alice:${domain}`);
  if (serverNameOf(text) !== domain) throw new CommandFailed(`${text} is not a user of ${domain} (homeserver.domain)`);
  return text;
}

async function administer<T>(command: Command, user: string, work: (administration: Wallets.WalletAdministration, userId: UserId) => Promise<T>): Promise<T> {
  const config = await configured(command);
  if (config.wallet.adapter !== 'ledger') throw new CommandFailed('the money is kept by a wallet service of your own (wallet.adapter): this is for the embedded ledger');
  const userId = await userFrom(user, config.homeserver.domain);
  const { balanceScope, createWallet, createWalletAdministration, createWalletChanges, levelsOf } = await import('../../wallet/index.ts');
  const { createJobQueue } = await import('../../jobs/index.ts');
  const { usersWhoGranted } = await import('../../oauth/consent-repo.ts');
  const { systemClock: clock } = await import('../../kernel/clock.ts');
  const { asCurrency } = await import('../../kernel/money.ts');
  return withCurrentDatabase(config, async (database) => {
    const audit = await commandLineAudit();
    const record: Wallets.RecordWalletChange = (tx, action, target, details) => audit(tx, { actor: commandLine, action, target: { kind: 'user', id: target }, details });
    // The running server tells mini-apps of it.
    const changes = createWalletChanges({ queue: createJobQueue(clock), clock, haveGranted: (db, userIds) => usersWhoGranted(db, userIds, balanceScope) });
    const wallet = createWallet({ database, clock, levels: levelsOf(config.wallet), defaultCurrency: asCurrency(config.wallet.default_currency), changes });
    return work(createWalletAdministration({ database, clock, wallet, record, changes }), userId);
  });
}

async function credit(user: string, amount: string, currencyCode: string, { reason }: { reason: string }, command: Command): Promise<void> {
  const { readAmount, readCurrency } = await import('../../kernel/money.ts');
  const currency = readCurrency(currencyCode, 'currency');
  const amountMinor = readAmount(amount, currency, 'amount');
  const txnId = await administer(command, user, (administration, userId) => administration.credit(userId, { amountMinor, currency }, reason));
  print(txnId);
  say(`${user} has ${amount} ${currency} more`);
}

async function freeze(user: string, { reason }: { reason: string }, command: Command): Promise<void> {
  await administer(command, user, (administration, userId) => administration.freeze(userId, reason));
  say(`the wallet of ${user} is frozen`);
}

async function unfreeze(user: string, _options: object, command: Command): Promise<void> {
  await administer(command, user, (administration, userId) => administration.unfreeze(userId));
  say(`the wallet of ${user} is not frozen any more`);
}

async function verify(user: string, level: number, _options: object, command: Command): Promise<void> {
  await administer(command, user, (administration, userId) => administration.verify(userId, level));
  say(`${user} has verification level ${level}`);
}

async function runAudit(database: Database): Promise<{ breaks: Wallets.Break[]; totals: Wallets.BooksTotal[] }> {
  const { inSnapshot } = await import('../../database/index.ts');
  const { totalsOf } = await import('../../wallet/index.ts');
  return inSnapshot(database, async (db) => ({ breaks: await auditBooks(db), totals: await totalsOf(db) }));
}

async function audit({ json }: { json?: true }, command: Command): Promise<void> {
  const { breaks, totals } = await withCurrentDatabase(await configured(command), runAudit);
  if (json === true) printJson({ breaks, totals });
  else printTable(['CURRENCY', 'IN THE BOOKS (MINOR UNITS)', 'ACCOUNTS'], totals.map(({ currency, inside, accounts }) => [currency, inside, String(accounts)]));
  if (breaks.length === 0) return say('the books are in order');
  for (const { check, detail } of breaks) say(`broken: ${check}: ${detail}`);
  throw new CommandFailed(`${counted(breaks.length, 'break')} in the books; the first: ${breaks[0]!.check}`);
}

async function serve(options: { host: string; port: number }, command: Command): Promise<void> {
  const { remote } = (await configured(command)).wallet;
  if (remote === undefined) throw new CommandFailed('wallet.remote.api_key is not set: it is what callers have to present');
  const { serveWallet } = await import('../../wallet-server.ts');
  await serveWallet(configFileOf(command), options);
}

/** `tmcp wallet` */
export function addWallet(program: Command): void {
  const wallet = program.command('wallet').summary('credit, freeze and verify wallets; audit the books').description('The embedded ledger (wallet.adapter: ledger). Everything is done in one transaction and may be run while the server is running.');
  wallet
    .command('credit <user> <amount> <currency>')
    .summary('put money into a wallet')
    .description('Books money that came in from outside, and prints the transaction id. The wallet is opened when there is none. Running it twice credits twice.')
    .option('--reason <text>', 'shown in the history of the user', shortName, 'Deposit')
    .addHelpText('after', '\nExample: tmcp wallet credit @alice:example.org 100.00 USD')
    .action(credit);
  wallet
    .command('freeze <user>')
    .summary('stop a wallet')
    .description('Nothing goes out of the wallet any more, and nobody can start to send to it.')
    .requiredOption('--reason <text>', 'why: kept with the wallet', shortName)
    .addHelpText('after', '\nExample: tmcp wallet freeze @mallory:example.org --reason "case 17"')
    .action(freeze);
  wallet.command('unfreeze <user>').summary('let a wallet go on').description('Undoes `freeze`.').addHelpText('after', '\nExample: tmcp wallet unfreeze @mallory:example.org').action(unfreeze);
  wallet
    .command('verify <user>')
    .argument('<level>', 'verification level', integer(1, 3))
    .summary('set the verification level of a user')
    .description('Sets the level, 1 to 3, of an account that its owner has activated; limits follow from it (wallet.basic, wallet.verified, wallet.enhanced). This server verifies nobody itself: do it when you have seen the documents.')
    .addHelpText('after', '\nExample: tmcp wallet verify @alice:example.org 2')
    .action(verify);
  wallet
    .command('serve')
    .summary('run the embedded ledger as a wallet service')
    .description('Serves schema/wallet-service.yaml from the ledger in database.url, for callers that present wallet.remote.api_key, until SIGTERM or SIGINT. It is the reference for a service of your own: run it on a database that no tmcp-server uses, and point wallet.remote.url of the server at it.')
    .option('--host <address>', 'where to listen', '127.0.0.1')
    .option('--port <number>', 'where to listen', integer(0, 65_535), 8630)
    .addHelpText('after', '\nExample: tmcp wallet serve -c /etc/tmcp/wallet.yaml')
    .action(serve);
  wallet
    .command('audit')
    .summary('check every invariant of the books')
    .description('Recomputes every balance from the transfers and checks every invariant, in one snapshot. Says each break, and fails when there is one.')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample: tmcp wallet audit')
    .action(audit);
}
