import { AsyncLocalStorage } from 'node:async_hooks';

/** What is known of the HTTP request that is being served: it follows everything that the request causes. */
export interface RequestContext {
  readonly requestId: string;
  /** Of the caller, behind trusted proxies where there are any. */
  readonly address: string | undefined;
}

export const requestContext = new AsyncLocalStorage<RequestContext>();
