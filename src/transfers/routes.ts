import { answer, principalOf, type ApiAnswer, type ApiRequest, type Routes } from '../http/index.ts';
import type { Idempotency } from '../idempotency/index.ts';
import { isoTime } from '../kernel/clock.ts';
import { amountNumber, readAmount, readCurrency } from '../kernel/money.ts';
import { readRoomId, readUserId, type Wallet } from '../wallet/index.ts';
import type { Transfers } from './transfers.ts';
import type { Transfer } from './types.ts';

export interface TransferRoutesDependencies {
  readonly transfers: Transfers;
  readonly wallet: Wallet;
  readonly idempotency: Idempotency;
}

interface InitiateBody {
  recipient: string;
  currency: string;
  note?: string;
  room_id?: string;
  idempotency_key: string;
}

/** Money that was held comes back; with the embedded ledger it is there already. */
const refundOf = ({ txnId, settledAt }: Transfer): object => (txnId === undefined ? {} : { refund_initiated: true, ...(settledAt === undefined ? {} : { refund_expected_at: isoTime(settledAt) }) });

/** When it ended, under the name that its end has. */
function endView({ status, settledAt, acceptanceRequired }: Transfer): object {
  if (settledAt === undefined) return {};
  const name = status === 'completed' ? (acceptanceRequired ? 'accepted_at' : 'completed_at') : `${status}_at`;
  return { [name]: isoTime(settledAt) };
}

/** Specification sections 7.2.3 to 7.2.9. */
function transferView(transfer: Transfer, walletIds: { readonly payer?: string | undefined; readonly payee?: string | undefined } = {}): Record<string, unknown> {
  const { id, status, acceptanceRequired, amountMinor, currency, payer, payee, note, roomId, reason, error, txnId, createdAt, expiresAt } = transfer;
  const party = (userId: string, walletId: string | undefined): object => ({ user_id: userId, ...(walletId === undefined ? {} : { wallet_id: walletId }) });
  return {
    transfer_id: id,
    status,
    recipient_acceptance_required: acceptanceRequired,
    amount: amountNumber(amountMinor, currency),
    currency,
    sender: party(payer, walletIds.payer),
    recipient: party(payee, walletIds.payee),
    ...(note === undefined ? {} : { note }),
    ...(roomId === undefined ? {} : { room_id: roomId }),
    ...(txnId === undefined ? {} : { txn_id: txnId }),
    ...(reason === undefined ? {} : { reason }),
    ...(error === undefined ? {} : { error_code: error.code, error_message: error.message }),
    timestamp: isoTime(createdAt),
    ...(expiresAt === undefined ? {} : { expires_at: isoTime(expiresAt) }),
    ...endView(transfer),
  };
}

function initiateRoute({ transfers, idempotency }: TransferRoutesDependencies) {
  return async (request: ApiRequest): Promise<ApiAnswer> => {
    const { userId, clientId } = principalOf(request, 'session');
    const body = request.body as InitiateBody;
    const currency = readCurrency(body.currency, 'currency');
    const wanted = {
      payer: userId,
      payee: readUserId(body.recipient, 'recipient'),
      amountMinor: readAmount(request.amountText('amount'), currency, 'amount'),
      currency,
      note: body.note,
      roomId: readRoomId(body.room_id, 'room_id'),
    };
    return idempotency.run(
      { userId, clientId, operation: 'p2p', key: body.idempotency_key, body: { ...body, amount: wanted.amountMinor } },
      {
        prepare: () => transfers.prepare(wanted),
        work: async (tx, preparation) => answer({ ...transferView(await transfers.initiate(tx, wanted, preparation)), available_methods: preparation.methods }),
      },
    );
  };
}

export function transferRoutes(deps: TransferRoutesDependencies): Routes {
  const { transfers, wallet } = deps;
  const who = (request: ApiRequest) => principalOf(request, 'session').userId;
  const idIn = (request: ApiRequest): string => request.path.transfer_id as string;
  const viewWithWallets = async (transfer: Transfer): Promise<Record<string, unknown>> => {
    const [payer, payee] = await Promise.all([wallet.find(transfer.payer), wallet.find(transfer.payee)]);
    return transferView(transfer, { payer: payer?.walletId, payee: payee?.walletId });
  };
  return {
    initiateTransfer: initiateRoute(deps),
    confirmTransfer: async (request) => {
      const { auth_proof: authProof } = request.body as { auth_proof?: Record<string, unknown> };
      return answer(await viewWithWallets(await transfers.confirm(who(request), idIn(request), authProof)));
    },
    acceptTransfer: async (request) => {
      const transfer = await transfers.accept(who(request), idIn(request));
      const balance = await wallet.available({ user: transfer.payee }, transfer.currency);
      return answer({ ...(await viewWithWallets(transfer)), new_balance: amountNumber(balance, transfer.currency) });
    },
    rejectTransfer: async (request) => {
      const transfer = await transfers.reject(who(request), idIn(request), (request.body as { reason?: string }).reason);
      return answer({ ...transferView(transfer), ...refundOf(transfer) });
    },
    cancelTransfer: async (request) => {
      const transfer = await transfers.cancel(who(request), idIn(request));
      return answer({ ...transferView(transfer), ...refundOf(transfer) });
    },
    getTransfer: async (request) => {
      const transfer = await transfers.get(who(request), idIn(request));
      const eventId = await transfers.findEventId(who(request), transfer);
      return answer({ ...transferView(transfer), ...(eventId === undefined ? {} : { event_id: eventId }) });
    },
  };
}
