import type { Database } from '../database/index.ts';
import { answer, errorBody, principalOf, type ApiAnswer, type ApiRequest, type ClientPrincipal, type Routes } from '../http/index.ts';
import type { Idempotency } from '../idempotency/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError, invalidField } from '../kernel/errors.ts';
import { isMiniAppId } from '../kernel/ids.ts';
import { readAmount } from '../kernel/money.ts';
import type { ChallengeAnswer } from '../mfa/index.ts';
import type { Wallet } from '../wallet/index.ts';
import type { Authorized, Signature } from './authorization.ts';
import type { PaymentCaller } from './gate.ts';
import type { PaymentStatus } from './machine.ts';
import type { Payments } from './payments.ts';
import type { RefundRequest } from './refunds.ts';
import { findPayment, listPayments } from './repo.ts';
import { readTerms, requireLaunchRoom, type RequestBody } from './request-body.ts';
import type { Payment } from './types.ts';
import { paymentView, refundView } from './views.ts';

export interface PaymentRoutesDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly payments: Payments;
  readonly wallet: Pick<Wallet, 'find'>;
  readonly idempotency: Idempotency;
}

const merchantScopes = ['wallet:pay', 'wallet:request'];

/** A merchant's server, whose credentials are for money: a token that it got for something else is not. @throws AppError INSUFFICIENT_PERMISSIONS */
function requireMerchant(client: ClientPrincipal): ClientPrincipal {
  if (!merchantScopes.some((scope) => client.scopes.has(scope))) throw new AppError('INSUFFICIENT_PERMISSIONS', `Missing required scope: ${merchantScopes[0]!}`, { details: { required_scopes: [merchantScopes[0]] } });
  return client;
}

const callerOf = ({ principal }: ApiRequest): PaymentCaller => {
  if (principal.kind === 'session') return principal;
  if (principal.kind === 'client') return requireMerchant(principal);
  throw new AppError('INSUFFICIENT_PERMISSIONS', 'This endpoint does not accept this kind of credential');
};

const idIn = (request: ApiRequest): string => request.path.payment_id as string;
const sessionOf = (request: ApiRequest) => principalOf(request, 'session');

/** Section 7.3.1: by the mini-app that is to be paid, through the session that the payer has with it. */
function requestRoute({ payments, idempotency }: PaymentRoutesDependencies) {
  return async (request: ApiRequest): Promise<ApiAnswer> => {
    const { userId, clientId, audience, context } = sessionOf(request);
    if (!isMiniAppId(audience)) throw new AppError('INSUFFICIENT_PERMISSIONS', 'Payments are asked for by the mini-app that is to be paid');
    const body = request.body as RequestBody;
    const terms = readTerms(request, userId);
    requireLaunchRoom(body.room_id, context);
    return idempotency.run(
      { userId, clientId, operation: 'payment', key: body.idempotency_key, body: { ...body, amount: terms.amountMinor, items: terms.items } },
      {
        prepare: () => payments.prepare(audience, terms),
        work: async (tx, preparation) => answer(paymentView({ payment: await payments.create(tx, terms, preparation, { kind: 'client', id: clientId }), refunds: [] })),
      },
    );
  };
}

/** Who may refund: the merchant's own server, or an administrator (decision D8). @throws AppError INSUFFICIENT_PERMISSIONS */
function refunderOf({ principal }: ApiRequest): Pick<RefundRequest, 'miniappId' | 'by'> & { readonly name: string } {
  if (principal.kind === 'client') return { miniappId: requireMerchant(principal).miniappId, by: { kind: 'client', id: principal.clientId }, name: principal.clientId };
  if (principal.kind === 'admin') return { miniappId: undefined, by: { kind: 'administrator', id: principal.name }, name: `admin:${principal.name}` };
  throw new AppError('INSUFFICIENT_PERMISSIONS', "Refunds are made by the mini-app's own server, with its client secret");
}

