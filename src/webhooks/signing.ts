import { createHmac } from 'node:crypto';

const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text);

/** The key of a `whsec_` secret as Standard Webhooks reads it. */
const keyOf = (secret: string): Buffer => Buffer.from(secret.replace(/^whsec_/, ''), 'base64');

export interface SignedDelivery {
  readonly id: string;
  readonly payload: string;
  /** Of this attempt, seconds since the epoch: receivers refuse what is older than five minutes. */
  readonly timestamp: number;
}

/**
 * The headers of section 9.1.2 and those of Standard Webhooks (decision D14). `secrets`: the oldest first. While a secret is being
 * replaced, the specification's one signature is still by the old one, and Standard Webhooks' list has both.
 */
export const signatureHeaders = ({ id, payload, timestamp }: SignedDelivery, secrets: readonly [string, ...string[]]): Readonly<Record<string, string>> => ({
  'x-webhook-signature': `sha256=${hmac(secrets[0], payload).digest('hex')}`,
  'x-webhook-event-id': id,
  'x-webhook-timestamp': String(timestamp),
  'webhook-id': id,
  'webhook-timestamp': String(timestamp),
  'webhook-signature': secrets.map((secret) => `v1,${hmac(keyOf(secret), `${id}.${timestamp}.${payload}`).digest('base64')}`).join(' '),
});
