/** What the server needs of a logger; pino's own signature. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  child(fields: object): Log;
}

/** For commands, which say themselves what there is to say. */
export const quietLog: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => quietLog };
