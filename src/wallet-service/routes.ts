import express, { type Express, type RequestHandler } from 'express';
import { answer, apiRouter, errorHandler, loadContract, type ApiAnswer, type ApiRequest, type Routes } from '../http/index.ts';
import { isoTime } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import { equalSecrets, isUserId, newId, type UserId } from '../kernel/ids.ts';
import type { Log } from '../kernel/log.ts';
import { readAmount, readCurrency, type Currency, type Money } from '../kernel/money.ts';
import type { Method, OwnMfa } from '../mfa/index.ts';
import { accountOnWire, createAccounts, createHistory, createWallet, isRefusal, limitsOnWire, readUserId, refusalOnWire, reserveWalletId, type Accounts, type History, type HistoryEntry, type LevelTable, type Standing, type Wallet, type WireInstruction, type WireMovement, type WireRefusal, type WireTransaction } from '../wallet/index.ts';
import { createFactors, type FactorsDependencies } from './factors.ts';
import { createMovements, usersIn, type Movements } from './movements.ts';
import type { Outcome } from './repo.ts';

export interface WalletServiceDependencies extends FactorsDependencies {
  readonly log: Log;
  /** What every request has to present. */
  readonly apiKey: string;
  readonly levels: LevelTable;
  readonly defaultCurrency: Currency;
  /** Whether recipients have to accept what is sent. */
  readonly needsAcceptance: (money: Money) => boolean;
  /** Of the usual limits, for a while after a factor was changed: 0 to 1. */
  readonly loweredShare: number;
  /** Tests set this: an answer that schema/wallet-service.yaml does not allow becomes an error. */
  readonly checkResponses: boolean;
}

interface Parts extends WalletServiceDependencies {
  readonly wallet: Wallet;
  readonly accounts: Accounts;
  readonly history: History;
  readonly movements: Movements;
  readonly mfa: OwnMfa;
}

const who = (request: ApiRequest): UserId => readUserId(request.path.user_id, 'user_id');
const noAccount = (): AppError => new AppError('NOT_FOUND', 'This user has no account');
const accountAnswer = async ({ wallet }: Parts, userId: UserId): Promise<ApiAnswer> => {
  const known = await wallet.find(userId);
  if (known === undefined) throw noAccount();
  return answer(accountOnWire(known));
};

interface OpenBody {
  wallet_id: string;
  currency: string;
  daily_limit_minor?: number;
  terms_version?: string;
}

function accountRoutes(parts: Parts): Routes {
  const { wallet, accounts, database, clock } = parts;
  const reserve = (userId: UserId, { wallet_id: walletId }: OpenBody): Promise<unknown> => reserveWalletId(database, userId, walletId, clock.now());
  return {
    getAccount: (request) => accountAnswer(parts, who(request)),
    ensureAccount: async (request) => {
      const body = request.body as OpenBody;
      await reserve(who(request), body);
      await accounts.register(who(request), readCurrency(body.currency, 'currency'), body.daily_limit_minor);
      return accountAnswer(parts, who(request));
    },
    activateAccount: async (request) => {
      const body = request.body as OpenBody;
      await reserve(who(request), body);
      await accounts.activate(who(request), { walletId: undefined, termsVersion: body.terms_version }).catch((error: unknown) => {
        if (!(error instanceof AppError) || error.code !== 'INVALID_STATE_TRANSITION') throw error;
      });
      return accountAnswer(parts, who(request));
    },
    queryAccounts: async (request) => {
      const userIds = (request.body as { user_ids: string[] }).user_ids.filter(isUserId);
      return answer({ accounts: [...(await wallet.findAll(userIds)).values()].map(accountOnWire) });
    },
  };
}

/** In the wallet's own currency. */
async function standingOf({ wallet, accounts }: Parts, userId: UserId): Promise<Standing> {
  const known = await wallet.find(userId);
  if (known === undefined) throw noAccount();
  return accounts.standing(userId, known.walletId);
}

const verificationOnWire = ({ wallet, limits, usage }: Standing) => ({ account: accountOnWire(wallet), limits: limitsOnWire(limits), usage: { daily_minor: usage.daily, monthly_minor: usage.monthly } });

/** @returns what the wallet would say no with, if it would */
async function objection({ wallet }: Parts, userId: UserId, money: Money): Promise<WireRefusal | undefined> {
  try {
    await wallet.requireMaySend(userId, money);
    await wallet.requireFunds(userId, money);
    return undefined;
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return refusalOnWire(error);
  }
}

function moneyIn(request: ApiRequest): Money {
  const { amount, currency: code } = request.query as { amount: string; currency: string };
  const currency = readCurrency(code, 'currency');
  return { amountMinor: readAmount(amount, currency, 'amount'), currency };
}

/** As section 7.2.1 spells them. */
const policyNames: Readonly<Record<Method, string>> = { biometric: 'biometric', transaction_pin: 'pin', totp: 'otp' };

