import { Option, type Command } from 'commander';
import type { Database } from '../../database/index.ts';
import type * as Jobs from '../../jobs/index.ts';
import { withCurrentDatabase } from '../database.ts';
import { CommandFailed } from '../failure.ts';
import { configFileOf, integer } from '../options.ts';
import { counted, print, printJson, printTable, say, shownTime } from '../output.ts';

async function withQueue<T>(command: Command, work: (database: Database, jobs: typeof Jobs) => Promise<T>): Promise<T> {
  const { loadConfig } = await import('../../config/index.ts');
  const jobs = await import('../../jobs/index.ts');
  return withCurrentDatabase(loadConfig({ file: configFileOf(command), ignoreRegistration: true }), (database) => work(database, jobs));
}

const shownJob = ({ created_at, next_at, ...job }: Jobs.JobSummary) => ({ ...job, created_at: shownTime(created_at), next_at: shownTime(next_at) });

const shortened = (text: string, length: number): string => (text.length <= length ? text : `${text.slice(0, length - 1)}…`);

async function list({ state, limit, json }: { state: 'parked' | 'queued'; limit: number; json?: true }, command: Command): Promise<void> {
  const jobs = (await withQueue(command, (database, { listJobs }) => listJobs(database, state, limit + 1))).map(shownJob);
  const shown = jobs.slice(0, limit);
  if (json === true) printJson({ jobs: shown, has_more: jobs.length > limit });
  else printTable(['ID', 'KIND', 'STREAM', 'ATTEMPTS', 'CREATED', 'LAST ERROR'], shown.map((job) => [job.id, job.kind, shortened(job.stream, 48), String(job.attempts), job.created_at, shortened(job.last_error ?? '', 100)]));
  if (jobs.length === 0) say(`no job is ${state}`);
  else if (jobs.length > limit) say(`only the oldest ${limit}; there are more: --limit`);
}

async function show(id: string, { body, json }: { body?: true; json?: true }, command: Command): Promise<void> {
  const found = await withQueue(command, (database, { findJob }) => findJob(database, id));
  if (found === undefined) throw new CommandFailed(`there is no job ${id}`);
  const { body: text, ...summary } = found;
  const job = shownJob(summary);
  const content = JSON.parse(text) as unknown;
  if (json === true) return printJson({ ...job, ...(body === true ? { body: content } : {}) });
  for (const [name, value] of Object.entries(job)) print(`${`${name}:`.padEnd(12)} ${value ?? '-'}`);
  if (body === true) print(`body: ${JSON.stringify(content, null, 2)}`);
}

async function replay(ids: readonly string[], { all }: { all?: true }, command: Command): Promise<void> {
  if ((ids.length > 0) === (all === true)) command.error('error: name the jobs, or give --all for every parked one');
  const count = await withQueue(command, (database, jobs) =>
    all === true ? database.inTransaction(async (tx) => jobs.replayParkedJobs(tx, await timeNow())) : changeEach(database, ids, jobs.replayJob),
  );
  say(`queued ${counted(count, 'job')} again`);
}

async function discard(ids: readonly string[], _options: object, command: Command): Promise<void> {
  const count = await withQueue(command, (database, { discardJob }) => changeEach(database, ids, discardJob));
  say(`discarded ${counted(count, 'job')}`);
}

const timeNow = async (): Promise<number> => (await import('../../kernel/clock.ts')).systemClock.now();

/** All of them or, when one is not parked, none. */
async function changeEach(database: Database, ids: readonly string[], change: typeof Jobs.replayJob): Promise<number> {
  const now = await timeNow();
  const wanted = [...new Set(ids)];
  await database.inTransaction(async (tx) => {
    for (const id of wanted) {
      if (!(await change(tx, id, now))) throw new CommandFailed(`job ${id} is not parked${wanted.length > 1 ? '; nothing was changed' : ''}`);
    }
  });
  return wanted.length;
}

/** `tmcp queue` */
export function addQueue(program: Command): void {
  const queue = program
    .command('queue')
    .summary('look at the queue, replay or discard parked jobs')
    .description('The durable queue: what the world must hear and what must happen later. A job that can not succeed is parked until an administrator replays or discards it; the jobs behind it go on.');
  queue
    .command('list')
    .summary('list jobs, oldest first')
    .description('Lists parked jobs, or those that wait for their turn, oldest first.')
    .addOption(new Option('--state <state>', 'which jobs').choices(['parked', 'queued']).default('parked'))
    .option('--limit <number>', 'most jobs to list', integer(1, 100_000), 50)
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample: tmcp queue list --state queued --limit 10')
    .action(list);
  queue
    .command('show <id>')
    .summary('show one job')
    .description('Shows one job. Its body is left out unless asked for: it holds what people wrote.')
    .option('--body', 'show the body too')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample: tmcp queue show job_abcdefghijklmnopqrst --body')
    .action(show);
  queue
    .command('replay [ids...]')
    .summary('queue parked jobs again')
    .description('Queues parked jobs again, at their old place in their stream and with all their attempts; a running server takes them up by itself.')
    .option('--all', 'every parked job')
    .addHelpText('after', '\nExample: tmcp queue replay job_abcdefghijklmnopqrst')
    .action(replay);
  queue
    .command('discard <ids...>')
    .summary('give up parked jobs')
    .description('Gives parked jobs up for good: what they were to do will not happen. They are deleted with other finished jobs (jobs.retention_days).')
    .addHelpText('after', '\nExample: tmcp queue discard job_abcdefghijklmnopqrst')
    .action(discard);
}
