import type { Transaction } from '../database/index.ts';
import { AppError } from '../kernel/errors.ts';
import type { UserId } from '../kernel/ids.ts';
import { isPreinstalled, type MiniApp } from '../miniapps/index.ts';
import { setInstalledVersion } from './installed-version-repo.ts';
import { findInstallation } from './repo.ts';

/** Notes which version the user's client has now. Returns the one before, if it is known. @throws AppError APP_NOT_FOUND unless the app is installed */
export async function noteInstalledVersion(tx: Transaction, userId: UserId, app: MiniApp, version: string): Promise<string | undefined> {
  const known = await findInstallation(tx, userId, app.miniappId);
  if (known === undefined ? !isPreinstalled(app) : known.state !== 'installed') throw new AppError('APP_NOT_FOUND', 'This mini-app is not installed');
  if (known !== undefined) await setInstalledVersion(tx, userId, app.miniappId, version);
  return known?.version;
}
