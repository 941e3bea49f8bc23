import type { Knex } from 'knex';

/** What was submitted, what the automated checks found, what people decided, and appeals with their evidence. */
export async function up(sql: Knex): Promise<void> {
  await sql.schema.createTable('review', (table) => {
    table.text('review_id').primary();
    table.text('miniapp_id').notNullable().references('miniapp.miniapp_id');
    table.text('version_id').notNullable().references('miniapp_version.version_id');
    table.text('kind').notNullable().checkIn(['submission', 'appeal'], 'review_kind');
    table.text('state').notNullable().checkIn(['open', 'approved', 'rejected', 'withdrawn'], 'review_state');
    table.bigInteger('submitted_at').notNullable();
    /** When a decision is promised (specification section 9.3.3). */
    table.bigInteger('due_at').notNullable();
    /** JSON: what the automated checks found; null until they ran. */
    table.text('report');
    table.bigInteger('checked_at');
    /** JSON: checklists, reason. */
    table.text('verdict');
    table.text('decided_by');
    table.bigInteger('decided_at');
  });
  await sql.raw(`CREATE INDEX review_queue ON review (due_at, review_id) WHERE state = 'open'`);
  await sql.raw(`CREATE UNIQUE INDEX review_open ON review (version_id) WHERE state = 'open'`);
  await sql.raw('CREATE INDEX review_app ON review (miniapp_id, submitted_at)');
  await sql.raw('CREATE INDEX review_decided ON review (decided_at) WHERE decided_at IS NOT NULL');
  await sql.schema.createTable('appeal', (table) => {
    table.text('appeal_id').primary();
    table.text('review_id').notNullable().unique().references('review.review_id');
    table.text('reason').notNullable();
    table.text('changes_made').notNullable();
    table.text('created_by').notNullable();
    table.bigInteger('created_at').notNullable();
  });
  await sql.schema.createTable('appeal_evidence', (table) => {
    table.text('evidence_id').primary();
    table.text('appeal_id').notNullable().references('appeal.appeal_id');
    table.text('filename').notNullable();
    table.text('media_type').notNullable();
    table.bigInteger('size_bytes').notNullable();
    table.text('sha256').notNullable();
  });
  await sql.raw('CREATE INDEX appeal_evidence_appeal ON appeal_evidence (appeal_id)');
}
