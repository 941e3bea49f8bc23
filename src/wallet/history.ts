import type { Database } from '../database/index.ts';
import type { UserId } from '../kernel/ids.ts';
import { findHistoryEntry, listHistory, type HistoryEntry } from './history-repo.ts';

export interface HistoryPage {
  readonly limit: number;
  readonly offset: number;
}

/** What users see of their own movements. */
export interface History {
  /** Newest first. */
  list(userId: UserId, page: HistoryPage): Promise<{ readonly entries: readonly HistoryEntry[]; readonly total: number }>;
  find(userId: UserId, txnId: string): Promise<HistoryEntry | undefined>;
}

/** The embedded ledger's. */
export const createHistory = (database: Database): History => ({
  list: (userId, page) => listHistory(database, userId, page),
  find: (userId, txnId) => findHistoryEntry(database, userId, txnId),
});
