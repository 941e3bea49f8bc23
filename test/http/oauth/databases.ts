import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { migrate, openDatabase, type Database } from '../../../src/database/index.ts';

export interface TestDatabase {
  readonly url: string;
  open(): Promise<Database>;
  remove(): Promise<void>;
}

const limits = { poolSize: 8, busyTimeoutMs: 5_000, lockTimeoutMs: 5_000 };

async function sqlite(): Promise<TestDatabase> {
  const folder = await mkdtemp(join(tmpdir(), 'tmcp-oauth-'));
  const url = `sqlite:${join(folder, 'test.db')}`;
  return { url, open: () => opened(url), remove: () => rm(folder, { recursive: true, force: true }) };
}

/** A schema of its own in the database that TMCP_TEST_POSTGRES_URL names. */
async function postgres(base: string): Promise<TestDatabase> {
  const schema = `t_${randomBytes(6).toString('hex')}`;
  const admin = openDatabase({ url: base, ...limits });
  await admin.sql.raw(`CREATE SCHEMA ${schema}`);
  const url = new URL(base);
  url.searchParams.set('options', `-c search_path=${schema}`);
  return {
    url: url.href,
    open: () => opened(url.href),
    async remove() {
      await admin.sql.raw(`DROP SCHEMA ${schema} CASCADE`);
      await admin.close();
    },
  };
}

async function opened(url: string): Promise<Database> {
  const database = openDatabase({ url, ...limits });
  await migrate(database);
  return database;
}

const postgresUrl = process.env.TMCP_TEST_POSTGRES_URL;

/** The databases that every suite runs on. */
export const databases: readonly { readonly name: string; create(): Promise<TestDatabase> }[] = [
  { name: 'SQLite', create: sqlite },
  ...(postgresUrl === undefined ? [] : [{ name: 'PostgreSQL', create: () => postgres(postgresUrl) }]),
];
