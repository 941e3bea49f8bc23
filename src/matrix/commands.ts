import { RateLimiterMemory } from 'rate-limiter-flexible';
import type { Transaction } from '../database/index.ts';
import type { Job, Recording } from '../jobs/index.ts';
import { AppError, type FieldProblem } from '../kernel/errors.ts';
import { localpartOf } from '../kernel/ids.ts';
import type { InboundJob } from './inbox.ts';
import { isServiceLocalpart } from './identity.ts';
import type { InboundEvent, RoomCommand, RoomEvents, Rooms } from './port.ts';

export interface CommandDependencies {
  readonly events: RoomEvents;
  readonly rooms: Rooms;
  readonly commands: readonly RoomCommand[];
  /** What is wrong with the content of an event of this type. */
  readonly checkContent: (type: string, content: unknown) => readonly FieldProblem[];
  readonly maxContentBytes: number;
  readonly answersPerMinute: number;
}

const isReference = (event: InboundEvent): boolean => {
  const relation = event.content['m.relates_to'];
  return typeof relation === 'object' && relation !== null && (relation as { rel_type?: unknown }).rel_type === 'm.reference';
};

/** Commands that people and bots give by posting events in rooms, and the answers to them (decision D11). */
export function createCommandHandler(deps: CommandDependencies): (job: Job) => Promise<Recording | void> {
  const { events, rooms, checkContent, maxContentBytes } = deps;
  const commands = new Map(deps.commands.map((command) => [command.type, command]));
  const limiter = new RateLimiterMemory({ points: deps.answersPerMinute, duration: 60 });

  const mayBeAnswered = (event: InboundEvent): Promise<boolean> =>
    limiter.consume(`${event.sender} ${event.roomId}`).then(
      () => true,
      () => false,
    );
  const replyTo = (event: InboundEvent, tx: Transaction) => (type: string, content: Readonly<Record<string, unknown>>) =>
    events.emit(tx, { place: { room: event.roomId }, speaker: 'bot', type, content: { ...content, 'm.relates_to': { rel_type: 'm.reference', event_id: event.eventId } } });

  const check = async (event: InboundEvent): Promise<void> => {
    const size = Buffer.byteLength(JSON.stringify(event.content));
    if (size > maxContentBytes) throw new AppError('PAYLOAD_TOO_LARGE', `The content has ${size} bytes; at most ${maxContentBytes} are read`);
    const problems = checkContent(event.type, event.content);
    if (problems.length > 0) throw new AppError('INVALID_REQUEST', problems.map(({ field, problem }) => `${field}: ${problem}`).join('; ').slice(0, 1000));
    await rooms.requireJoined(event.roomId, event.sender);
  };

  return async (job) => {
    const { event } = job.body as InboundJob;
    const command = commands.get(event.type);
    if (command === undefined || event.stateKey !== undefined || isServiceLocalpart(localpartOf(event.sender)) || isReference(event)) return undefined;
    // A further try of the same event is not another command; one that waited for the homeserver counts as the first.
    const isFirstTry = job.attempt === 1 && job.unsettledSince === undefined;
    if (isFirstTry && !(await mayBeAnswered(event))) return undefined;
    try {
      await check(event);
      const record = await command.handle(event);
      return (tx) => record(tx, replyTo(event, tx));
    } catch (error) {
      if (!(error instanceof AppError) || error.code === 'SERVICE_UNAVAILABLE' || error.code === 'INTERNAL_ERROR') throw error;
      return async (tx) => replyTo(event, tx)('m.tween.error', { code: error.code, message: error.message });
    }
  };
}
