import type { Database, Transaction } from '../database/index.ts';
import { countUnfinished } from '../jobs/index.ts';
import { isoTime } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import type { RoomId, UserId } from '../kernel/ids.ts';
import type { RoomMessages } from '../matrix/port.ts';
import { approvalOf, rejectionOf, type MiniApp, type MiniAppCommand, type Registrar } from '../miniapps/index.ts';
import { readCommand, rightFor, usage, type Command, type Right } from './commands.ts';
import { countByStatus, listWaiting } from './repo.ts';

export interface AdministrationDependencies {
  readonly database: Database;
  /** Takes an app, or the version of an active one that waits, on, as part of `tx`. Nothing is written when it throws. */
  readonly moveIn: (tx: Transaction, miniappId: string, by: Registrar, commandsFor: (status: string) => readonly MiniAppCommand[], reason?: string) => Promise<MiniApp>;
  readonly version: string;
  readonly homeserverState: () => string;
  readonly audit: (tx: Transaction, entry: { readonly sender: UserId; readonly command: string; readonly miniappId: string | undefined; readonly result: 'done' | 'refused'; readonly why?: string }) => Promise<void>;
  readonly roomId: RoomId;
  readonly viewers: readonly string[];
  readonly moderators: readonly string[];
}

const maxListed = 20;

type Decision = Extract<Command, { readonly name: 'approve' | 'reject' | 'suspend' }>;

const stepsOf = ({ name }: Decision) => (status: string) => (name === 'approve' ? approvalOf({ status }) : name === 'reject' ? rejectionOf({ status }) : (['suspend'] as const));

async function statusText({ database, version, homeserverState }: AdministrationDependencies): Promise<string> {
  const [apps, queue] = [await countByStatus(database), await countUnfinished(database)];
  const jobs = (state: 'queued' | 'parked'): number => queue.filter((one) => one.state === state).reduce((sum, { count }) => sum + count, 0);
  const waiting = (apps.get('submitted') ?? 0) + (apps.get('under_review') ?? 0);
  return [
    `tmcp-server ${version}, homeserver: ${homeserverState()}`,
    `mini-apps: ${[...apps].map(([status, count]) => `${count} ${status}`).join(', ') || 'none'}`,
    `waiting for a verdict: ${waiting}`,
    `queue: ${jobs('queued')} queued, ${jobs('parked')} parked`,
  ].join('\n');
}

async function reviewsText({ database }: AdministrationDependencies): Promise<string> {
  const waiting = await listWaiting(database, maxListed + 1);
  if (waiting.length === 0) return 'No mini-app waits for a verdict.';
  const lines = waiting.slice(0, maxListed).map(({ miniappId, name, status, registeredBy, since }) => `${miniappId}: ${name}, ${status}, by ${registeredBy}, since ${isoTime(since)}`);
  return [...lines, ...(waiting.length > maxListed ? ['… and more'] : [])].join('\n');
}

const rightsOf = ({ viewers, moderators }: AdministrationDependencies, sender: UserId): ReadonlySet<Right> =>
  moderators.includes(sender) ? new Set(['view', 'decide']) : viewers.includes(sender) ? new Set(['view']) : new Set();

/** `!tmcp …` in the administrators' room. Who may what is in the configuration: power in the room gives nothing. */
export function createAdministration(deps: AdministrationDependencies): RoomMessages {
  const { moveIn, audit } = deps;

  const decide = async (tx: Transaction, sender: UserId, command: Decision): Promise<string> => {
    const { name, miniappId, reason } = command;
    try {
      const app = await moveIn(tx, miniappId, { admin: sender }, stepsOf(command), reason);
      await audit(tx, { sender, command: name, miniappId, result: 'done' });
      return `${app.miniappId} (${app.name}) is ${app.status} now.`;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      await audit(tx, { sender, command: name, miniappId, result: 'refused', why: error.code });
      return `${miniappId.slice(0, 80)}: ${error.message}`;
    }
  };

  /** Asked before the transaction, which has only what is written. */
  const look = async (command: Command): Promise<string> => {
    if (command.name === 'status') return statusText(deps);
    if (command.name === 'reviews') return reviewsText(deps);
    return command.name === 'unclear' ? `${command.problem}\n${usage}` : usage;
  };

  return {
    roomId: deps.roomId,
    prefix: '!tmcp',
    async handle(sender, text) {
      const command = readCommand(text);
      const miniappId = 'miniappId' in command ? command.miniappId : undefined;
      if (!rightsOf(deps, sender).has(rightFor[command.name])) {
        return async (tx, reply) => {
          await audit(tx, { sender, command: command.name, miniappId, result: 'refused', why: 'not allowed' });
          reply('You may not do this.');
        };
      }
      if (command.name === 'approve' || command.name === 'reject' || command.name === 'suspend') return async (tx, reply) => reply(await decide(tx, sender, command));
      const found = await look(command);
      return (_tx, reply) => Promise.resolve(reply(found));
    },
  };
}
