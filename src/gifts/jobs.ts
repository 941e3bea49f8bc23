import type { NewJob } from '../jobs/index.ts';
import type { Gift } from './types.ts';

export const expiryJobKind = 'gift.expire';

/** The end of the time to confirm, or to open. */
export const expiryJob = ({ id, status, expiresAt }: Gift): NewJob => ({ id: `${expiryJobKind}:${id}:${status}`, stream: `expiry:${id}:${status}`, kind: expiryJobKind, body: { giftId: id }, runAt: expiresAt });
