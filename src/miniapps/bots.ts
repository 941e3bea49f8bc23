import type { Database, Transaction } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError, invalidField } from '../kernel/errors.ts';
import type { UserId } from '../kernel/ids.ts';
import { deleteBot, findBot, saveBot, type MiniAppBot } from './bot-repo.ts';
import { lockMiniApp } from './repo.ts';
import type { Registrar } from './registration.ts';
import type { MiniAppAudit } from './steps.ts';
import type { MiniApp } from './types.ts';

export interface BotsDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly audit: (tx: Transaction, entry: MiniAppAudit) => Promise<void>;
  /** Whose Matrix access token it is. @throws AppError with status 401 for nobody's */
  readonly proveUser: (matrixAccessToken: string) => Promise<UserId>;
  /** One of the server's own users: never an app's bot. */
  readonly isOurs: (userId: UserId) => boolean;
}

/** The Matrix users that speak for mini-apps (decision D11). */
export interface MiniAppBots {
  find(miniappId: string): Promise<MiniAppBot | undefined>;
  /** Takes the user whose Matrix access token is shown in place of an earlier one. The token is neither kept nor logged. @throws AppError ALREADY_EXISTS, INVALID_REQUEST */
  register(app: MiniApp, by: Registrar, matrixAccessToken: string): Promise<MiniAppBot>;
  /** @throws AppError NOT_FOUND */
  remove(app: MiniApp, by: Registrar): Promise<void>;
}

const nameOf = (by: Registrar): string => ('admin' in by ? `admin:${by.admin}` : by.developer);

export function createMiniAppBots({ database, clock, audit, proveUser, isOurs }: BotsDependencies): MiniAppBots {
  return {
    find: (miniappId) => findBot(database, miniappId),
    async register({ miniappId }, by, matrixAccessToken) {
      const userId = await proveUser(matrixAccessToken).catch((error: unknown) => {
        // It is not the caller's own credential that was refused.
        if (error instanceof AppError && error.status === 401) throw invalidField('matrix_access_token', 'was not accepted by the homeserver');
        throw error;
      });
      if (isOurs(userId)) throw invalidField('matrix_access_token', "is one of this server's own users");
      return database.inTransaction(async (tx) => {
        // Two at once: the later one waits, and stays.
        await lockMiniApp(tx, miniappId);
        const bot: MiniAppBot = { userId, registeredAt: clock.now() };
        if (!(await saveBot(tx, miniappId, userId, nameOf(by), bot.registeredAt))) throw new AppError('ALREADY_EXISTS', 'This Matrix user is the bot of another mini-app');
        await audit(tx, { action: 'miniapp.bot_registered', by, miniappId, details: { bot_user_id: userId } });
        return bot;
      });
    },
    remove: ({ miniappId }, by) =>
      database.inTransaction(async (tx) => {
        if (!(await deleteBot(tx, miniappId))) throw new AppError('NOT_FOUND', 'The mini-app has no bot');
        await audit(tx, { action: 'miniapp.bot_removed', by, miniappId, details: {} });
      }),
  };
}
