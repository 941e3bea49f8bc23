import BetterSqlite3 from 'better-sqlite3';

/** Makes a copy that `Database.backup` wrote a single file, without a write-ahead log beside it, and returns what is wrong with it: nothing, one hopes. */
export function finishSqliteCopy(file: string): string[] {
  const copy = new BetterSqlite3(file, { fileMustExist: true });
  try {
    copy.pragma('journal_mode = DELETE');
    const problems = copy.pragma('integrity_check') as { integrity_check: string }[];
    return problems.map((row) => row.integrity_check).filter((text) => text !== 'ok');
  } finally {
    copy.close();
  }
}
