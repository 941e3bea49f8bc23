import { RateLimiterMemory } from 'rate-limiter-flexible';
import type { Job, Recording } from '../jobs/index.ts';
import { localpartOf } from '../kernel/ids.ts';
import { isServiceLocalpart } from './identity.ts';
import type { InboundJob } from './inbox.ts';
import type { RoomEvents, RoomMessages } from './port.ts';

export interface MessageDependencies {
  readonly events: RoomEvents;
  readonly messages: RoomMessages;
  readonly answersPerMinute: number;
}

const isEdit = (content: Readonly<Record<string, unknown>>): boolean => (content['m.relates_to'] as { rel_type?: unknown } | null | undefined)?.rel_type === 'm.replace';

/** Commands that are written as text, and the answers to them. What was edited is no other command. */
export function createMessageHandler({ events, messages, answersPerMinute }: MessageDependencies): (job: Job) => Promise<Recording | void> {
  const limiter = new RateLimiterMemory({ points: answersPerMinute, duration: 60 });
  const mayBeAnswered = (sender: string): Promise<boolean> =>
    limiter.consume(sender).then(
      () => true,
      () => false,
    );
  return async (job) => {
    const { event } = job.body as InboundJob;
    const { msgtype, body } = event.content;
    if (event.roomId !== messages.roomId || msgtype !== 'm.text' || typeof body !== 'string' || isEdit(event.content) || isServiceLocalpart(localpartOf(event.sender))) return undefined;
    if (job.attempt === 1 && !(await mayBeAnswered(event.sender))) return undefined;
    const record = await messages.handle(event.sender, body.slice(messages.prefix.length).trim());
    return (tx) =>
      record(tx, (text) =>
        events.emit(tx, { place: { room: event.roomId }, speaker: 'bot', type: 'm.room.message', content: { msgtype: 'm.notice', body: text, 'm.relates_to': { 'm.in_reply_to': { event_id: event.eventId } } } }),
      );
  };
}
