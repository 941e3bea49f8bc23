import type { Database, Queryable, Transaction } from '../database/index.ts';
import type { JobQueue } from '../jobs/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError, invalidField } from '../kernel/errors.ts';
import { newId, type EventId, type UserId } from '../kernel/ids.ts';
import type { RoomEvents, SharedRooms } from '../matrix/port.ts';
import type { MiniApp, MiniApps } from '../miniapps/index.ts';
import type { AuditRecord } from '../security/audit/index.ts';
import { placeOf } from './events.ts';
import { expiryJob } from './jobs.ts';
import type { PaymentRecord } from './record.ts';
import { insertPayment } from './repo.ts';
import type { Payment, PaymentTermsOf } from './types.ts';

export interface RequestsDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly queue: JobQueue;
  readonly events: Pick<RoomEvents, 'remember'>;
  readonly sharedRooms: SharedRooms;
  readonly miniapps: Pick<MiniApps, 'find' | 'earlyUsers'>;
  readonly record: PaymentRecord;
  readonly mayHaveWallet: (userId: UserId) => boolean;
  /** How long a payment can be authorized. */
  readonly authorizeMs: number;
}

/** What was asked before a payment is made. */
export interface PaymentPreparation {
  readonly app: MiniApp;
  readonly sandbox: boolean;
  readonly roomEncrypted: boolean;
}

export interface PaymentRequests {
  /** Outside of a transaction. @throws AppError INVALID_REQUEST, INSUFFICIENT_PERMISSIONS, ROOM_NOT_ALLOWED, SERVICE_UNAVAILABLE */
  prepare(miniappId: string, terms: PaymentTermsOf): Promise<PaymentPreparation>;
  /** Writes the terms; no money moves. `askedBy`: the event of a bot that asked, to which all others refer then. */
  create(tx: Transaction, terms: PaymentTermsOf, preparation: PaymentPreparation, by: AuditRecord['actor'], askedBy?: EventId): Promise<Payment>;
}

export const notPaid = (): AppError => new AppError('INSUFFICIENT_PERMISSIONS', 'This mini-app cannot be paid now');

/** Whether an app that this user pays is paid with play money: its owners' until it is approved (decision D23). @throws AppError INSUFFICIENT_PERMISSIONS */
async function isSandboxFor(miniapps: Pick<MiniApps, 'earlyUsers'>, app: MiniApp | undefined, payer: UserId): Promise<boolean> {
  if (app?.status === 'active') return false;
  if (app === undefined || !(await miniapps.earlyUsers(app)).includes(payer)) throw notPaid();
  return true;
}

const originOf = (url: string | undefined): string | undefined => (url === undefined || !URL.canParse(url) || !url.startsWith('https://') ? undefined : new URL(url).origin);

/** `callback_url`: HTTPS, of an origin that the app has registered, without a name in front of the host. @throws AppError INVALID_REQUEST */
export function requireOwnCallback(app: Pick<MiniApp, 'entryPoint' | 'redirectUris' | 'webhookUrl'>, callbackUrl: string | undefined): void {
  if (callbackUrl === undefined) return;
  const origin = originOf(callbackUrl);
  if (origin === undefined || new URL(callbackUrl).username !== '' || new URL(callbackUrl).password !== '') throw invalidField('callback_url', 'must be an https address');
  if (![app.entryPoint, ...app.redirectUris, app.webhookUrl].some((url) => originOf(url) === origin)) throw invalidField('callback_url', 'must be of an origin that the mini-app has registered');
}

/** @throws AppError INVALID_REQUEST unless the items make up the amount */
export function requireItemsSum({ items, amountMinor }: Pick<PaymentTermsOf, 'items' | 'amountMinor'>): void {
  if (items.length === 0) return;
  const sum = items.reduce((total, { quantity, unitPriceMinor }) => total + BigInt(quantity) * BigInt(unitPriceMinor), 0n);
  if (sum !== BigInt(amountMinor)) throw invalidField('items', 'do not make up the amount');
}

export function createPaymentRequests(deps: RequestsDependencies): PaymentRequests {
  const { database, clock, queue, events, sharedRooms, miniapps, record, mayHaveWallet } = deps;

  const find = async (miniappId: string, payer: UserId, db: Queryable = database): Promise<{ app: MiniApp; sandbox: boolean }> => {
    const app = await miniapps.find(miniappId, db);
    const sandbox = await isSandboxFor(miniapps, app, payer);
    return { app: app!, sandbox };
  };

  return {
    async prepare(miniappId, terms) {
      const { payer, roomId } = terms;
      requireItemsSum(terms);
      const { app, sandbox } = await find(miniappId, payer);
      requireOwnCallback(app, terms.callbackUrl);
      if (!mayHaveWallet(payer)) throw new AppError('INSUFFICIENT_PERMISSIONS', 'Only users of this homeserver can pay');
      const { isEncrypted } = roomId === undefined ? { isEncrypted: false } : await sharedRooms.requireShared([payer], roomId);
      return { app, sandbox, roomEncrypted: isEncrypted };
    },
    async create(tx, terms, { app, sandbox, roomEncrypted }, by, askedBy) {
      const now = clock.now();
      const { payer, amountMinor, currency, description, merchantOrderId, items, callbackUrl, roomId } = terms;
      const payment: Payment = {
        ...{ payer, amountMinor, currency, description, merchantOrderId, items, callbackUrl, roomId },
        id: newId('pay'),
        miniappId: app.miniappId,
        merchantName: app.name,
        roomEncrypted,
        sandbox,
        status: 'pending_authorization',
        excludedDevice: undefined,
        txnId: undefined,
        byService: false,
        refundedMinor: 0,
        refundingMinor: 0,
        error: undefined,
        createdAt: now,
        expiresAt: now + deps.authorizeMs,
        completedAt: undefined,
        endedAt: undefined,
      };
      await insertPayment(tx, payment);
      queue.enqueue(tx, expiryJob(payment));
      await record.noteNew(tx, payment, by);
      if (askedBy === undefined) await record.announce(tx, 'request', payment);
      else await events.remember(tx, placeOf(payment), payment.id, askedBy);
      return payment;
    },
  };
}
