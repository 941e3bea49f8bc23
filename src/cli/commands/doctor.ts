import type { Command } from 'commander';
import type { NamedFinding } from '../doctor/index.ts';
import { exitCode } from '../failure.ts';
import { configFileOf } from '../options.ts';
import { counted, print, printJson, say } from '../output.ts';

const marks = { ok: 'ok', warning: 'WARNING', failed: 'FAILED', skipped: 'skipped' } as const;

function printFinding({ name, status, summary, mend }: NamedFinding): void {
  const [first = '', ...more] = summary.split('\n');
  print(`${marks[status].padEnd(8)} ${name.padEnd(23)} ${first}`);
  for (const line of [...more, ...(mend === undefined ? [] : [`-> ${mend}`])]) print(`${''.padEnd(33)}${line}`);
}

async function doctor({ json }: { json?: true }, command: Command): Promise<void> {
  const { examine } = await import('../doctor/index.ts');
  const findings = await examine(configFileOf(command));
  const count = (status: NamedFinding['status']): number => findings.filter((finding) => finding.status === status).length;
  const status = count('failed') > 0 ? 'failed' : count('warning') > 0 ? 'warning' : 'ok';
  if (json === true) printJson({ status, checks: findings });
  else findings.forEach(printFinding);
  say(status === 'ok' ? 'all is well' : `${counted(count('failed'), 'failure')}, ${counted(count('warning'), 'warning')}`);
  if (status === 'failed') process.exitCode = exitCode.failed;
}

/** `tmcp doctor` */
export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .summary('check the installation and say how to mend it')
    .description('Checks configuration, registration, storage, keys, queue, the homeserver in both directions and the clock, and says how to mend what is wrong. It changes nothing. Exit code 1 when a check failed; warnings alone are 0.')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample: tmcp doctor -c /etc/tmcp/config.yaml')
    .action(doctor);
}
