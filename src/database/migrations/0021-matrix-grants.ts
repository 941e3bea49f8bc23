import type { Knex } from 'knex';

/** Where users let us act for them on the homeserver, for one mini-app each (specification section 4.16). */
export async function up(sql: Knex): Promise<void> {
  await sql.schema.createTable('matrix_grant', (table) => {
    table.text('user_id').notNullable();
    table.text('miniapp_id').notNullable();
    table.text('sealed_refresh_token').notNullable();
    table.text('sealed_access_token').notNullable();
    table.bigInteger('access_expires_at').notNullable();
    /** Changes with every refresh, so that only who began one can store what came of it. */
    table.bigInteger('fence').notNullable();
    /** Until then one process is refreshing it. */
    table.bigInteger('lease_until').notNullable();
    /** Until then the mini-app must have been granted the scope that this is for; null once that was seen. */
    table.bigInteger('settle_by');
    table.primary(['user_id', 'miniapp_id']);
  });
  await sql.raw('CREATE INDEX matrix_grant_unsettled ON matrix_grant (settle_by) WHERE settle_by IS NOT NULL');
}
