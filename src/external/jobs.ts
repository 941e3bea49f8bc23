import type { NewJob } from '../jobs/index.ts';
import type { ExternalAccount, Order } from './types.ts';

export const accountExpiryKind = 'external_account.expire';
export const beginningKind = 'external_account.begin';
export const orderExpiryKind = 'external_order.expire';
export const askingKind = 'external_order.ask';

export interface AccountJob {
  readonly accountId: string;
}

export interface OrderJob {
  readonly kind: Order['kind'];
  readonly orderId: string;
}

/** The deadline of the state that it is in now; a stream of its own, as nothing else has to wait for it. */
export const accountExpiryJob = ({ id, status, expiresAt }: ExternalAccount): NewJob => ({ id: `${accountExpiryKind}:${id}:${status}`, stream: `expiry:${id}:${status}`, kind: accountExpiryKind, body: { accountId: id } satisfies AccountJob, ...(expiresAt === undefined ? {} : { runAt: expiresAt }) });
export const orderExpiryJob = ({ id, kind, status, expiresAt }: Order): NewJob => ({ id: `${orderExpiryKind}:${id}:${status}`, stream: `expiry:${id}:${status}`, kind: orderExpiryKind, body: { kind, orderId: id } satisfies OrderJob, ...(expiresAt === undefined ? {} : { runAt: expiresAt }) });

/** Asks the provider to take the account on. */
export const beginningJob = ({ id }: ExternalAccount, runAt: number): NewJob => ({ id: `${beginningKind}:${id}:${runAt}`, stream: `external:${id}`, kind: beginningKind, body: { accountId: id } satisfies AccountJob, runAt });
/** Asks the provider to move the money, or what became of it. */
export const askingJob = ({ id, kind }: Order, runAt: number): NewJob => ({ id: `${askingKind}:${id}:${runAt}`, stream: `external:${id}`, kind: askingKind, body: { kind, orderId: id } satisfies OrderJob, runAt });
