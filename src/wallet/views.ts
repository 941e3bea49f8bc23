import { isoTime } from '../kernel/clock.ts';
import type { UserId } from '../kernel/ids.ts';
import { amountNumber } from '../kernel/money.ts';
import type { Balance, Standing } from './accounts.ts';
import type { HistoryEntry } from './history-repo.ts';
import { highestLevel, levelName, maySendAt, upgradeRequirements } from './levels.ts';
import { statusOf } from './port.ts';
import type { ResolvedUser } from './resolution.ts';

/** What the wallet answers over HTTP (specification section 6). */
export const balanceView = ({ currency, available, pending, held }: Balance): object => ({
  available: amountNumber(available, currency),
  pending: amountNumber(pending, currency),
  held: amountNumber(held, currency),
  currency,
});

function upgradeView(level: number): object {
  const canUpgrade = level < highestLevel;
  return { can_upgrade: canUpgrade, ...(canUpgrade ? { next_level: level + 1, upgrade_requirements: upgradeRequirements(level) } : {}) };
}

/** Section 6.2.1. */
export function standingView({ wallet, balances, limits, usage }: Standing): object {
  const { currency, level } = wallet;
  const status = statusOf(wallet);
  return {
    wallet_id: wallet.walletId,
    user_id: wallet.userId,
    balance: balanceView(balances[0]),
    balances: balances.map(balanceView),
    limits: {
      daily_limit: amountNumber(limits.daily, currency),
      daily_used: amountNumber(usage.daily, currency),
      monthly_limit: amountNumber(limits.monthly, currency),
      monthly_used: amountNumber(usage.monthly, currency),
      transaction_limit: amountNumber(limits.transaction, currency),
      currency,
    },
    verification: { level, level_name: levelName(level), features: maySendAt(level) ? ['p2p_send', 'p2p_receive', 'miniapp_payments'] : ['p2p_receive'], ...upgradeView(level) },
    status: status === 'suspended' ? 'suspended' : 'active',
    user_status: status,
    payment_enabled: status === 'active',
  };
}

/** Section 6.4.2. */
export function verificationView({ wallet, limits, usage }: Standing): object {
  const { currency, level, activatedAt } = wallet;
  const active = statusOf(wallet) === 'active';
  return {
    level,
    level_name: levelName(level),
    ...(activatedAt === undefined ? {} : { verified_at: isoTime(activatedAt) }),
    limits: { daily_limit: amountNumber(limits.daily, currency), transaction_limit: amountNumber(limits.transaction, currency), monthly_limit: amountNumber(limits.monthly, currency), currency },
    current_usage: { daily: amountNumber(usage.daily, currency), monthly: amountNumber(usage.monthly, currency) },
    features: { p2p_send: active, p2p_receive: statusOf(wallet) !== 'suspended', miniapp_payments: active, high_value: active && level >= 2, international: false },
    ...upgradeView(level),
  };
}

const party = (userId: UserId | undefined): { user_id: string } | undefined => (userId === undefined ? undefined : { user_id: userId });

/** Section 6.2.2. */
export function historyView(entry: HistoryEntry): object {
  const [from, to] = [party(entry.from), party(entry.to)];
  return {
    txn_id: entry.txnId,
    type: entry.type,
    amount: amountNumber(entry.amountMinor, entry.currency),
    currency: entry.currency,
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    status: entry.status,
    reference: entry.ref,
    ...(entry.note === undefined ? {} : { note: entry.note }),
    ...(entry.roomId === undefined ? {} : { room_id: entry.roomId }),
    timestamp: isoTime(entry.createdAt),
  };
}

/** Section 6.3.2. */
export function resolvedView({ userId, walletId, status, profile, createdAt }: ResolvedUser, activationUrl: (walletId: string) => string): object {
  return {
    user_id: userId,
    wallet_id: walletId,
    wallet_status: 'active',
    user_status: status,
    payment_enabled: status === 'active',
    ...(profile?.displayName === undefined ? {} : { display_name: profile.displayName }),
    ...(profile?.avatarUrl === undefined ? {} : { avatar_url: profile.avatarUrl }),
    ...(createdAt === undefined ? {} : { created_at: isoTime(createdAt) }),
    ...(status === 'pending' ? { activation_required: true, activation_url: activationUrl(walletId) } : {}),
  };
}
