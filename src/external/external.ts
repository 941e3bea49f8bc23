import type { Database, Transaction } from '../database/index.ts';
import type { Routes } from '../http/index.ts';
import type { Idempotency } from '../idempotency/index.ts';
import type { JobKind } from '../jobs/index.ts';
import type { Wallet } from '../wallet/index.ts';
import { createExternalAccounts, type AccountPolicy, type AccountsDependencies } from './accounts.ts';
import { createApprovals } from './approvals.ts';
import { createAsking } from './asking.ts';
import { createFundings } from './fundings.ts';
import { accountExpiryKind, askingKind, beginningKind, orderExpiryKind, type AccountJob, type OrderJob } from './jobs.ts';
import type { OrderPolicy } from './orders.ts';
import { createExternalRecord, type RecordDependencies } from './record.ts';
import { externalRoutes } from './routes.ts';
import { createWithdrawals } from './withdrawals.ts';

export interface ExternalDependencies extends Omit<AccountsDependencies, 'record' | 'policy' | 'wallet'>, RecordDependencies {
  readonly database: Database;
  readonly wallet: Wallet;
  readonly idempotency: Idempotency;
  readonly policy: AccountPolicy & OrderPolicy;
}

/** Accounts outside, money that comes in from them and goes out to them: specification sections 6.5 and 6.6. */
export interface External {
  readonly routes: Routes;
  readonly jobs: Readonly<Record<string, JobKind>>;
}

export function createExternal(deps: ExternalDependencies): External {
  const record = createExternalRecord(deps);
  const accounts = createExternalAccounts({ ...deps, record });
  const [fundings, withdrawals, approvals] = [createFundings({ ...deps, record }), createWithdrawals({ ...deps, record }), createApprovals({ ...deps, record })];
  const ask = createAsking({ ...deps, accounts, fundings, withdrawals });
  const ofAccount = (act: (tx: Transaction, id: string) => Promise<void>): JobKind => ({ run: ({ body }) => Promise.resolve((tx: Transaction) => act(tx, (body as AccountJob).accountId)) });
  return {
    routes: externalRoutes({ ...deps, accounts, fundings, withdrawals, approvals }),
    jobs: {
      [accountExpiryKind]: ofAccount((tx, id) => accounts.expire(tx, id)),
      [beginningKind]: { run: ({ body }) => accounts.begin((body as AccountJob).accountId) },
      [orderExpiryKind]: {
        run: ({ body }) => {
          const { kind, orderId } = body as OrderJob;
          return Promise.resolve((tx: Transaction) => (kind === 'withdrawal' ? withdrawals : fundings).expire(tx, orderId));
        },
      },
      [askingKind]: { run: ({ body }) => ask(body as OrderJob) },
    },
  };
}
