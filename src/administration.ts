import type { Database } from './database/index.ts';
import { endDeveloperSessions } from './developers/index.ts';
import type { Routes } from './http/index.ts';
import type { Clock } from './kernel/clock.ts';
import type { Wakes } from './kernel/wakes.ts';
import type { OAuth } from './oauth/index.ts';
import { machineRoomRoutes } from './operations/index.ts';
import type { Proxying } from './proxying/index.ts';
import { auditRoutes, type Audit } from './security/audit/index.ts';
import { createUsers, userRoutes } from './users/index.ts';
import { setWalletFrozen, type WalletChanges } from './wallet/index.ts';

export interface AdministrationDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly wakes: Wakes;
  readonly audit: Pick<Audit, 'record'>;
  readonly oauth: OAuth;
  readonly proxying: Pick<Proxying, 'end'>;
  readonly changes: Pick<WalletChanges, 'status'>;
}

/** What administrators do over HTTP with users, keys and queues, and what they see of the audit log. */
export function administrationRoutes({ database, clock, wakes, audit, oauth, proxying, changes }: AdministrationDependencies): Routes {
  const users = createUsers({
    database,
    clock,
    audit: audit.record,
    async endSessions(tx, userId) {
      const ended = (await oauth.endUser(tx, userId)) + (await endDeveloperSessions(tx, { user_id: userId }, clock.now()));
      await proxying.end(tx, { userId });
      return ended;
    },
    async setWalletFrozen(tx, userId, reason) {
      const changed = await setWalletFrozen(tx, userId, reason === undefined ? undefined : { at: clock.now(), reason });
      if (changed) changes.status(tx, userId);
      return changed;
    },
    onErased: () => wakes.tell('storage'),
  });
  return {
    ...auditRoutes({ database }),
    ...userRoutes(users),
    ...machineRoomRoutes({ database, clock, audit: audit.record, rotateSigningKeys: () => oauth.rotateSigningKeys(), wakeWorkers: () => wakes.tell('jobs') }),
  };
}
