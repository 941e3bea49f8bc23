import type { NewJob } from '../jobs/index.ts';
import type { Transfer } from './types.ts';

export const expiryJobKind = 'transfer.expire';

/** The deadline of the state that the transfer is in now; a stream of its own, as nothing else has to wait for it. */
export const expiryJob = ({ id, status, expiresAt }: Transfer): NewJob => ({ id: `${expiryJobKind}:${id}:${status}`, stream: `expiry:${id}:${status}`, kind: expiryJobKind, body: { transferId: id }, ...(expiresAt === undefined ? {} : { runAt: expiresAt }) });
