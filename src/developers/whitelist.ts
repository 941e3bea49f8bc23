import type { Database, Transaction } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import { asUserId, type UserId } from '../kernel/ids.ts';
import type { Log } from '../kernel/log.ts';
import { deleteUnusedCodes, endSessions, isKnownDeveloper } from './repo.ts';
import { addFromConfig, addToWhitelist, findListed, listedBy, listWhitelist, removeFromWhitelist, type WhitelistEntry } from './whitelist-repo.ts';

export interface WhitelistDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  /** Somebody is no developer any more. Part of the same transaction. */
  readonly onRemoved: (tx: Transaction, userId: string) => Promise<void>;
  /** What was done to whom, and by whom, in the transaction that does it. */
  readonly audit: (tx: Transaction, entry: WhitelistAudit) => Promise<void>;
}

export interface WhitelistAudit {
  readonly action: 'developer.listed' | 'developer.removed' | 'developer.tokens_revoked';
  /** `admin:NAME`, `config` or `command line` */
  readonly by: string;
  readonly userId: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** Who may be a developer at all (section 4.4.8). */
export interface Whitelist {
  /** At the start: those whom the configuration lists are listed, and those whom only it listed and no longer does are removed. */
  adoptConfigured(userIds: readonly string[]): Promise<void>;
  list(page: { readonly limit: number; readonly offset: number }): Promise<{ entries: WhitelistEntry[]; total: number }>;
  /** Somebody who is listed already stays so, by the first word. */
  add(userId: UserId, by: string, reason: string | undefined): Promise<{ entry: WhitelistEntry; isNew: boolean }>;
  /** Ends every token of theirs, here and on every instance. Returns how many sign-ins ended. @throws AppError NOT_FOUND */
  remove(userId: string, by: string, reason: string | undefined): Promise<number>;
  /** Ends every token of theirs; they may sign in again. @throws AppError NOT_FOUND for who never was a developer */
  revokeTokens(userId: string, by: string, reason: string | undefined): Promise<number>;
}

const configured = 'config';
const noSuchDeveloper = (): AppError => new AppError('NOT_FOUND', 'No such developer');

export function createWhitelist({ database, clock, log, onRemoved, audit }: WhitelistDependencies): Whitelist {
  const endTokens = async (tx: Transaction, userId: string): Promise<number> => {
    await deleteUnusedCodes(tx, userId);
    return endSessions(tx, { user_id: userId }, clock.now());
  };

  /** Undefined when the user was not listed. */
  const remove = async (userId: string, by: string, reason: string | undefined): Promise<number | undefined> => {
    const ended = await database.inTransaction(async (tx) => {
      if (!(await removeFromWhitelist(tx, userId, { by, at: clock.now(), reason }))) return undefined;
      await onRemoved(tx, userId);
      const sessions = await endTokens(tx, userId);
      await audit(tx, { action: 'developer.removed', by, userId, details: { reason, sessions } });
      return sessions;
    });
    if (ended !== undefined) log.info({ developer: userId, by, sessions: ended }, 'developer removed, tokens revoked');
    return ended;
  };

  return {
    async adoptConfigured(userIds) {
      const change = { by: configured, at: clock.now(), reason: undefined };
      for (const userId of userIds) {
        const isNew = await database.inTransaction(async (tx) => {
          const listed = await addFromConfig(tx, asUserId(userId), change);
          if (listed) await audit(tx, { action: 'developer.listed', by: configured, userId, details: {} });
          return listed;
        });
        if (isNew) log.info({ developer: userId, by: configured }, 'developer whitelisted');
      }
      for (const userId of await listedBy(database, configured)) {
        if (!userIds.includes(userId)) await remove(userId, configured, 'no longer in developers.whitelist');
      }
    },
    list: (page) => listWhitelist(database, page),
    async add(userId, by, reason) {
      const { entry, isNew } = await database.inTransaction(async (tx) => {
        const added = await addToWhitelist(tx, userId, { by, at: clock.now(), reason });
        if (added) await audit(tx, { action: 'developer.listed', by, userId, details: { reason } });
        return { entry: await findListed(tx, userId), isNew: added };
      });
      if (isNew) log.info({ developer: userId, by }, 'developer whitelisted');
      return { entry: entry!, isNew };
    },
    async remove(userId, by, reason) {
      const ended = await remove(userId, by, reason);
      if (ended === undefined) throw noSuchDeveloper();
      return ended;
    },
    async revokeTokens(userId, by, reason) {
      const ended = await database.inTransaction(async (tx) => {
        if (!(await isKnownDeveloper(tx, userId)) && (await findListed(tx, userId)) === undefined) throw noSuchDeveloper();
        const sessions = await endTokens(tx, userId);
        await audit(tx, { action: 'developer.tokens_revoked', by, userId, details: { reason, sessions } });
        return sessions;
      });
      log.info({ developer: userId, by, reason, sessions: ended }, 'developer tokens revoked');
      return ended;
    },
  };
}
