import type { Knex } from 'knex';

/** Launch sessions and decided appeals go when they are old: they are looked for by age. */
export async function up(sql: Knex): Promise<void> {
  await sql.raw('CREATE INDEX launch_session_launched ON launch_session (launched_at)');
  await sql.raw('CREATE INDEX suspension_appeal_created ON suspension_appeal (created_at)');
}
