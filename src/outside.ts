import { isLoopbackHost, isLoopbackUrl, type Config } from './config/index.ts';
import type { Database } from './database/index.ts';
import { createExternal, createSandboxProvider, type External, type Order, type PaymentProvider } from './external/index.ts';
import type { Idempotency } from './idempotency/index.ts';
import type { JobQueue } from './jobs/index.ts';
import type { Clock } from './kernel/clock.ts';
import type { RoomEvents } from './matrix/port.ts';
import type { Notices } from './notices/index.ts';
import type { Audit } from './security/audit/index.ts';
import type { KeyRing } from './security/key-ring.ts';
import type { TermsProof, Wallet } from './wallet/index.ts';

export interface OutsideDependencies {
  readonly config: Config;
  readonly database: Database;
  readonly clock: Clock;
  readonly keyRing: Pick<KeyRing, 'seal' | 'open' | 'mac'>;
  readonly queue: JobQueue;
  readonly events: RoomEvents;
  readonly notices: Pick<Notices, 'publish'>;
  readonly audit: Pick<Audit, 'record'>;
  readonly proofs: TermsProof;
  readonly wallet: Wallet;
  readonly idempotency: Idempotency;
  /** In place of the configured one. */
  readonly provider?: PaymentProvider | undefined;
  readonly onOrder: (kind: Order['kind'], status: Order['status']) => void;
}

const secondMs = 1000;
const hourMs = 3_600_000;

/**
 * Whether wallets can be funded with play money: where nobody but this machine can come, unless an administrator wants it elsewhere.
 * Never where a wallet service keeps the money: accounts outside are its business then.
 */
export const usesSandboxProvider = ({ external, server, wallet }: Config): boolean => wallet.adapter === 'ledger' && (external.provider === 'sandbox' || (external.provider === 'auto' && isLoopbackUrl(server.public_url) && isLoopbackHost(server.host)));

/** Accounts outside, by the provider and the limits of the configuration. */
export function buildExternal(deps: OutsideDependencies): External {
  const { external } = deps.config;
  const askAgainMs = external.ask_again_seconds * secondMs;
  return createExternal({
    ...deps,
    provider: deps.provider ?? (usesSandboxProvider(deps.config) ? createSandboxProvider(deps.clock) : undefined),
    audit: deps.audit.record,
    onMoved: deps.onOrder,
    policy: {
      confirmMs: external.confirm_seconds * secondMs,
      verificationMs: external.verification_hours * hourMs,
      maxAttempts: external.verification_attempts,
      maxAccounts: external.max_accounts,
      askAgainMs,
      timeoutMs: external.provider_timeout_seconds * secondMs,
      approvalAbove: external.approval_above,
      approvalsNeeded: external.approvals,
      approvalMs: external.approval_hours * hourMs,
    },
  });
}
