import type { MatrixClient } from 'matrix-js-sdk';
import { logger, type Logger } from 'matrix-js-sdk/lib/logger.js';

/** The part of the SDK's logger (a `loglevel` one) that its type does not mention. */
interface LogLevelLogger {
  methodFactory: () => () => void;
  setLevel(level: string): void;
}

interface RequestOptions {
  localTimeoutMs?: number | undefined;
  abortSignal?: AbortSignal | undefined;
}

type Request = (method: string, url: URL | string, body?: unknown, options?: RequestOptions) => Promise<unknown>;

/** A logger for a client that says nothing. */
export const silence: Logger = {
  trace: () => undefined,
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  getChild: () => silence,
};

/** Silences the SDK's global logger too, which prints the address of each request; its children inherit the method factory. */
export function silenceSdk(): void {
  // The second child exists since the SDK was imported, too early to inherit.
  for (const each of [logger, logger.getChild('RoomStickyEvents')]) {
    const loglevel = each as unknown as LogLevelLogger;
    loglevel.methodFactory = () => () => undefined;
    loglevel.setLevel('silent');
  }
}

/**
 * The SDK arms a timer per request and never clears it (110 s for a sync), which would keep a finished test process alive. The
 * same time limit is given as a signal instead, whose timer does not.
 */
export function letProcessEnd(client: MatrixClient): void {
  const http = client.http as unknown as { requestOtherUrl: Request };
  const request = http.requestOtherUrl.bind(http);
  http.requestOtherUrl = (method, url, body, { localTimeoutMs, abortSignal, ...options } = {}) => {
    const signals = [abortSignal, localTimeoutMs === undefined ? undefined : AbortSignal.timeout(localTimeoutMs)];
    return request(method, url, body, { ...options, abortSignal: AbortSignal.any(signals.filter((signal) => signal !== undefined)) });
  };
}
