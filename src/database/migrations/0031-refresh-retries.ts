import type { Knex } from 'knex';

/**
 * What a refresh may be repeated with stands in the row of the token that it spent, which is written anyway; it had a row of its own
 * in `refresh_rotation`. That table stays for instances of the version before, and is not read any more.
 */
export async function up(sql: Knex): Promise<void> {
  await sql.schema.alterTable('oidc_entry', (table) => {
    /** SHA-256 of the refresh token that took the place of this one. */
    table.text('successor_hash');
    /** With the spent token itself it gives the successor again. */
    table.text('retry_salt');
    /** Of what was asked. */
    table.text('retry_hash');
    table.bigInteger('retry_until');
  });
  await sql.raw(`UPDATE oidc_entry SET successor_hash = r.successor_hash, retry_salt = r.salt, retry_hash = r.request_hash, retry_until = r.expires_at
    FROM refresh_rotation r WHERE oidc_entry.kind = 'RefreshToken' AND oidc_entry.id_hash = r.token_hash`);
}
