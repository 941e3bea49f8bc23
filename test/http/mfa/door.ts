import { createJobQueue } from '../../../src/jobs/index.ts';
import { createRoomEvents } from '../../../src/matrix/index.ts';
import { announceToUser, createMfa, createRemoteMfa, type ChallengeOnWire, type Mfa, type PaymentTerms, type Proof } from '../../../src/mfa/index.ts';
import { createAuditRecorder } from '../../../src/security/audit/index.ts';
import { openKeyRing } from '../../../src/security/key-ring.ts';
import { HttpConnections } from '../../../src/security/http-request.ts';
import { WalletServiceClient } from '../../../src/wallet/index.ts';
import { factorOptions, walletApiKey } from '../../support/wallet-service.ts';
import type { WholeServer } from '../../support/whole-server.ts';

/** Kept open until the tests are over. */
const connections = new HttpConnections();

/** The door that payments, transfers and gifts use, over the database and keys of a server whose users enrol over HTTP. */
export async function openDoor(server: WholeServer, origins: readonly string[] = []): Promise<Mfa> {
  const { database, clock, log, walletService } = server;
  const queue = createJobQueue(clock);
  const audit = createAuditRecorder({ clock, queue });
  const announce = announceToUser({ events: createRoomEvents(queue), audit });
  if (walletService !== undefined) {
    const client = new WalletServiceClient({ clock, log, connections, onCall: () => {}, options: { url: walletService.url, apiKey: walletApiKey, timeoutMs: 5000, breaker: { failures: 5, window: 10, openMs: 60_000, probeMs: 10_000 } } });
    return createRemoteMfa({ database, clock, log, queue, announce, audit, ask: (request) => client.factors(request) });
  }
  return createMfa({ database, clock, queue, announce, audit, keyRing: await openKeyRing({ path: server.shared.keyRingPath, clock }), options: { ...factorOptions, origins } });
}

export const terms = (changed: Partial<PaymentTerms> = {}): PaymentTerms => ({ kind: 'payment', id: 'pay_abc123', amountMinor: 500000, exponent: 2, currency: 'USD', recipient: 'ma_shop_001', ...changed });

/** Opens a challenge in a transaction of its own, as the payment that it is for would. */
export async function openChallenge({ database }: Pick<WholeServer, 'database'>, mfa: Pick<Mfa, 'challenges'>, asked: Parameters<Mfa['challenges']['draft']>[0]): Promise<ChallengeOnWire | undefined> {
  const draft = await mfa.challenges.draft(asked);
  if (draft !== undefined) await database.inTransaction((tx) => draft.save(tx));
  return draft?.challenge;
}

/** Spends a proof in a transaction of its own, as the payment that it is for would. */
export const spend = (server: WholeServer, proof: Proof): Promise<void> => server.database.inTransaction((tx) => proof.spend(tx));

/** The code of the error that a promise ends with; undefined when it ends well. */
export async function errorCodeOf(promise: Promise<unknown>): Promise<string | undefined> {
  try {
    await promise;
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}
