/**
 * Tells other parts of the house, in this process and where it can in others, that something was committed. Only a hint: it
 * may be lost, and may come twice. Who listens looks at the database, and looks now and then without being told.
 */
export interface Wakes {
  /** After a commit. Without keys: anything may have changed. Listeners of this process are called before it returns; it never throws. */
  tell(topic: WakeTopic, keys?: readonly string[]): void;
  /** `keys` is undefined when anything may have changed, also because hints may have been lost. Listeners must not throw. */
  on(topic: WakeTopic, listener: (keys: readonly string[] | undefined) => void): void;
}

/** What there is to be told, and what its keys are. */
export const wakeTopics = [
  /** User ids. */
  'notices',
  /** Names of spaces of stored entries, and of single entries. */
  'storage',
  /** None: there is work in the queue. */
  'jobs',
  /** Ids of sessions that ended or lost scopes. */
  'sessions',
  /** The same of clients' own. */
  'client_sessions',
  /** None: mini-apps, and their clients. */
  'miniapps',
] as const;
export type WakeTopic = (typeof wakeTopics)[number];

/** Within this process. */
export function createLocalWakes(): Wakes {
  const listeners = new Map<WakeTopic, ((keys: readonly string[] | undefined) => void)[]>();
  return {
    tell(topic, keys) {
      for (const listener of listeners.get(topic) ?? []) listener(keys);
    },
    on(topic, listener) {
      listeners.set(topic, [...(listeners.get(topic) ?? []), listener]);
    },
  };
}
