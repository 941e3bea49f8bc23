import { exponentOf, type Currency } from '../kernel/money.ts';
import type { WalletRecord } from './port.ts';

/** Limits in whole units of whichever currency; configuration. */
export interface LevelLimits {
  readonly transaction: number;
  readonly daily: number;
  readonly monthly: number;
}

/** In minor units of one currency. */
export type Limits = LevelLimits;

/** Of levels 1, 2 and 3. */
export type LevelTable = readonly [LevelLimits, LevelLimits, LevelLimits];

interface ConfiguredLimits {
  readonly transaction_limit: number;
  readonly daily_limit: number;
  readonly monthly_limit: number;
}

/** From the section `wallet` of the configuration. */
export function levelsOf(section: { readonly basic: ConfiguredLimits; readonly verified: ConfiguredLimits; readonly enhanced: ConfiguredLimits }): LevelTable {
  const limits = ({ transaction_limit: transaction, daily_limit: daily, monthly_limit: monthly }: ConfiguredLimits): LevelLimits => ({ transaction, daily, monthly });
  return [limits(section.basic), limits(section.verified), limits(section.enhanced)];
}

interface Level {
  readonly name: string;
  /** What is asked for before the next level. */
  readonly upgrade: readonly string[];
}

/** Verification levels (specification section 6.4). Level 0 is an account that is not activated: it receives and does no more. */
const levels: readonly Level[] = [
  { name: 'Unverified', upgrade: ['terms_acceptance'] },
  { name: 'Basic', upgrade: ['id_document'] },
  { name: 'ID Verified', upgrade: ['address_proof', 'enhanced_id'] },
  { name: 'Enhanced', upgrade: [] },
];

export const highestLevel = levels.length - 1;
export const levelName = (level: number): string => levels[level]?.name ?? `Level ${level}`;
export const upgradeRequirements = (level: number): readonly string[] => levels[level]?.upgrade ?? [];
export const maySendAt = (level: number): boolean => level > 0;

const toMinor = (whole: number, currency: Currency): number => Math.min(Number.MAX_SAFE_INTEGER, whole * 10 ** exponentOf(currency));

/** What may go out of a wallet in a currency; all zero before the account is activated. `share`: how much of the level's limits counts just now. */
export function limitsOf(table: LevelTable, wallet: Pick<WalletRecord, 'level' | 'currency' | 'dailyLimitMinor'>, currency: Currency, share = 1): Limits {
  const limits = table[wallet.level - 1];
  if (limits === undefined) return { transaction: 0, daily: 0, monthly: 0 };
  const own = wallet.currency === currency ? wallet.dailyLimitMinor : undefined;
  const shared = (whole: number): number => Math.floor(toMinor(whole, currency) * share);
  const daily = shared(limits.daily);
  return { transaction: shared(limits.transaction), daily: own === undefined ? daily : Math.min(own, daily), monthly: shared(limits.monthly) };
}

export type Period = 'day' | 'month';
export interface LimitWindow {
  readonly period: Period;
  readonly startsAt: number;
}

/** The UTC day and the calendar month that a time is in. */
export function windowsAt(timeMs: number): readonly [LimitWindow, LimitWindow] {
  const time = new Date(timeMs);
  const [year, month, day] = [time.getUTCFullYear(), time.getUTCMonth(), time.getUTCDate()];
  return [
    { period: 'day', startsAt: Date.UTC(year, month, day) },
    { period: 'month', startsAt: Date.UTC(year, month, 1) },
  ];
}
