import type { Transaction } from '../database/index.ts';
import { AppError } from '../kernel/errors.ts';
import type { UserId } from '../kernel/ids.ts';
import type { MiniApp, MiniApps } from '../miniapps/index.ts';

const unknownApp = (): AppError => new AppError('APP_NOT_FOUND', 'No such mini-app');

export interface VisibleApp {
  readonly app: MiniApp;
  /** The same question inside a transaction. @throws AppError APP_NOT_FOUND */
  readonly again: (tx: Transaction) => Promise<MiniApp>;
}

/**
 * Active apps are there for everybody, one that is not approved yet for its owners only (decision D23).
 * @throws AppError APP_NOT_FOUND, the same for an app that is hidden and for none
 */
export async function requireVisible(miniapps: MiniApps, userId: UserId | undefined, miniappId: string): Promise<VisibleApp> {
  const app = await miniapps.find(miniappId);
  const early = app !== undefined && app.status !== 'active' && userId !== undefined && (await miniapps.earlyUsers(app)).includes(userId);
  if (app === undefined || (app.status !== 'active' && !early)) throw unknownApp();
  return {
    app,
    async again(tx) {
      const now = await miniapps.find(miniappId, tx);
      if (now === undefined || (now.status !== 'active' && !(early && now.status === app.status))) throw unknownApp();
      return now;
    },
  };
}
