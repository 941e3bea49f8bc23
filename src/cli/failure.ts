import { CommanderError } from 'commander';
import { say } from './output.ts';

/** A command could not do what it was asked to; the message says why and what to do, and is all that is shown. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed';
}

export const exitCode = { failed: 1, wrongUsage: 2 } as const;

/** What is shown with a stack: the mistake is in the program, not in what it was given. */
const isBug = (error: unknown): boolean => [TypeError, RangeError, ReferenceError, SyntaxError].some((kind) => error instanceof kind);

/** Says on standard error why a command ended, and returns the exit code for it. */
export function reportFailure(error: unknown): number {
  // commander has said already what is wrong, or shown the help or version that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCode.wrongUsage;
  if (!(error instanceof Error)) say(`tmcp: ${String(error)}`);
  else if (error.name === 'ConfigError') say(error.message);
  else say(`tmcp: ${isBug(error) ? (error.stack ?? error.message) : messageOf(error)}`);
  return exitCode.failed;
}

/** Some errors of the network have several causes and no message of their own. */
export function messageOf(error: Error): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map((cause) => (cause instanceof Error ? cause.message : String(cause))).join('; ');
  return error.message;
}
