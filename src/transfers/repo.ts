import { runSql, type Queryable, type Transaction } from '../database/index.ts';
import { asRoomId, asUserId } from '../kernel/ids.ts';
import { asCurrency } from '../kernel/money.ts';
import { breaksOf, type Break } from '../wallet/index.ts';
import type { TransferStatus } from './machine.ts';
import type { Transfer } from './types.ts';

interface TransferRow {
  id: string;
  payer: string;
  payee: string;
  amount: number;
  currency: string;
  note: string | null;
  room_id: string | null;
  room_encrypted: number;
  status: TransferStatus;
  acceptance_required: number;
  txn_id: string | null;
  by_service: number;
  service_txn_id: string | null;
  next_status: TransferStatus | null;
  error_code: string | null;
  error_message: string | null;
  reason: string | null;
  created_at: number;
  expires_at: number | null;
  settled_at: number | null;
}

const fromRow = (row: TransferRow): Transfer => ({
  id: row.id,
  payer: asUserId(row.payer),
  payee: asUserId(row.payee),
  amountMinor: row.amount,
  currency: asCurrency(row.currency),
  note: row.note ?? undefined,
  roomId: row.room_id === null ? undefined : asRoomId(row.room_id),
  roomEncrypted: row.room_encrypted === 1,
  status: row.status,
  acceptanceRequired: row.acceptance_required === 1,
  txnId: row.txn_id ?? row.service_txn_id ?? undefined,
  byService: row.by_service === 1,
  nextStatus: row.next_status ?? undefined,
  error: row.error_code === null ? undefined : { code: row.error_code, message: row.error_message ?? '' },
  reason: row.reason ?? undefined,
  createdAt: row.created_at,
  expiresAt: row.expires_at ?? undefined,
  settledAt: row.settled_at ?? undefined,
});

/** What changes in the life of a transfer. */
const stateOf = ({ status, txnId, byService, nextStatus, error, reason, expiresAt, settledAt }: Transfer) => ({
  status,
  txn_id: byService ? null : (txnId ?? null),
  by_service: byService ? 1 : 0,
  service_txn_id: byService ? (txnId ?? null) : null,
  next_status: nextStatus ?? null,
  error_code: error?.code ?? null,
  error_message: error?.message ?? null,
  reason: reason ?? null,
  expires_at: expiresAt ?? null,
  settled_at: settledAt ?? null,
});

export async function insertTransfer(tx: Transaction, transfer: Transfer): Promise<void> {
  const row: TransferRow = {
    id: transfer.id,
    payer: transfer.payer,
    payee: transfer.payee,
    amount: transfer.amountMinor,
    currency: transfer.currency,
    note: transfer.note ?? null,
    room_id: transfer.roomId ?? null,
    room_encrypted: transfer.roomEncrypted ? 1 : 0,
    acceptance_required: transfer.acceptanceRequired ? 1 : 0,
    created_at: transfer.createdAt,
    ...stateOf(transfer),
  };
  await tx.sql('p2p_transfer').insert(row);
}

export async function findTransfer(db: Queryable, id: string): Promise<Transfer | undefined> {
  const [row] = await runSql<TransferRow>(db, 'SELECT * FROM p2p_transfer WHERE id = ?', [id]);
  return row === undefined ? undefined : fromRow(row);
}

/** The transfer, locked: whoever else wants to change it waits until this transaction ends. */
export async function lockTransfer(tx: Transaction, id: string): Promise<Transfer | undefined> {
  const [row] = await runSql<TransferRow>(tx, `SELECT * FROM p2p_transfer WHERE id = ? ${tx.dialect === 'postgres' ? 'FOR NO KEY UPDATE' : ''}`, [id]);
  return row === undefined ? undefined : fromRow(row);
}

/** Writes where the transfer stands now; its terms are never written again. False when it is not in state `from` any more. */
export async function moveTransfer(tx: Transaction, from: TransferStatus, transfer: Transfer): Promise<boolean> {
  const state = stateOf(transfer);
  const changed = Object.keys(state).map((column) => `${column} = ?`).join(', ');
  const rows = await runSql(tx, `UPDATE p2p_transfer SET ${changed} WHERE id = ? AND status = ? RETURNING id`, [...Object.values(state), transfer.id, from]);
  return rows.length === 1;
}

