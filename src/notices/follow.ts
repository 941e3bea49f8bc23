import type { Database } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError, errorText } from '../kernel/errors.ts';
import { randomFraction } from '../kernel/ids.ts';
import type { Log } from '../kernel/log.ts';
import { eventText, heartbeatText, retryText } from './event-text.ts';
import { findEnds, listNotices } from './repo.ts';
import type { Stream } from './stream-set.ts';

export interface FollowDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly heartbeatMs: number;
}

const page = 100;
/** Clients come again spread over this time, not all at once. */
const retryMs = { least: 1000, spread: 4000 };

/** Says where the stream begins; with `resync` when what came before can't be told any more. */
async function opening(stream: Stream, { database }: FollowDependencies): Promise<string> {
  const { last, floor } = await findEnds(database, stream.asked);
  const since = stream.asked.lastEventId ?? last;
  // An id from behind the end is of another life of the database.
  const lost = since > last || since < floor;
  stream.cursor = lost ? last : since;
  // There may be something behind it already.
  stream.wake();
  return retryText(retryMs.least + Math.floor(randomFraction() * retryMs.spread)) + eventText(lost ? 'resync' : 'ready', stream.cursor, JSON.stringify({ position: stream.cursor }));
}

/** What is new for the stream, as text; empty when nothing is. */
async function news(stream: Stream, { database }: FollowDependencies): Promise<string> {
  stream.takeFresh();
  const { asked, cursor } = stream;
  const { last } = await findEnds(database, asked);
  if (last <= cursor) return '';
  const found = await listNotices(database, asked, cursor, page);
  if (found.length > 0) await asked.checkAccess();
  const end = found.at(-1)?.pos ?? 0;
  // Of a full page there may be more; else everything up to the end that was seen before has been looked at.
  if (found.length === page) stream.wake();
  stream.cursor = found.length === page ? end : Math.max(last, end);
  return found.filter(({ sessionId }) => sessionId === undefined || sessionId !== asked.sessionId).map(({ kind, pos, body }) => eventText(kind, pos, body)).join('');
}

/** The text of a stream, made as fast as it is taken. Ends by itself when the stream is over, or its token is not good any more. */
export async function* follow(stream: Stream, deps: FollowDependencies): AsyncGenerator<string> {
  const { clock, log, heartbeatMs } = deps;
  const sending = (text: string): string => {
    stream.sendingSince = clock.now();
    stream.beatAt = clock.now() + heartbeatMs;
    return text;
  };
  const farewell = (reason: string): string => sending(eventText('end', stream.cursor, JSON.stringify({ reason })));
  try {
    yield sending(await opening(stream, deps));
    for (;;) {
      stream.sendingSince = undefined;
      await stream.pause(clock.now());
      if (stream.endReason !== undefined) break;
      const quiet = clock.now() >= stream.beatAt;
      if (quiet) await stream.asked.checkAccess();
      const text = (await news(stream, deps)) || (quiet ? heartbeatText(stream.cursor) : '');
      if (text !== '') yield sending(text);
    }
    yield farewell(stream.endReason);
  } catch (error) {
    if (error instanceof AppError && error.status === 401) yield farewell('session_over');
    // The client comes again with what it has.
    else log.warn({ error: errorText(error) }, 'a stream of notices broke');
  }
}
