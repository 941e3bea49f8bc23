import { setTimeout as delay } from 'node:timers/promises';
import type { Database, Transaction } from '../database/index.ts';
import { Unavailable, type JobKind, type JobQueue } from '../jobs/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError, errorText } from '../kernel/errors.ts';
import type { UserId } from '../kernel/ids.ts';
import type { Log } from '../kernel/log.ts';
import type { MatrixTokens, MatrixTokenService } from '../matrix/sign-in/index.ts';
import type { KeyRing } from '../security/key-ring.ts';
import { endLease, findGrant, insertGrant, leaseGrant, listUnsettled, settleGrant, takeGrants, type GrantKey, type MatrixGrant } from './repo.ts';

export interface MatrixGrantsDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly keyRing: KeyRing;
  readonly queue: JobQueue;
  readonly service: MatrixTokenService;
  /** Whether the user lets the mini-app send messages. */
  readonly maySend: (tx: Transaction, key: GrantKey) => Promise<boolean>;
}

/** Tokens of the Matrix Authentication Service that users left with us, each for one mini-app (specification section 4.16, decision D24). */
export interface MatrixGrants {
  /** Stores what a sign-in gave; an earlier grant for the same mini-app is ended. */
  keep(userId: UserId, miniappId: string, tokens: MatrixTokens): Promise<void>;
  /** A token that is good for a while yet; undefined where there is none, or not any more. @throws AppError SERVICE_UNAVAILABLE */
  accessTokenFor(key: GrantKey): Promise<string | undefined>;
  /** The homeserver does not take it any more. */
  forget(key: GrantKey): Promise<void>;
  /** Ends grants here and, as a job, at MAS: one mini-app's, or all of a user's. Returns whether there were any. */
  end(tx: Transaction, which: { readonly userId: string; readonly miniappId?: string }): Promise<boolean>;
  /** A chore: ends what was given at sign-in to a mini-app that was then granted nothing to do with it. */
  tidyUp(tx: Transaction, now: number): Promise<void>;
  readonly revoking: JobKind;
}

export const revokingKind = 'matrix_grant.revoke';
const accessPurpose = 'matrix-access-token';
const refreshPurpose = 'matrix-refresh-token';
const revokePurpose = 'matrix-revocation';

/** What a token must still be good for when it is handed out. */
const marginMs = 30_000;
/** Longer than a request to MAS may take. */
const leaseMs = 20_000;
const waitMs = 100;
const maxWaits = 100;
/** How long the question whether the mini-app may send can stay open after the sign-in. */
const settleMs = 60 * 60_000;
const batch = 100;

const ownerOf = ({ userId, miniappId }: GrantKey): string => `${userId} ${miniappId}`;
const unavailable = (cause?: unknown): AppError => new AppError('SERVICE_UNAVAILABLE', 'The Matrix Authentication Service does not answer just now', { retryAfterMs: 5000, ...(cause === undefined ? {} : { cause }) });

export function createMatrixGrants(deps: MatrixGrantsDependencies): MatrixGrants {
  const { database, clock, log, keyRing, queue, service, maySend } = deps;
  const sealed = (key: GrantKey, tokens: MatrixTokens) => ({
    sealedAccessToken: keyRing.seal(accessPurpose, tokens.accessToken, ownerOf(key)),
    sealedRefreshToken: keyRing.seal(refreshPurpose, tokens.refreshToken, ownerOf(key)),
    accessExpiresAt: clock.now() + tokens.expiresInSeconds * 1000,
  });
  const end: MatrixGrants['end'] = async (tx, which) => {
    const grants = await takeGrants(tx, which);
    for (const grant of grants) {
      const refreshToken = keyRing.open(refreshPurpose, grant.sealedRefreshToken, ownerOf(grant));
      queue.enqueue(tx, { stream: `mas:${ownerOf(grant)}`, kind: revokingKind, body: { owner: ownerOf(grant), sealed: keyRing.seal(revokePurpose, refreshToken, ownerOf(grant)) } });
    }
    return grants.length > 0;
  };

  /** One refresh, for whoever holds the lease. A process that dies here has stored nothing: MAS takes the same token once more. */
  const refresh = async (grant: MatrixGrant): Promise<string | undefined> => {
    let renewed: MatrixTokens | undefined;
    try {
      renewed = await service.refresh(keyRing.open(refreshPurpose, grant.sealedRefreshToken, ownerOf(grant)));
    } catch (error) {
      log.warn({ error: errorText(error) }, 'a Matrix token could not be refreshed');
      await endLease(database, grant, undefined);
      throw unavailable(error);
    }
    if (renewed === undefined) {
      await database.inTransaction((tx) => takeGrants(tx, grant));
      return undefined;
    }
    await endLease(database, grant, sealed(grant, renewed));
    return renewed.accessToken;
  };

  return {
    keep: (userId, miniappId, tokens) =>
      database.inTransaction(async (tx) => {
        const key = { userId, miniappId };
        await end(tx, key);
        await insertGrant(tx, { ...key, ...sealed(key, tokens), fence: 0 }, clock.now() + settleMs);
      }),
    async accessTokenFor(key) {
      for (let waited = 0; waited < maxWaits; waited += 1) {
        const grant = await findGrant(database, key);
        const now = clock.now();
        if (grant === undefined) return undefined;
        if (grant.accessExpiresAt > now + marginMs) return keyRing.open(accessPurpose, grant.sealedAccessToken, ownerOf(grant));
        // Refresh tokens count once: of all processes one asks, and the others wait for what it gets.
        if (await leaseGrant(database, grant, now, now + leaseMs)) return refresh(grant);
        await delay(waitMs);
      }
      throw unavailable();
    },
    forget: (key) => database.inTransaction(async (tx) => void (await end(tx, key))),
    end,
    async tidyUp(tx, now) {
      for (const grant of await listUnsettled(tx, now, batch)) {
        if (await maySend(tx, grant)) await settleGrant(tx, grant);
        else await end(tx, grant);
      }
    },
    revoking: {
      forgetBody: true,
      async run(job) {
        const { owner, sealed: text } = job.body as { owner: string; sealed: string };
        await service.revoke(keyRing.open(revokePurpose, text, owner)).catch((error: unknown) => {
          throw new Unavailable(errorText(error));
        });
      },
    },
  };
}
