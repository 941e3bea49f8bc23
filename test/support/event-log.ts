/** A Matrix event as a client received it. Ephemeral and account data have neither `eventId` nor `sender`. */
export interface ReceivedEvent {
  type: string;
  content: Record<string, unknown>;
  roomId: string | undefined;
  eventId: string | undefined;
  sender: string | undefined;
  /** Defined (perhaps empty) exactly for state events. */
  stateKey: string | undefined;
  originServerTs: number | undefined;
  unsigned: Record<string, unknown>;
}

/** What to wait for and how long. */
export interface WaitOptions {
  /** What is awaited, in words: it opens the message of a failure. */
  description: string;
  timeoutMs?: number;
}

interface Waiter<T> {
  offer(item: T): void;
}

const DEFAULT_TIMEOUT_MS = 30_000;

/** Everything of one sort that a client has received, in order, and those who wait for more. */
export class ReceivedLog<T> {
  readonly items: T[] = [];
  readonly #waiters = new Set<Waiter<T>>();
  readonly #label: (item: T) => string;

  /** `label` names an item in the message of a failed wait. */
  constructor(label: (item: T) => string) {
    this.#label = label;
  }

  /** Takes in what has arrived. */
  add(item: T): void {
    this.items.push(item);
    for (const waiter of [...this.#waiters]) waiter.offer(item);
  }

  /** The first item, past or future, that satisfies the predicate. */
  async waitFor(predicate: (item: T) => boolean, { description, timeoutMs = DEFAULT_TIMEOUT_MS }: WaitOptions): Promise<T> {
    const past = this.items.find(predicate);
    if (past !== undefined) return past;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const waiter: Waiter<T> = {
      offer: (item) => {
        try {
          if (predicate(item)) resolve(item);
        } catch (failure) {
          reject(failure instanceof Error ? failure : new Error(String(failure)));
        }
      },
    };
    const timer = setTimeout(() => {
      reject(new Error(`${description}: not received within ${timeoutMs} ms. Received: ${this.#summary()}`));
    }, timeoutMs);
    this.#waiters.add(waiter);
    return promise.finally(() => {
      clearTimeout(timer);
      this.#waiters.delete(waiter);
    });
  }

  #summary(): string {
    const counts = new Map<string, number>();
    for (const label of this.items.map(this.#label)) counts.set(label, (counts.get(label) ?? 0) + 1);
    const parts = [...counts].map(([label, count]) => (count > 1 ? `${label} ×${count}` : label));
    return parts.length > 0 ? parts.join(', ') : 'nothing';
  }
}
