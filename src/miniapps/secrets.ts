import type { Transaction } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import { newSecret, newWebhookSecret, sha256Hex } from '../kernel/ids.ts';
import { expireClientSecrets, findConfidentialClient, findWebhookSecret, insertClientSecret, setWebhookSecret } from './repo.ts';
import type { MiniApp } from './types.ts';

export interface SecretsDependencies {
  readonly clock: Clock;
  /** Seals what must be read again, with what it belongs to bound in. */
  readonly seal: (plaintext: string, belongsTo: string) => string;
  /** Deliveries are signed with the old secret too, for so long. */
  readonly keepSigningWith: (tx: Transaction, miniappId: MiniApp['miniappId'], sealedSecret: string, overlapMs: number) => Promise<void>;
}

/**
 * A new secret in the place of the current one, which stays good for `overlapMs`; it is shown this once.
 * @throws AppError INVALID_REQUEST for the client secret of an app that has none
 */
export async function rotateSecret({ clock, seal, keepSigningWith }: SecretsDependencies, tx: Transaction, app: MiniApp, which: 'client' | 'webhook', overlapMs: number): Promise<{ secret: string; clientId: string | undefined; oldUntil: number }> {
  const now = clock.now();
  const oldUntil = now + overlapMs;
  if (which === 'webhook') {
    const secret = newWebhookSecret();
    const old = await findWebhookSecret(tx, app.miniappId);
    if (old !== undefined && overlapMs > 0) await keepSigningWith(tx, app.miniappId, old, overlapMs);
    await setWebhookSecret(tx, app.miniappId, seal(secret, app.miniappId), now);
    return { secret, clientId: undefined, oldUntil };
  }
  const clientId = await findConfidentialClient(tx, app.miniappId);
  if (clientId === undefined) throw new AppError('INVALID_REQUEST', 'The mini-app is a public client: it has no client secret', { details: [{ field: 'secret', problem: 'is not there' }] });
  const secret = newSecret('secret_');
  await expireClientSecrets(tx, clientId, oldUntil);
  await insertClientSecret(tx, clientId, sha256Hex(secret), now);
  return { secret, clientId, oldUntil };
}
