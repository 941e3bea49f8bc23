import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { EventEmitter, once } from 'node:events';

/** A client of `GET /api/v1/events`. */
export interface EventStream {
  readonly status: number;
  readonly headers: Headers;
  /** Of an answer that is no stream. */
  // Tests look at whatever the body has.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly body: any;
  /** The next event, read. Throws when there is none in time, or when the stream ends first. */
  next(): Promise<StreamEvent>;
  /** Of the events that have come, those that were not asked for. */
  readonly unread: readonly StreamEvent[];
  /** How many signs of life came. */
  readonly comments: number;
  /** The id to come back with, which also signs of life move. */
  readonly lastEventId: string | undefined;
  /** Resolves when the stream has ended, however. */
  readonly ended: Promise<void>;
  close(): void;
}

export interface StreamEvent {
  readonly event: string | undefined;
  readonly id: number;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly data: any;
}

const LIMIT_MS = 30_000;

export async function openEvents(url: string, token: string | undefined, options: { readonly lastEventId?: number | string; readonly query?: string } = {}): Promise<EventStream> {
  const controller = new AbortController();
  const response = await fetch(`${url}/api/v1/events${options.query ?? ''}`, {
    headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...(options.lastEventId === undefined ? {} : { 'last-event-id': String(options.lastEventId) }) },
    signal: controller.signal,
  });
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') === true;
  const unread: StreamEvent[] = [];
  const news = new EventEmitter();
  const seen = { comments: 0, lastEventId: undefined as string | undefined, over: false };
  const parser = createParser({
    onEvent({ event, id, data }: EventSourceMessage) {
      unread.push({ event, id: Number(id), data: JSON.parse(data) as unknown });
      news.emit('news');
    },
    onComment() {
      seen.comments += 1;
      news.emit('news');
    },
  });
  const read = async (): Promise<void> => {
    try {
      for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
        // An id without data is no event, but moves what the client comes back with: the parser does not tell.
        for (const [, id] of chunk.matchAll(/^id: (\d+)$/gm)) seen.lastEventId = id;
        parser.feed(chunk);
      }
    } catch {
      // Cut off: an end like any other.
    }
    seen.over = true;
    news.emit('news');
  };
  const ended = isStream ? read() : Promise.resolve();
  return {
    status: response.status,
    headers: response.headers,
    body: isStream ? undefined : (await response.json()),
    unread,
    get comments() {
      return seen.comments;
    },
    get lastEventId() {
      return seen.lastEventId;
    },
    ended,
    async next() {
      const limit = AbortSignal.timeout(LIMIT_MS);
      for (;;) {
        const event = unread.shift();
        if (event !== undefined) return event;
        if (seen.over) throw new Error('the stream has ended');
        await once(news, 'news', { signal: limit });
      }
    },
    close: () => controller.abort(),
  };
}
