import { AsyncLocalStorage } from 'node:async_hooks';
import type { Trace } from './trace.ts';

/** What is known of the HTTP request that is being served: it follows everything that the request causes. */
export interface RequestContext {
  readonly requestId: string;
  /** Of the caller, behind trusted proxies where there are any. */
  readonly address: string | undefined;
  readonly trace?: Trace;
  /** Adds headers to the answer, as long as it has not begun. */
  readonly answerHeaders?: (headers: Readonly<Record<string, string>>) => void;
}

export const requestContext = new AsyncLocalStorage<RequestContext>();
