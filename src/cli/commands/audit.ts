import { InvalidArgumentError, type Command } from 'commander';
import type { Config } from '../../config/index.ts';
import type { KnownHead } from '../../security/audit/index.ts';
import { withCurrentDatabase } from '../database.ts';
import { CommandFailed } from '../failure.ts';
import { configFileOf, integer } from '../options.ts';
import { counted, print, printJson, say } from '../output.ts';

const batch = 1000;

async function configured(command: Command): Promise<Config> {
  const { loadConfig } = await import('../../config/index.ts');
  return loadConfig({ file: configFileOf(command), ignoreRegistration: true });
}

function head(text: string): KnownHead {
  const [, seq, hash] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text) ?? [];
  if (seq === undefined || hash === undefined) throw new InvalidArgumentError('It must be a number, a colon and 64 hexadecimal digits, as the log shows them.');
  return { seq: Number(seq), hash };
}

async function verify({ head: known, json }: { head?: KnownHead; json?: true }, command: Command): Promise<void> {
  const config = await configured(command);
  const { openKeyRing, ringExists, ringPlaceOf } = await import('../../security/key-ring.ts');
  const place = ringPlaceOf(config.security);
  if (!ringExists(place)) throw new CommandFailed(`there is no key ring at ${place.path} (security.key_ring): without it nobody can tell who wrote the chain`);
  const { systemClock: clock } = await import('../../kernel/clock.ts');
  const { verifyAudit } = await import('../../security/audit/index.ts');
  const keyRing = await openKeyRing({ ...place, clock });
  const { problems, first, last, hash } = await withCurrentDatabase(config, (database) => verifyAudit(database, keyRing, clock.now(), known));
  if (json === true) printJson({ problems, first, last, hash });
  else if (problems.length === 0) print(`${last}:${hash}`);
  if (problems.length > 0) throw new CommandFailed(problems.join('\n'));
  say(last < first ? 'the audit log is empty' : `entries ${first} to ${last} are whole and unchanged`);
}

async function exportEntries({ after }: { after: number }, command: Command): Promise<void> {
  const { listSealed, toWire } = await import('../../security/audit/index.ts');
  const count = await withCurrentDatabase(await configured(command), async (database) => {
    let written = 0;
    for (let entries = await listSealed(database, after, batch); entries.length > 0; entries = await listSealed(database, entries.at(-1)!.seq, batch)) {
      for (const entry of entries) print(JSON.stringify(toWire(entry)));
      written += entries.length;
    }
    return written;
  });
  say(`exported ${counted(count, 'audit record')}`);
}

/** `tmcp audit` */
export function addAudit(program: Command): void {
  const audit = program.command('audit').summary('the audit log').description('What was done and by whom: written once, each entry chained to the one before it.');
  audit
    .command('verify')
    .summary('find altered or missing entries')
    .description('Goes through the whole chain and prints where it ends, NUMBER:HASH. Fails at the first entry that was altered, is missing, or was put in.')
    .option('--head <number:hash>', 'where the chain ended once, from the log or an earlier run: it must still go through there', head)
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample: tmcp audit verify')
    .action(verify);
  audit
    .command('export')
    .summary('print entries as JSON lines')
    .description('Prints entries in order, one JSON object a line.')
    .option('--after <number>', 'only entries behind this number', integer(0, Number.MAX_SAFE_INTEGER), 0)
    .addHelpText('after', '\nExample: tmcp audit export --after 120000 >> audit.jsonl')
    .action(exportEntries);
}
