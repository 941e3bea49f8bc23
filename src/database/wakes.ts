import type { Client, Notification } from 'pg';
import type { Clock } from '../kernel/clock.ts';
import { errorText } from '../kernel/errors.ts';
import { newId } from '../kernel/ids.ts';
import type { Log } from '../kernel/log.ts';
import { LoopHealth, type LoopReport } from '../kernel/loop-health.ts';
import { createLocalWakes, wakeTopics, type Wakes, type WakeTopic } from '../kernel/wakes.ts';
import type { Database } from './database.ts';

/** Hints to and from other processes over the same database. */
export interface SharedWakes extends Wakes {
  /** Connects, and goes on trying; never waits for the database. Does nothing on SQLite, which has one server only. */
  start(): void;
  stop(): Promise<void>;
  /** Undefined where there are no other processes. */
  health(): LoopReport | undefined;
}

const channel = 'tmcp_wakes';
/** PostgreSQL takes messages of less than 8,000 bytes. */
const maxMessageBytes = 7000;
/** Keys that wait to be told; beyond, "anything" is said in their place. */
const maxPending = 5000;
const retryMs = { first: 250, last: 10_000 };
/** How often a quiet connection is asked whether it still is one, and how long it may think about it. */
const checkEveryMs = 10_000;
const checkLimitMs = 5000;

interface Message {
  readonly from: string;
  readonly topic: WakeTopic;
  readonly keys?: readonly string[];
}

/** What another process sent; undefined for anything else that somebody may say on the channel. */
function readMessage(text: string | undefined): Message | undefined {
  try {
    const message = JSON.parse(text ?? '') as Partial<Message> | null;
    const { from, topic, keys } = message ?? {};
    const known = typeof from === 'string' && topic !== undefined && wakeTopics.includes(topic);
    return known && (keys === undefined || (Array.isArray(keys) && keys.every((key) => typeof key === 'string'))) ? (message as Message) : undefined;
  } catch {
    return undefined;
  }
}

/** As few messages as hold all keys. */
function messagesOf(from: string, topic: WakeTopic, keys: ReadonlySet<string> | 'anything'): string[] {
  if (keys === 'anything') return [JSON.stringify({ from, topic })];
  const messages: string[] = [];
  let bytes = 0;
  let part: string[] = [];
  for (const key of keys) {
    const size = Buffer.byteLength(JSON.stringify(key)) + 1;
    if (part.length > 0 && bytes + size > maxMessageBytes) {
      messages.push(JSON.stringify({ from, topic, keys: part }));
      [part, bytes] = [[], 0];
    }
    part.push(key);
    bytes += size;
  }
  return [...messages, JSON.stringify({ from, topic, keys: part })];
}

/**
 * `LISTEN` and `NOTIFY` on a connection of its own. What is told while a message is under way goes with the next one. It is sent
 * after the commit, not in the transaction: there it would make all commits of all processes wait for each other.
 */
class PostgresWakes implements SharedWakes {
  readonly #id = newId('wakes');
  readonly #local = createLocalWakes();
  readonly #connect: () => Client;
  readonly #log: Log;
  readonly #health: LoopHealth;
  readonly #pending = new Map<WakeTopic, Set<string> | 'anything'>();
  #client: Client | undefined;
  #sending = false;
  #stopped = true;
  #retryMs = retryMs.first;
  #timer: NodeJS.Timeout | undefined;

  constructor(connect: () => Client, clock: Clock, log: Log) {
    this.#connect = connect;
    this.#log = log;
    this.#health = new LoopHealth(clock, 6 * checkEveryMs);
  }

  tell(topic: WakeTopic, keys?: readonly string[]): void {
    this.#local.tell(topic, keys);
    if (this.#client === undefined) return;
    const pending = this.#pending.get(topic) ?? new Set<string>();
    if (keys === undefined || pending === 'anything' || pending.size + keys.length > maxPending) this.#pending.set(topic, 'anything');
    else this.#pending.set(topic, new Set([...pending, ...keys]));
    if (!this.#sending) void this.#send();
  }

  on(topic: WakeTopic, listener: (keys: readonly string[] | undefined) => void): void {
    this.#local.on(topic, listener);
  }

  start(): void {
    this.#stopped = false;
    void this.#open();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    const client = this.#client;
    this.#client = undefined;
    await client?.end().catch(() => undefined);
  }

  health(): LoopReport {
    return this.#health.report();
  }

  async #open(): Promise<void> {
    const client = this.#connect();
    client.on('error', (error) => this.#lost(client, error));
    client.on('end', () => this.#lost(client, new Error('the connection was closed')));
    client.on('notification', ({ payload }: Notification) => this.#hear(payload));
    try {
      await client.connect();
      await client.query(`LISTEN ${channel}`);
    } catch (error) {
      this.#lost(client, error, true);
      return;
    }
    if (this.#stopped) return void client.end().catch(() => undefined);
    this.#client = client;
    this.#retryMs = retryMs.first;
    this.#health.succeeded();
    // What was said while nobody listened is not said again.
    for (const topic of wakeTopics) this.#local.tell(topic);
    this.#check(client);
  }

  /** A connection whose other end is gone without a word is noticed by asking. */
  #check(client: Client): void {
    this.#timer = setTimeout(() => {
      const limit = setTimeout(() => this.#lost(client, new Error('no answer')), checkLimitMs);
      client.query('SELECT 1').then(
        () => {
          clearTimeout(limit);
          if (this.#client !== client) return;
          this.#health.succeeded();
          this.#check(client);
        },
        (error: unknown) => {
          clearTimeout(limit);
          this.#lost(client, error);
        },
      );
    }, checkEveryMs).unref();
  }

  #lost(client: Client, error: unknown, connecting = false): void {
    if (this.#stopped || (!connecting && this.#client !== client)) return;
    this.#client = undefined;
    this.#pending.clear();
    this.#health.failed(error);
    this.#log.warn({ error: errorText(error) }, 'no hints from other instances: this one looks at the database more rarely until the connection is back');
    void client.end().catch(() => undefined);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#open(), this.#retryMs).unref();
    this.#retryMs = Math.min(2 * this.#retryMs, retryMs.last);
  }

  #hear(payload: string | undefined): void {
    const message = readMessage(payload);
    if (message !== undefined && message.from !== this.#id) this.#local.tell(message.topic, message.keys);
  }

  async #send(): Promise<void> {
    this.#sending = true;
    // What is told in the same turn goes along.
    await new Promise(setImmediate);
    while (this.#pending.size > 0 && this.#client !== undefined) {
      const client = this.#client;
      const messages = [...this.#pending].flatMap(([topic, keys]) => messagesOf(this.#id, topic, keys));
      this.#pending.clear();
      await client.query(`SELECT pg_notify('${channel}', message) FROM unnest(CAST($1 AS text[])) AS message`, [messages]).catch((error: unknown) => this.#lost(client, error));
    }
    this.#sending = false;
  }
}

/** The way to other processes that this database offers. */
export function createWakes(database: Database, clock: Clock, log: Log): SharedWakes {
  const { connectAlone } = database;
  if (connectAlone === undefined) return { ...createLocalWakes(), start() {}, stop: () => Promise.resolve(), health: () => undefined };
  return new PostgresWakes(connectAlone, clock, log);
}
