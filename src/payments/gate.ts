import { AppError } from '../kernel/errors.ts';
import type { MiniAppId, UserId } from '../kernel/ids.ts';
import type { Payment } from './types.ts';

/** A user's session, as far as payments look at it. */
export interface PayerSession {
  readonly kind: 'session';
  readonly userId: UserId;
  readonly clientId: string;
  readonly audience: string;
  readonly provenBy: 'openid' | 'whoami' | 'mas' | 'sign_in';
  readonly origin: 'token_exchange' | 'authorization_code' | 'device_code';
}

/** Who asks for a payment: a user through some client, or a mini-app's own server. */
export type PaymentCaller = PayerSession | { readonly kind: 'client'; readonly miniappId: MiniAppId };

const walletAudiences: readonly string[] = ['tmcp_wallet', 'tmcp_p2p'];
const isFirstParty = ({ audience }: PayerSession): boolean => walletAudiences.includes(audience);

const notFound = (neverWas: boolean): AppError => new AppError('PAYMENT_NOT_FOUND', 'No such payment', { neverWas });

const concerns = (payment: Payment, caller: PaymentCaller): boolean =>
  caller.kind === 'client' ? payment.miniappId === caller.miniappId : payment.payer === caller.userId && (isFirstParty(caller) || caller.audience === payment.miniappId);

/** For its payer, through the host client or the paying app, and its merchant. @throws AppError PAYMENT_NOT_FOUND, one and the same for everybody else (decision D21) */
export function requireConcerned(payment: Payment | undefined, caller: PaymentCaller): Payment {
  if (payment === undefined || !concerns(payment, caller)) throw notFound(payment === undefined);
  return payment;
}

/**
 * Whether a session may spend (decision D20): the host client's own, or the paying app's when it began with the user's Matrix access token
 * in the host's hands, never one that an app could have opened by itself.
 * @throws AppError INSUFFICIENT_PERMISSIONS
 */
export async function requireMaySpend(session: PayerSession, isConfidential: (clientId: string) => Promise<boolean>): Promise<void> {
  if (isFirstParty(session)) return;
  const byHost = session.origin === 'token_exchange' && (session.provenBy === 'whoami' || session.provenBy === 'mas');
  if (byHost && !(await isConfidential(session.clientId))) return;
  throw new AppError('INSUFFICIENT_PERMISSIONS', 'This session cannot authorize payments: that takes one that began with the Matrix access token in the host client', { details: { required_audience: walletAudiences } });
}
