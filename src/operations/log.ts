import { pino, stdTimeFunctions, type DestinationStream } from 'pino';
import type { Log } from '../kernel/log.ts';

export interface LogOptions {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
  /** `auto` is text on a terminal and JSON elsewhere. */
  readonly format: 'json' | 'text' | 'auto';
}

/** Fields whose values never reach a log, wherever in a line they are. */
const secretFields = ['token', 'access_token', 'refresh_token', 'subject_token', 'authorization', 'client_secret', 'secret', 'password', 'pin', 'hashed_pin', 'code', 'as_token', 'hs_token', 'cookie'];
const redact = { paths: secretFields.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]), censor: '[redacted]' };

/** Values that look like one of our own credentials or a Matrix token, for text that was put together elsewhere. */
const secretPattern = /\b(tep\.[\w-]+\.[\w-]+\.[\w-]+|dev\.eyJ[\w-]+\.[\w-]+\.[\w-]+|(?:adm|rt|dc|secret|whsec|syt|mat|mct|mcr)_[\w-]{8,}|Bearer\s+\S+)/g;
export const withoutSecrets = (text: string): string => text.replace(secretPattern, '[redacted]');

const levelNames: Record<number, string> = { 20: 'debug', 30: 'info', 40: 'warn', 50: 'error' };

/** One line for people: time, level, message, fields. */
function asText(line: string): string {
  const { level, time, msg, ...fields } = JSON.parse(line) as { level: number; time: string; msg: string };
  const rest = Object.entries(fields).map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return `${time} ${(levelNames[level] ?? String(level)).padEnd(5)} ${[msg, ...rest].join(' ')}\n`;
}

/** The process's logger, on standard error: standard output is for answers. */
export function createLog(options: LogOptions, stream: NodeJS.WritableStream & { isTTY?: boolean } = process.stderr): Log {
  const text = options.format === 'text' || (options.format === 'auto' && stream.isTTY === true);
  const destination: DestinationStream = { write: (line) => void stream.write(text ? asText(withoutSecrets(line)) : withoutSecrets(line)) };
  return pino({ level: options.level, base: null, timestamp: stdTimeFunctions.isoTime, redact }, destination);
}
