import { answer, principalOf, type ApiRequest, type Routes, type SessionPrincipal } from '../http/index.ts';
import { isoTime } from '../kernel/clock.ts';
import { AppError, invalidField } from '../kernel/errors.ts';
import { isRoomId, isUserId, type RoomId, type UserId } from '../kernel/ids.ts';
import { readAmount, readCurrency, type Currency } from '../kernel/money.ts';
import type { Accounts } from './accounts.ts';
import type { History } from './history.ts';
import type { Resolution } from './resolution.ts';
import { balanceView, historyView, resolvedView, standingView, verificationView } from './views.ts';

export interface WalletRoutesDependencies {
  readonly accounts: Accounts;
  readonly history: History;
  readonly resolution: Resolution;
  /** Where a user activates the account; carries a mark of ours, so that it can't be made up. */
  readonly activationUrl: (walletId: string) => string;
  readonly walletIdOf: (userId: UserId) => Promise<string>;
  readonly defaultCurrency: Currency;
  /** Enrols what an activation brings along. @throws AppError */
  readonly enrolFactors: (principal: SessionPrincipal, factors: { readonly pin?: string; readonly biometric?: Readonly<Record<string, unknown>> }) => Promise<void>;
}

interface RegisterBody {
  user_id?: string;
  currency?: string;
  initial_settings?: { daily_limit?: number | string };
}

interface ActivateBody {
  wallet_id?: string;
  verification_data: { terms_version?: string; pin?: string; biometric_data?: Record<string, unknown> };
}

const roomNotAllowed = (): AppError => new AppError('ROOM_NOT_ALLOWED', 'This room cannot be used here');

export function readRoomId(text: unknown, field: string): RoomId | undefined {
  if (text === undefined) return undefined;
  if (!isRoomId(text)) throw invalidField(field, 'is not a Matrix room id');
  return text;
}

export function readUserId(text: unknown, field: string): UserId {
  if (!isUserId(text)) throw invalidField(field, 'is not a Matrix user id');
  return text;
}

/** A mini-app sees people of the one room that it was launched in (decision D22); the host client, of any that the user is in. */
function roomFor({ audience, context }: SessionPrincipal, named: RoomId | undefined): RoomId | undefined {
  if (audience.startsWith('tmcp_')) return named;
  const launchedIn = context?.room_id;
  if (!isRoomId(launchedIn) || (named !== undefined && named !== launchedIn)) throw roomNotAllowed();
  return launchedIn;
}

function registerRoute({ accounts, defaultCurrency }: WalletRoutesDependencies) {
  return async (request: ApiRequest) => {
    const { userId } = principalOf(request, 'matrix');
    const body = request.body as RegisterBody;
    if (body.user_id !== undefined && body.user_id !== userId) throw new AppError('INSUFFICIENT_PERMISSIONS', 'user_id: is not whose token this is', { details: [{ field: 'user_id', problem: 'is not whose token this is' }] });
    const currency = body.currency === undefined ? defaultCurrency : readCurrency(body.currency, 'currency');
    const ownLimit = body.initial_settings?.daily_limit;
    const standing = await accounts.register(userId, currency, ownLimit === undefined ? undefined : readAmount(String(ownLimit), currency, 'initial_settings.daily_limit'));
    return answer({ ...standingView(standing), created_at: isoTime(standing.wallet.createdAt) });
  };
}

function activateRoute({ accounts, enrolFactors }: WalletRoutesDependencies) {
  return async (request: ApiRequest) => {
    const principal = principalOf(request, 'session');
    const { wallet_id: walletId, verification_data: data } = request.body as ActivateBody;
    if (data.pin !== undefined || data.biometric_data !== undefined) {
      await enrolFactors(principal, { ...(data.pin === undefined ? {} : { pin: data.pin }), ...(data.biometric_data === undefined ? {} : { biometric: data.biometric_data }) });
    }
    const { wallet, balances } = await accounts.activate(principal.userId, { walletId, termsVersion: data.terms_version });
    return answer({ wallet_id: wallet.walletId, user_id: wallet.userId, user_status: 'active', payment_enabled: true, balance: balanceView(balances[0]), activated_at: isoTime(wallet.activatedAt ?? 0) });
  };
}

function resolveRoutes({ resolution, activationUrl }: WalletRoutesDependencies): Routes {
  return {
    resolveUser: async (request) => {
      const principal = principalOf(request, 'session');
      const roomId = roomFor(principal, readRoomId(request.query.room_id, 'room_id'));
      return answer(resolvedView(await resolution.resolve(principal.userId, readUserId(request.path.user_id, 'user_id'), roomId), activationUrl));
    },
    resolveUsers: async (request) => {
      const principal = principalOf(request, 'session');
      const { user_ids: wanted, room_id: room } = request.body as { user_ids: string[]; room_id?: string };
      const userIds = wanted.map((userId, n) => readUserId(userId, `user_ids.${n}`));
      const found = await resolution.resolveAll(principal.userId, userIds, roomFor(principal, readRoomId(room, 'room_id')));
      const results = found.map((user) => resolvedView(user, activationUrl));
      // Sections 6.3.3 and 6.3.9 show two forms: both are given.
      const users = Object.fromEntries(found.map((user, n) => [user.userId, { has_wallet: user.createdAt !== undefined, ...results[n] }]));
      return answer({ results, users, resolved_count: results.length, total_count: userIds.length });
    },
  };
}

export function walletRoutes(deps: WalletRoutesDependencies): Routes {
  const { accounts, history, walletIdOf } = deps;
  const standingOf = async (request: ApiRequest) => {
    const { userId } = principalOf(request, 'session');
    return accounts.standing(userId, await walletIdOf(userId));
  };
  return {
    getBalance: async (request) => answer(standingView(await standingOf(request))),
    getVerification: async (request) => answer(verificationView(await standingOf(request))),
    listTransactions: async (request) => {
      const page = request.query as unknown as { limit: number; offset: number };
      const { entries, total } = await history.list(principalOf(request, 'session').userId, page);
      return answer({ transactions: entries.map(historyView), pagination: { total, limit: page.limit, offset: page.offset, has_more: page.offset + entries.length < total } });
    },
    getTransaction: async (request) => {
      const entry = await history.find(principalOf(request, 'session').userId, request.path.txn_id as string);
      if (entry === undefined) throw new AppError('NOT_FOUND', 'No such transaction');
      return answer(historyView(entry));
    },
    registerWallet: registerRoute(deps),
    activateWallet: activateRoute(deps),
    ...resolveRoutes(deps),
  };
}