function standingRoutes(parts: Parts): Routes {
  const { wallet, accounts, needsAcceptance, mfa } = parts;
  return {
    getAuthPolicy: async (request) => {
      const methods = (await mfa.methodsOf(who(request))).map((method) => policyNames[method]);
      return answer({ available_methods: methods, ...(methods[0] === undefined ? {} : { recommended_method: methods[0] }), recipient_acceptance_required: needsAcceptance(moneyIn(request)), auth_upgrade_required: false });
    },
    getEligibility: async (request) => {
      const [userId, money] = [who(request), moneyIn(request)];
      const [account, reason] = [await wallet.find(userId), await objection(parts, userId, money)];
      const { limits, usage } = await accounts.standing(userId, account?.walletId ?? '', money.currency);
      return answer({ eligible: reason === undefined, ...(reason === undefined ? {} : { reason }), ...(account === undefined ? {} : { account: accountOnWire(account) }), limits: limitsOnWire(limits), current_usage: { daily_minor: usage.daily, monthly_minor: usage.monthly } });
    },
    getVerification: async (request) => answer(verificationOnWire(await standingOf(parts, who(request)))),
    getBalance: async (request) => {
      const standing = await standingOf(parts, who(request));
      return answer({ ...verificationOnWire(standing), balances: standing.balances.map(({ currency, available, pending, held }) => ({ currency, available_minor: available, pending_minor: pending, held_minor: held })) });
    },
  };
}

const transactionOnWire = (entry: HistoryEntry): WireTransaction => ({
  transaction_id: entry.txnId,
  type: entry.type,
  amount_minor: entry.amountMinor,
  currency: entry.currency,
  ...(entry.from === undefined ? {} : { from_user: entry.from }),
  ...(entry.to === undefined ? {} : { to_user: entry.to }),
  status: entry.status,
  reference: entry.ref,
  ...(entry.note === undefined ? {} : { note: entry.note }),
  ...(entry.roomId === undefined ? {} : { room_id: entry.roomId }),
  created_at: isoTime(entry.createdAt),
});

function moneyRoutes(parts: Parts): Routes {
  const { history, movements, wallet } = parts;
  const keyIn = (request: ApiRequest): string => request.path.key as string;
  const view = async ({ key, status, txnId, refusal }: Outcome, users: readonly UserId[]): Promise<WireMovement> => ({
    key,
    status,
    ...(txnId === undefined ? {} : { transaction_id: txnId }),
    ...(refusal === undefined ? {} : { refusal: JSON.parse(refusal) as WireRefusal }),
    ...(users.length === 0 ? {} : { accounts: [...(await wallet.findAll(users)).values()].map(accountOnWire) }),
  });
  return {
    listTransactions: async (request) => {
      const { entries, total } = await history.list(who(request), request.query as unknown as { limit: number; offset: number });
      return answer({ transactions: entries.map(transactionOnWire), total });
    },
    getTransaction: async (request) => {
      const entry = await history.find(who(request), request.path.transaction_id as string);
      if (entry === undefined) throw new AppError('NOT_FOUND', 'No such transaction');
      return answer(transactionOnWire(entry));
    },
    putMovement: async (request) => {
      const instruction = request.body as WireInstruction;
      return answer(await view(await movements.carryOut(keyIn(request), instruction), usersIn(instruction)));
    },
    getMovement: async (request) => {
      const outcome = await movements.find(keyIn(request));
      if (outcome === undefined) throw new AppError('NOT_FOUND', 'This key was never heard of');
      return answer(await view(outcome, []));
    },
  };
}

/** One key for one caller; compared in constant time. */
const keyHolder = (apiKey: string): RequestHandler => (req, res, next) => {
  res.locals.requestId = newId('req');
  const [, given = ''] = /^Bearer +(\S+) *$/i.exec(req.headers.authorization ?? '') ?? [];
  if (!equalSecrets(given, apiKey)) return next(new AppError('INVALID_TOKEN', 'This is not the api key of this service'));
  next();
};

const bodyLimitBytes = 64 * 1024;
const nobody = (): Promise<never> => Promise.reject(new AppError('INVALID_TOKEN', 'Not here'));

/** The embedded ledger behind `schema/wallet-service.yaml`. */
export function createWalletService(deps: WalletServiceDependencies): Express {
  const { database, clock, log, apiKey } = deps;
  const { mfa, proofs, routes: factorRoutes } = createFactors(deps);
  const wallet = createWallet({ ...deps, limitShareOf: async (userId, db) => ((await mfa.loweredLimitsUntil(userId, db)) === undefined ? 1 : deps.loweredShare) });
  const parts: Parts = { ...deps, mfa, wallet, accounts: createAccounts({ ...deps, wallet, record: () => Promise.resolve() }), history: createHistory(database), movements: createMovements({ ...deps, wallet, proofs }) };
  const contract = loadContract(new URL('../../schema/wallet-service.yaml', import.meta.url));
  // Who calls was looked at in front of all operations.
  const operations = contract.operations.map((operation) => ({ ...operation, access: [] }));
  const authenticators = { accessToken: nobody, adminToken: nobody, matrixToken: nobody, clientSecret: nobody, developerToken: nobody, platformSecret: nobody };
  const http = express();
  http.disable('x-powered-by').disable('etag');
  http.use(keyHolder(apiKey));
  http.use(apiRouter({ contract: { ...contract, operations }, routes: { ...accountRoutes(parts), ...standingRoutes(parts), ...moneyRoutes(parts), ...factorRoutes }, authenticators, bodyLimitBytes, checkResponses: deps.checkResponses, onPrivileged: () => Promise.resolve() }));
  http.use((_req, _res, next) => next(new AppError('NOT_FOUND', 'No such endpoint')));
  http.use(errorHandler(log, clock));
  return http;
}
