import type { Knex } from 'knex';

/** What was done, by whom. Written once; a place in the chain is given once; deleted only where the chain is said to begin later. */
export async function up(sql: Knex): Promise<void> {
  await sql.schema.createTable('audit_entry', (table) => {
    table.text('id').primary();
    table.bigInteger('at').notNullable();
    table.text('actor_kind').notNullable();
    table.text('actor').notNullable();
    table.text('action').notNullable();
    table.text('target_kind').notNullable();
    table.text('target').notNullable();
    table.text('result').notNullable().checkIn(['done', 'refused'], 'audit_entry_result');
    table.text('address');
    table.text('request_id');
    table.text('details').notNullable();
    /** Null until it is sealed into the chain, a moment later. */
    table.bigInteger('seq').unique();
    table.text('hash');
  });
  await sql.raw('CREATE INDEX audit_entry_unsealed ON audit_entry (at) WHERE seq IS NULL');
  await sql.raw('CREATE INDEX audit_entry_at ON audit_entry (at)');
  await sql.raw('CREATE INDEX audit_entry_actor ON audit_entry (actor, seq)');
  await sql.raw('CREATE INDEX audit_entry_target ON audit_entry (target, seq)');

  await sql.schema.createTable('audit_chain', (table) => {
    table.integer('id').primary().checkIn(['1'], 'audit_chain_one');
    table.bigInteger('seq').notNullable();
    table.text('hash').notNullable();
    /** The last entry that was deleted because of its age. */
    table.bigInteger('pruned_seq').notNullable();
    table.text('pruned_hash').notNullable();
    /** Of the four above, with the key ring, which is not in this database. */
    table.text('mac').notNullable();
  });
  await guard(sql);
}

const kept = ['id', 'at', 'actor_kind', 'actor', 'action', 'target_kind', 'target', 'result', 'address', 'request_id', 'details'];

async function guard(sql: Knex): Promise<void> {
  if ((sql.client as { config: { client: unknown } }).config.client === 'pg') {
    const changed = kept.map((column) => `OLD.${column} IS DISTINCT FROM NEW.${column}`).join(' OR ');
    await sql.raw(`CREATE FUNCTION audit_entry_guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF TG_OP = 'UPDATE' AND OLD.seq IS NULL AND NOT (${changed}) THEN RETURN NEW; END IF;
      IF TG_OP = 'DELETE' AND OLD.seq <= (SELECT pruned_seq FROM audit_chain) THEN RETURN OLD; END IF;
      RAISE EXCEPTION 'audit_entry is append-only'; END $$`);
    await sql.raw('CREATE TRIGGER audit_entry_append_only BEFORE UPDATE OR DELETE ON audit_entry FOR EACH ROW EXECUTE FUNCTION audit_entry_guard()');
    await sql.raw('CREATE TRIGGER audit_entry_no_truncate BEFORE TRUNCATE ON audit_entry FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()');
    return;
  }
  const changed = kept.map((column) => `OLD.${column} IS NOT NEW.${column}`).join(' OR ');
  await sql.raw(`CREATE TRIGGER audit_entry_no_update BEFORE UPDATE ON audit_entry WHEN OLD.seq IS NOT NULL OR ${changed} BEGIN SELECT RAISE(ABORT, 'audit_entry is append-only'); END`);
  await sql.raw(`CREATE TRIGGER audit_entry_no_delete BEFORE DELETE ON audit_entry WHEN OLD.seq IS NULL OR OLD.seq > (SELECT pruned_seq FROM audit_chain) BEGIN SELECT RAISE(ABORT, 'audit_entry is append-only'); END`);
}
