import { insertRows, type Queryable, type Transaction } from '../database/index.ts';
import { asRoomId, asUserId, type UserId } from '../kernel/ids.ts';
import { asCurrency } from '../kernel/money.ts';
import { breaksOf, type Break } from '../wallet/index.ts';
import type { GiftStatus } from './machine.ts';
import type { Gift, OpenedShare, Share } from './types.ts';

interface GiftRow {
  id: string;
  giver: string;
  type: 'individual' | 'group';
  recipient: string | null;
  room_id: string | null;
  room_encrypted: number;
  amount: number;
  currency: string;
  count: number;
  opened: number;
  message: string | null;
  status: GiftStatus;
  error_code: string | null;
  error_message: string | null;
  lifetime_ms: number;
  created_at: number;
  expires_at: number;
}

interface ShareRow {
  gift_id: string;
  n: number;
  amount: number;
  opened_by: string | null;
  opened_at: number | null;
}

const fromRow = (row: GiftRow): Gift => ({
  id: row.id,
  giver: asUserId(row.giver),
  type: row.type,
  recipient: row.recipient === null ? undefined : asUserId(row.recipient),
  roomId: row.room_id === null ? undefined : asRoomId(row.room_id),
  roomEncrypted: row.room_encrypted === 1,
  amountMinor: row.amount,
  currency: asCurrency(row.currency),
  count: row.count,
  opened: row.opened,
  message: row.message ?? undefined,
  status: row.status,
  error: row.error_code === null ? undefined : { code: row.error_code, message: row.error_message ?? '' },
  lifetimeMs: row.lifetime_ms,
  createdAt: row.created_at,
  expiresAt: row.expires_at,
});

/** Writes the gift with its shares and, of a group gift, those who may open it. */
export async function insertGift(tx: Transaction, gift: Gift, shares: readonly number[], members: readonly UserId[]): Promise<void> {
  const row: GiftRow = {
    id: gift.id,
    giver: gift.giver,
    type: gift.type,
    recipient: gift.recipient ?? null,
    room_id: gift.roomId ?? null,
    room_encrypted: gift.roomEncrypted ? 1 : 0,
    amount: gift.amountMinor,
    currency: gift.currency,
    count: gift.count,
    opened: gift.opened,
    message: gift.message ?? null,
    status: gift.status,
    error_code: null,
    error_message: null,
    lifetime_ms: gift.lifetimeMs,
    created_at: gift.createdAt,
    expires_at: gift.expiresAt,
  };
  await tx.sql('gift').insert(row);
  await insertRows(tx, 'gift_share', { gift_id: 'text', n: 'bigint', amount: 'bigint' }, shares.map((amount, n) => ({ gift_id: gift.id, n, amount })));
  await insertRows(tx, 'gift_member', { gift_id: 'text', user_id: 'text' }, members.map((userId) => ({ gift_id: gift.id, user_id: userId })));
}

export async function findGift(db: Queryable, id: string): Promise<Gift | undefined> {
  const row = await db.sql<GiftRow>('gift').where({ id }).first();
  return row === undefined ? undefined : fromRow(row);
}

/** The gift, locked: openers come one after another (specification section 7.5.6). */
export async function lockGift(tx: Transaction, id: string): Promise<Gift | undefined> {
  const query = tx.sql<GiftRow>('gift').where({ id }).first();
  const row = await (tx.dialect === 'postgres' ? query.forNoKeyUpdate() : query);
  return row === undefined ? undefined : fromRow(row);
}

export async function isGiftMember(db: Queryable, giftId: string, userId: UserId): Promise<boolean> {
  return (await db.sql('gift_member').where({ gift_id: giftId, user_id: userId }).first('gift_id')) !== undefined;
}

/** False when the gift is not in state `from` any more. */
export async function moveGift(tx: Transaction, from: Gift, { id, status, error, opened, expiresAt }: Gift): Promise<boolean> {
  return (await tx.sql('gift').where({ id, status: from.status, opened: from.opened }).update({ status, error_code: error?.code ?? null, error_message: error?.message ?? null, opened, expires_at: expiresAt })) === 1;
}

/** The next share that nobody has. The gift must be locked. */
export async function nextShare(tx: Transaction, giftId: string): Promise<Share | undefined> {
  const row = await tx.sql<ShareRow>('gift_share').where({ gift_id: giftId, opened_by: null }).orderBy('n').first('n', 'amount');
  return row === undefined ? undefined : { n: row.n, amountMinor: row.amount };
}

/** What nobody has taken yet, in minor units: this is what the escrow holds. The gift must be locked. */
export async function sumUnopened(tx: Transaction, giftId: string): Promise<number> {
  const row = await tx.sql<ShareRow>('gift_share').where({ gift_id: giftId, opened_by: null }).sum<{ total: number | string | null }>({ total: 'amount' }).first();
  return Number(row?.total ?? 0);
}

/** False when somebody has it already. */
export async function takeShare(tx: Transaction, giftId: string, n: number, openedBy: UserId, now: number): Promise<boolean> {
  return (await tx.sql('gift_share').where({ gift_id: giftId, n, opened_by: null }).update({ opened_by: openedBy, opened_at: now })) === 1;
}