function refundRoute({ payments, idempotency }: PaymentRoutesDependencies) {
  return async (request: ApiRequest): Promise<ApiAnswer> => {
    const { miniappId, by, name } = refunderOf(request);
    const { reason, notes, idempotency_key: key, ...body } = request.body as { amount?: unknown; reason?: string; notes?: string; idempotency_key: string };
    const text = request.amountText('amount');
    const amountMinor = ({ currency }: Payment): number | undefined => (body.amount === undefined ? undefined : readAmount(text, currency, 'amount'));
    return idempotency.run(
      // The key belongs to the merchant's client, whatever it refunds: the payment is part of what must be the same.
      { userId: '', clientId: name, operation: 'refund', key, body: { ...body, amount: text, reason, notes, payment_id: idIn(request) } },
      {
        prepare: () => payments.prepareRefund(idIn(request)),
        work: async (tx) => {
          const { moved, ...made } = await payments.refund(tx, idIn(request), { amountMinor, reason, notes, miniappId, by });
          const first = answer(refundView(made));
          return moved.settled ? first : { ...first, later: async () => answer(refundView(await payments.finishRefund(made.refund.id, moved))) };
        },
      },
    );
  };
}

/** Decision D7: 402 with the challenge and the error beside it. */
function challengeAnswer({ payment, challenge }: Authorized, request: ApiRequest, clock: Clock, status: number): ApiAnswer {
  const error = new AppError('MFA_REQUIRED', 'Confirm with one of your factors', { details: { payment_id: payment.id, status: payment.status } });
  return answer({ payment_id: payment.id, status: payment.status, mfa_challenge: challenge, ...(status === 200 ? {} : errorBody(error, clock.now(), request.requestId)) }, status);
}

/** What v1.2.0 section 7.4.3 says beside the error. */
function withChallenge(error: unknown, paymentId: string, challengeId: string): unknown {
  if (!(error instanceof AppError) || (error.code !== 'INVALID_MFA_CREDENTIALS' && error.code !== 'MFA_LOCKED')) return error;
  const { code, message, details, retryAfterMs } = error;
  const extra = { ...(Array.isArray(details) ? {} : details), payment_id: paymentId, challenge_id: challengeId, status: 'failed', retry_allowed: code === 'INVALID_MFA_CREDENTIALS' && (details as { locked_until?: string } | undefined)?.locked_until === undefined };
  return new AppError(code, message, { details: extra, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });
}

function listRoute({ database }: PaymentRoutesDependencies) {
  return async (request: ApiRequest): Promise<ApiAnswer> => {
    const { miniappId } = requireMerchant(principalOf(request, 'client'));
    const { limit, status, merchant_order_id: merchantOrderId, before: beforeId } = request.query as unknown as { limit: number; status?: PaymentStatus; merchant_order_id?: string; before?: string };
    const before = beforeId === undefined ? undefined : await findPayment(database, beforeId);
    if (beforeId !== undefined && before?.miniappId !== miniappId) throw invalidField('before', 'is not a payment of this mini-app');
    const payments = await listPayments(database, miniappId, { status, merchantOrderId, before, limit });
    return answer({ payments: payments.map((payment) => paymentView({ payment, refunds: [] })), ...(payments.length === limit ? { next_before: payments.at(-1)!.id } : {}) });
  };
}

export function paymentRoutes(deps: PaymentRoutesDependencies): Routes {
  const { clock, payments, wallet } = deps;
  const viewOf = async (payment: Payment, refunds: Parameters<typeof paymentView>[0]['refunds'] = []): Promise<Record<string, unknown>> => paymentView({ payment, refunds }, (await wallet.find(payment.payer))?.walletId);
  return {
    requestPayment: requestRoute(deps),
    listPayments: listRoute(deps),
    getPayment: async (request) => {
      const { payment, refunds } = await payments.get(callerOf(request), idIn(request));
      return answer(await viewOf(payment, refunds));
    },
    authorizePayment: async (request) => {
      const body = request.body as Partial<Signature>;
      const authorized = await payments.authorize(sessionOf(request), idIn(request), body.signature === undefined ? undefined : (body as Signature));
      return authorized.challenge === undefined ? answer(await viewOf(authorized.payment)) : challengeAnswer(authorized, request, clock, 402);
    },
    challengePayment: async (request) => challengeAnswer(await payments.challenge(sessionOf(request), idIn(request)), request, clock, 200),
    verifyPayment: async (request) => {
      const body = request.body as ChallengeAnswer;
      try {
        const payment = await payments.verify(sessionOf(request), idIn(request), body);
        return answer({ ...(await viewOf(payment)), challenge_id: body.challenge_id, proceed_to_processing: true });
      } catch (error) {
        throw withChallenge(error, idIn(request), body.challenge_id);
      }
    },
    cancelPayment: async (request) => answer(await viewOf(await payments.cancel(sessionOf(request), idIn(request)))),
    refundPayment: refundRoute(deps),
  };
}