/** The money of every transfer is where its state says. */
export async function auditTransfers(db: Queryable): Promise<Break[]> {
  const where = (wrong: string): string => `
    SELECT p.id, p.status, t.kind, e.kind AS ended_by FROM p2p_transfer p LEFT JOIN ledger_transfer t ON t.id = p.txn_id LEFT JOIN ledger_transfer e ON e.pending_id = t.id
    WHERE p.by_service = 0 AND (${wrong})`;
  return [
    ...(await breaksOf(db, 'a transfer has money in the ledger exactly when it was confirmed', where(`(p.status IN ('completed', 'pending_recipient_acceptance', 'rejected') AND t.id IS NULL) OR (p.status = 'pending_authorization' AND t.id IS NOT NULL)`))),
    ...(await breaksOf(db, 'the money of a transfer is where its state says', where(`t.id IS NOT NULL AND NOT (
      (p.status = 'completed' AND ((p.acceptance_required = 0 AND t.kind = 'single') OR (p.acceptance_required = 1 AND t.kind = 'pending' AND COALESCE(e.kind, '') = 'post')))
      OR (p.status = 'pending_recipient_acceptance' AND t.kind = 'pending' AND e.id IS NULL)
      OR (p.status IN ('cancelled', 'rejected', 'expired') AND t.kind = 'pending' AND COALESCE(e.kind, '') = 'void'))`))),
    ...(await breaksOf(db, 'a transfer in the hands of a wallet service stands where the service left it', `
      SELECT p.id, p.status, p.next_status, p.service_txn_id, i.kind, i.state, e.kind AS ended_by, e.state AS ended FROM p2p_transfer p
      LEFT JOIN wallet_instruction i ON i.ref = p.id AND i.code = 'p2p' AND i.hold_id IS NULL LEFT JOIN wallet_instruction e ON e.hold_id = i.id
      WHERE p.by_service = 1 AND NOT (i.id IS NOT NULL AND COALESCE(i.txn_id, '') = COALESCE(p.service_txn_id, '') AND (
        (p.status = 'processing' AND p.next_status IN ('completed', 'pending_recipient_acceptance') AND i.state = 'open' AND e.id IS NULL)
        OR (p.status = 'processing' AND i.kind = 'hold' AND i.state = 'done' AND e.state = 'open' AND e.kind = CASE p.next_status WHEN 'completed' THEN 'capture' ELSE 'release' END)
        OR (p.status = 'failed' AND i.state = 'refused')
        OR (p.status = 'completed' AND p.acceptance_required = 0 AND i.kind = 'transfer' AND i.state = 'done')
        OR (p.status = 'completed' AND p.acceptance_required = 1 AND i.kind = 'hold' AND e.kind = 'capture' AND e.state = 'done')
        OR (p.status = 'pending_recipient_acceptance' AND i.kind = 'hold' AND i.state = 'done' AND e.id IS NULL)
        OR (p.status IN ('cancelled', 'rejected', 'expired') AND i.kind = 'hold' AND e.kind = 'release' AND e.state = 'done')))`)),
    ...(await breaksOf(db, 'every instruction for a transfer is of one of them, once', `
      SELECT i.ref, COUNT(*) AS instructions FROM wallet_instruction i LEFT JOIN p2p_transfer p ON p.id = i.ref AND p.by_service = 1
      WHERE i.code = 'p2p' AND i.hold_id IS NULL GROUP BY i.ref HAVING COUNT(*) <> 1 OR COUNT(p.id) <> 1`)),
    ...(await breaksOf(db, 'the ledger booked the terms of the transfer', `
      SELECT p.id, p.amount, t.amount AS booked, d.owner AS debited, c.owner AS credited FROM p2p_transfer p JOIN ledger_transfer t ON t.id = p.txn_id
      JOIN ledger_account d ON d.id = t.debit JOIN ledger_account c ON c.id = t.credit
      WHERE t.amount <> p.amount OR t.currency <> p.currency OR t.ref <> p.id OR d.owner <> p.payer OR c.owner <> p.payee`)),
    ...(await breaksOf(db, 'every booked transfer between people is one of theirs, once', `
      SELECT t.id, t.ref FROM ledger_transfer t LEFT JOIN p2p_transfer p ON p.txn_id = t.id WHERE t.code = 'p2p' AND t.kind IN ('single', 'pending') AND p.id IS NULL`)),
  ];
}