export async function hasOpened(db: Queryable, giftId: string, userId: UserId): Promise<boolean> {
  return (await db.sql('gift_share').where({ gift_id: giftId, opened_by: userId }).first('n')) !== undefined;
}

/** The largest first; of two as large, the one opened earlier. */
export async function listOpened(db: Queryable, giftId: string): Promise<OpenedShare[]> {
  const rows = await db
    .sql<ShareRow>('gift_share')
    .where({ gift_id: giftId })
    .whereNotNull('opened_by')
    .orderBy([{ column: 'amount', order: 'desc' }, 'opened_at', 'n']);
  return rows.map((row) => ({ n: row.n, amountMinor: row.amount, openedBy: asUserId(row.opened_by!), openedAt: row.opened_at! }));
}

/** Every gift's shares, state and money fit together. */
export async function auditGifts(db: Queryable): Promise<Break[]> {
  const shares = `SELECT gift_id, COUNT(*) AS shares, SUM(amount) AS total, COUNT(opened_by) AS taken, SUM(CASE WHEN opened_by IS NULL THEN amount ELSE 0 END) AS left_over FROM gift_share GROUP BY gift_id`;
  return [
    ...(await breaksOf(db, 'the shares of a gift are as many as it says, and sum to it', `
      SELECT g.id, g.count, s.shares, g.amount, s.total, g.opened, s.taken FROM gift g LEFT JOIN (${shares}) AS s ON s.gift_id = g.id
      WHERE COALESCE(s.shares, 0) <> g.count OR COALESCE(s.total, 0) <> g.amount OR COALESCE(s.taken, 0) <> g.opened`)),
    ...(await breaksOf(db, 'the state of a gift is what was opened', `
      SELECT id, status, opened, count FROM gift WHERE (status = 'fully_opened') <> (opened = count) OR (status IN ('active', 'pending_authorization', 'processing', 'failed') AND opened > 0) OR (status = 'partially_opened' AND opened = 0)`)),
    ...(await breaksOf(db, 'the escrow of a gift holds what nobody has opened, and nothing when it is over', `
      SELECT g.id, g.status, s.left_over, a.cr_posted - a.dr_posted AS held FROM gift g JOIN (${shares}) AS s ON s.gift_id = g.id
      LEFT JOIN ledger_account a ON a.kind = 'gift_escrow' AND a.owner = g.id
      WHERE g.id NOT IN (SELECT ref FROM wallet_instruction WHERE code = 'gift') AND (COALESCE(a.cr_posted - a.dr_posted, 0) <> CASE WHEN g.status IN ('active', 'partially_opened') THEN s.left_over ELSE 0 END
         OR COALESCE(a.dr_pending, 0) <> 0 OR COALESCE(a.cr_pending, 0) <> 0 OR (a.id IS NOT NULL AND a.currency <> g.currency))`)),
    ...(await breaksOf(db, 'each opened share was paid to its opener, once', `
      SELECT s.gift_id, s.n, s.opened_by, COUNT(t.id) AS payments FROM gift_share s
      LEFT JOIN ledger_account a ON a.kind = 'wallet' AND a.owner = s.opened_by
      LEFT JOIN ledger_transfer t ON t.ref = s.gift_id AND t.code = 'gift_share' AND t.credit = a.id AND t.amount = s.amount
      WHERE s.opened_by IS NOT NULL AND s.gift_id NOT IN (SELECT ref FROM wallet_instruction WHERE code = 'gift') GROUP BY s.gift_id, s.n, s.opened_by HAVING COUNT(DISTINCT t.id) <> 1`)),
    ...(await breaksOf(db, 'a gift in the hands of a wallet service stands where the service left it', `
      SELECT g.id, g.status, i.state, o.shares, o.returned FROM gift g JOIN wallet_instruction i ON i.ref = g.id AND i.code = 'gift'
      LEFT JOIN (SELECT ref, SUM(CASE code WHEN 'gift_share' THEN 1 ELSE 0 END) AS shares, SUM(CASE code WHEN 'gift_return' THEN 1 ELSE 0 END) AS returned FROM wallet_instruction WHERE code IN ('gift_share', 'gift_return') GROUP BY ref) AS o ON o.ref = g.id
      WHERE COALESCE(o.shares, 0) <> g.opened OR COALESCE(o.returned, 0) <> CASE g.status WHEN 'expired' THEN 1 ELSE 0 END
        OR NOT ((g.status = 'processing' AND i.state = 'open') OR (g.status = 'failed' AND i.state = 'refused') OR (g.status IN ('active', 'partially_opened', 'fully_opened', 'expired') AND i.state = 'done'))`)),
    ...(await breaksOf(db, 'every instruction for a gift is of one of them, and its escrow is filled once', `
      SELECT i.ref, COUNT(*) AS instructions FROM wallet_instruction i LEFT JOIN gift g ON g.id = i.ref WHERE i.code IN ('gift', 'gift_share', 'gift_return') GROUP BY i.ref
      HAVING COUNT(DISTINCT g.id) <> 1 OR SUM(CASE i.code WHEN 'gift' THEN 1 ELSE 0 END) <> 1`)),
  ];
}
