import type { Database, Transaction } from '../database/index.ts';
import type { Job, JobKind, JobQueue, Recording } from '../jobs/index.ts';
import { hasten, Unavailable } from '../jobs/index.ts';
import type { Clock } from '../kernel/clock.ts';
import type { FieldProblem } from '../kernel/errors.ts';
import type { MiniAppId, UserId } from '../kernel/ids.ts';
import type { Log } from '../kernel/log.ts';
import { createCommandHandler } from './commands.ts';
import { createMessageHandler } from './messages.ts';
import { catalogueStream, jobKind } from './events.ts';
import type { Homeserver } from './homeserver.ts';
import type { OwnNames } from './identity.ts';
import { createInbox, type Inbox, type InboxDependencies, type InboundJob } from './inbox.ts';
import { createLookups, type Lookups } from './lookups.ts';
import { membershipHandlers } from './membership.ts';
import { HomeserverMonitor } from './monitor.ts';
import type { RoomCommand, RoomEvents, RoomMessages } from './port.ts';
import { setAdministratorsRoom } from './repo.ts';
import type { RoomFacts } from './room-facts.ts';
import type { OwnRooms } from './rooms.ts';
import { asJobError, matrixJobs } from './sender.ts';

export interface ConnectionOptions {
  readonly appserviceId: string;
  readonly followInvites: boolean;
  readonly answersPerMinute: number;
  readonly maxContentBytes: number;
  readonly botDisplayName: string;
  readonly paymentsDisplayName: string;
}

export interface ConnectionDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly queue: JobQueue;
  readonly homeserver: Homeserver;
  readonly names: OwnNames;
  readonly events: RoomEvents;
  readonly rooms: OwnRooms;
  readonly facts: RoomFacts;
  readonly commands: readonly RoomCommand[];
  /** The administrators' room. */
  readonly messages?: RoomMessages | undefined;
  readonly checkContent: (type: string, content: unknown) => readonly FieldProblem[];
  readonly fillCatalogue: (tx: Transaction) => Promise<void>;
  readonly miniappName: (miniappId: MiniAppId) => Promise<string | undefined>;
  readonly onReceived: NonNullable<InboxDependencies['onReceived']>;
  readonly options: ConnectionOptions;
}

/** Everything between this server and the homeserver, put together. */
export interface MatrixConnection {
  readonly inbox: Inbox;
  readonly lookups: Lookups;
  readonly jobs: Readonly<Record<string, JobKind>>;
  readonly monitor: HomeserverMonitor;
  /** Queues what must hold on the homeserver whatever happened before: our users' names and the catalogue room. */
  prepare(): Promise<void>;
}

const inboundPolicy = { maxAttempts: 6, backoffBaseMs: 200, forgetBody: true } as const;

function inboundJob(deps: ConnectionDependencies): { kind: JobKind; types: ReadonlySet<string> } {
  const { options } = deps;
  const command = createCommandHandler({ ...deps, maxContentBytes: options.maxContentBytes, answersPerMinute: options.answersPerMinute });
  const messages = deps.messages === undefined ? {} : { 'm.room.message': createMessageHandler({ events: deps.events, messages: deps.messages, answersPerMinute: options.answersPerMinute }) };
  const handlers: Record<string, (job: Job) => Promise<Recording | void>> = { ...messages, ...membershipHandlers({ ...deps, followInvites: options.followInvites }), ...Object.fromEntries(deps.commands.map(({ type }) => [type, command])) };
  const kind: JobKind = {
    ...inboundPolicy,
    async run(job) {
      const { event } = job.body as InboundJob;
      const handle = handlers[event.type];
      // Taken in by a newer process, while servers are being replaced one by one.
      if (handle === undefined) throw new Unavailable(`no handler here for events of type ${event.type}: a newer version took it in`);
      try {
        return await handle(job);
      } catch (error) {
        throw asJobError(error);
      }
    },
  };
  // Of all the messages of all rooms the inbox keeps only those that are commands.
  return { kind, types: new Set(Object.keys(handlers).filter((type) => type !== 'm.room.message')) };
}

export function connectMatrix(deps: ConnectionDependencies): MatrixConnection {
  const { database, clock, log, queue, homeserver, names, events, rooms, options } = deps;
  const inbound = inboundJob(deps);
  const inbox = createInbox({ database, queue, names, types: inbound.types, messages: deps.messages, onMembership: (event) => deps.facts.forgetMembers(event.roomId), onReceived: deps.onReceived });
  const lookups = createLookups({ homeserver, names, rooms, miniappName: deps.miniappName, botDisplayName: options.botDisplayName, paymentsDisplayName: options.paymentsDisplayName });
  const monitor = new HomeserverMonitor({
    homeserver,
    appserviceId: options.appserviceId,
    clock,
    log,
    onReachable: () => hasten(database, ['matrix.', 'inbound.'], clock.now()),
  });
  return {
    inbox,
    lookups,
    monitor,
    jobs: { ...matrixJobs({ database, clock, homeserver, names, rooms, fillCatalogue: deps.fillCatalogue }), [jobKind.received]: inbox.takeApart, [jobKind.inbound]: inbound.kind },
    prepare: () =>
      database.inTransaction(async (tx) => {
        const profiles: [UserId, string][] = [
          [names.bot, options.botDisplayName],
          [names.payments, options.paymentsDisplayName],
        ];
        for (const [userId, displayName] of profiles) events.ensureProfile(tx, userId, displayName);
        await setAdministratorsRoom(tx, deps.messages?.roomId, clock.now());
        queue.enqueue(tx, { stream: catalogueStream, kind: jobKind.catalogue, body: {} });
      }),
  };
}
