import type { Knex } from 'knex';

/** Transfers between people and gifts: what they are for and where they stand. Their money is in the ledger (specification section 7, decisions D8, D10). */
export async function up(sql: Knex): Promise<void> {
  await createP2pTransfers(sql);
  await createGifts(sql);
  await createSentEvents(sql);
}

async function createP2pTransfers(sql: Knex): Promise<void> {
  await sql.schema.createTable('p2p_transfer', (table) => {
    table.text('id').primary();
    table.text('payer').notNullable();
    table.text('payee').notNullable();
    table.bigInteger('amount').notNullable();
    table.text('currency').notNullable();
    table.text('note');
    table.text('room_id');
    /** 1 when the room was encrypted: its events carry no amounts (decision D18). */
    table.integer('room_encrypted').notNullable();
    table.text('status').notNullable().checkIn(['pending_authorization', 'pending_recipient_acceptance', 'completed', 'cancelled', 'rejected', 'expired'], 'p2p_transfer_status');
    table.integer('acceptance_required').notNullable();
    /** What the ledger booked when it was confirmed: a hold or the transfer itself. */
    table.text('txn_id').unique().references('ledger_transfer.id');
    table.text('reason');
    table.bigInteger('created_at').notNullable();
    /** When it expires in the state that it is in; null in a final one. */
    table.bigInteger('expires_at');
    table.bigInteger('settled_at');
    table.check('amount > 0', [], 'p2p_transfer_amount');
    table.check('payer <> payee', [], 'p2p_transfer_parties');
  });
  await sql.raw('CREATE INDEX p2p_transfer_payer ON p2p_transfer (payer, created_at)');
  await sql.raw('CREATE INDEX p2p_transfer_payee ON p2p_transfer (payee, created_at)');
}

async function createGifts(sql: Knex): Promise<void> {
  await sql.schema.createTable('gift', (table) => {
    table.text('id').primary();
    table.text('giver').notNullable();
    table.text('type').notNullable().checkIn(['individual', 'group'], 'gift_type');
    /** Of an individual gift. */
    table.text('recipient');
    table.text('room_id');
    table.integer('room_encrypted').notNullable();
    table.bigInteger('amount').notNullable();
    table.text('currency').notNullable();
    table.integer('count').notNullable();
    table.integer('opened').notNullable();
    table.text('message');
    table.text('status').notNullable().checkIn(['pending_authorization', 'active', 'partially_opened', 'fully_opened', 'expired'], 'gift_status');
    table.bigInteger('lifetime_ms').notNullable();
    table.bigInteger('created_at').notNullable();
    table.bigInteger('expires_at').notNullable();
    table.check('amount >= count AND count > 0', [], 'gift_amount');
    table.check('opened BETWEEN 0 AND count', [], 'gift_opened');
    table.check(`(type = 'individual') = (recipient IS NOT NULL)`, [], 'gift_recipient');
    table.check(`type = 'individual' OR room_id IS NOT NULL`, [], 'gift_room');
  });
  await sql.schema.createTable('gift_share', (table) => {
    table.text('gift_id').notNullable().references('gift.id');
    table.integer('n').notNullable();
    table.bigInteger('amount').notNullable();
    table.text('opened_by');
    table.bigInteger('opened_at');
    table.primary(['gift_id', 'n']);
    // Null is equal to nothing: many unopened shares, and one for each opener.
    table.unique(['gift_id', 'opened_by'], { indexName: 'gift_share_opener' });
    table.check('amount > 0', [], 'gift_share_amount');
  });
  await sql.schema.createTable('gift_member', (table) => {
    /** Who was in the room when the gift was created (decision D22). */
    table.text('gift_id').notNullable().references('gift.id');
    table.text('user_id').notNullable();
    table.primary(['gift_id', 'user_id']);
  });
}

/** Ids of events that later ones refer to. */
async function createSentEvents(sql: Knex): Promise<void> {
  await sql.schema.createTable('sent_event', (table) => {
    /** The stream of the queue: a room, or somebody's notices. */
    table.text('place').notNullable();
    table.text('name').notNullable();
    table.text('event_id').notNullable();
    table.primary(['place', 'name']);
  });
}
