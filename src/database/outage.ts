/** PostgreSQL's lock_not_available, SQLite's busy: somebody held what a request needed for longer than it may wait. */
const busyCodes = new Set(['55P03', 'SQLITE_BUSY']);
/** Of PostgreSQL: it is starting, stopping, has crashed (57P01 to 57P03), or a connection to it has failed (class 08). */
const awayCodes = /^(57P0[123]|08\w{3}|ECONNREFUSED|ECONNRESET|EPIPE)$/;
/** The driver gives these no code, and knex puts the statement in front; the last is knex's own, which waited for a connection. */
const awayMessages = /(^| - )(Connection terminated|Client has encountered a connection error|timeout expired|Knex: Timeout acquiring a connection)/;

/** The database could not do what was asked of it just now. Whether something was committed is not known, so the same request has to come again. */
interface Outage {
  readonly kind: 'busy' | 'away';
  /** For who asked: nothing internal. */
  readonly message: string;
}

/** Undefined for any other error. */
export function outageOf(error: unknown): Outage | undefined {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  if (busyCodes.has(String(code))) return { kind: 'busy', message: 'The database is busy just now' };
  if (awayCodes.test(String(code)) || awayMessages.test(String(message))) return { kind: 'away', message: 'The database can not be reached just now' };
  return undefined;
}
