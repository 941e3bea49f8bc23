import type { Knex } from 'knex';
import * as jobs from './0001-jobs.ts';
import * as matrix from './0002-matrix.ts';
import * as miniapps from './0003-miniapps.ts';
import * as oauth from './0004-oauth.ts';
import * as developers from './0005-developers.ts';
import * as storage from './0006-storage.ts';
import * as wallet from './0007-wallet.ts';
import * as transfers from './0008-transfers.ts';
import * as mfa from './0009-mfa.ts';
import * as audit from './0010-audit.ts';
import * as webhooks from './0011-webhooks.ts';
import * as payments from './0012-payments.ts';
import * as releases from './0014-releases.ts';
import * as reviews from './0015-reviews.ts';
import * as catalog from './0016-catalog.ts';
import * as suspensions from './0018-suspensions.ts';
import * as notices from './0019-notices.ts';
import * as users from './0020-users.ts';
import * as matrixGrants from './0021-matrix-grants.ts';
import * as remoteWallet from './0022-remote-wallet.ts';
import * as externalAccounts from './0023-external-accounts.ts';
import * as analytics from './0024-analytics.ts';
import * as remoteMfa from './0028-remote-mfa.ts';
import * as launchAge from './0029-launch-age.ts';
import * as refreshRetries from './0031-refresh-retries.ts';
import * as auditIndexes from './0032-audit-indexes.ts';

export interface Migration {
  up(sql: Knex): Promise<void>;
}

/** In order, for both databases. A migration that has been released is never edited. */
export const migrations: Readonly<Record<string, Migration>> = {
  '0001-jobs': jobs,
  '0002-matrix': matrix,
  '0003-miniapps': miniapps,
  '0004-oauth': oauth,
  '0005-developers': developers,
  '0006-storage': storage,
  '0007-wallet': wallet,
  '0008-transfers': transfers,
  '0009-mfa': mfa,
  '0010-audit': audit,
  '0011-webhooks': webhooks,
  '0012-payments': payments,
  '0014-releases': releases,
  '0015-reviews': reviews,
  '0016-catalog': catalog,
  '0018-suspensions': suspensions,
  '0019-notices': notices,
  '0020-users': users,
  '0021-matrix-grants': matrixGrants,
  '0022-remote-wallet': remoteWallet,
  '0023-external-accounts': externalAccounts,
  '0024-analytics': analytics,
  '0028-remote-mfa': remoteMfa,
  '0029-launch-age': launchAge,
  '0031-refresh-retries': refreshRetries,
  '0032-audit-indexes': auditIndexes,
};
