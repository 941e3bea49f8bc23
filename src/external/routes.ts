import type { Database } from '../database/index.ts';
import { answer, errorBody, principalOf, type ApiAnswer, type ApiRequest, type Routes } from '../http/index.ts';
import type { Idempotency } from '../idempotency/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { invalidField } from '../kernel/errors.ts';
import { readAmount, readCurrency } from '../kernel/money.ts';
import { mfaRequired } from '../wallet/index.ts';
import { readAccountDetails } from './account-details.ts';
import type { ExternalAccounts, LinkRequest } from './accounts.ts';
import type { Approvals } from './approvals.ts';
import type { Fundings } from './fundings.ts';
import { accountOf, type OrderPreparation, type OrderRequest } from './orders.ts';
import type { VerificationEvidence } from './provider.ts';
import type { AccountType, ExternalAccount, Order, Withdrawal } from './types.ts';
import { accountView, approvedView, fundingView, withdrawalView } from './views.ts';
import type { Withdrawals } from './withdrawals.ts';

export interface ExternalRoutesDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly idempotency: Idempotency;
  readonly accounts: ExternalAccounts;
  readonly fundings: Fundings;
  readonly withdrawals: Withdrawals;
  readonly approvals: Approvals;
}

type Fields = Readonly<Record<string, unknown>>;

interface LinkBody {
  account_type: AccountType;
  currency: string;
  label?: string;
  account_details: Fields;
  idempotency_key: string;
  auth_proof?: Fields;
}

interface OrderBody {
  external_account_id: string;
  currency: string;
  note?: string;
  idempotency_key: string;
  auth_proof?: Fields;
}

const who = (request: ApiRequest) => principalOf(request, 'session').userId;
const proofIn = (request: ApiRequest): Fields | undefined => (request.body as { auth_proof?: Fields }).auth_proof;
const pageIn = (request: ApiRequest) => {
  const { limit, before } = request.query as { limit: number; before?: string };
  return { limit, before };
};

/** What a request without a proof is told beside the thing itself (decision D20). */
const toBeConfirmed = (request: ApiRequest, clock: Clock, view: Fields, methods: readonly string[], details: Fields): ApiAnswer =>
  answer({ ...view, available_methods: methods, ...errorBody(mfaRequired(methods, details), clock.now(), request.requestId) }, 402);

function readEvidence(given: { micro_deposits?: readonly (number | string)[]; code?: string }, account: ExternalAccount): VerificationEvidence {
  const { micro_deposits: deposits, code } = given;
  if (code !== undefined) return { code };
  if (deposits === undefined) throw invalidField('verification_data', 'must have micro_deposits or code');
  const [first, second] = deposits.map((amount, n) => readAmount(String(amount), account.currency, `verification_data.micro_deposits.${n}`));
  return { depositsMinor: [first!, second!] };
}

function accountRoutes({ clock, idempotency, accounts }: ExternalRoutesDependencies): Routes {
  const view = (account: ExternalAccount): Record<string, unknown> => accountView(account, accounts.attemptsLeft(account));
  const idIn = (request: ApiRequest): string => request.path.external_account_id as string;
  return {
    linkExternalAccount: async (request) => {
      const { userId, clientId } = principalOf(request, 'session');
      const { idempotency_key: key, auth_proof: authProof, account_details: given, ...body } = request.body as LinkBody;
      const wanted: LinkRequest = { userId, type: body.account_type, currency: readCurrency(body.currency, 'currency'), label: body.label, details: readAccountDetails(body.account_type, given) };
      // What is kept to compare requests by must not be a hash that numbers could be tried against.
      const { number: _number, ...details } = wanted.details;
      return idempotency.run(
        { userId, clientId, operation: 'external_link', key, body: { ...body, account: accounts.fingerprintOf(wanted), details } },
        {
          prepare: () => accounts.prepare(wanted, key, authProof),
          work: async (tx, preparation) => {
            const account = await accounts.link(tx, wanted, preparation);
            if (account.status !== 'pending_authorization') return answer(view(account));
            return toBeConfirmed(request, clock, view(account), preparation.methods, { external_account_id: account.id, status: account.status });
          },
        },
      );
    },
    confirmExternalAccount: async (request) => answer(view(await accounts.confirm(who(request), idIn(request), proofIn(request)))),
    verifyExternalAccount: async (request) => {
      const { external_account_id: id, verification_data: data } = request.body as { external_account_id: string; verification_data: Parameters<typeof readEvidence>[0] };
      return answer(view(await accounts.verify(who(request), id, readEvidence(data, await accounts.get(who(request), id)))));
    },
    listExternalAccounts: async (request) => answer({ external_accounts: (await accounts.list(who(request))).map(view) }),
    getExternalAccount: async (request) => answer(view(await accounts.get(who(request), idIn(request)))),
    removeExternalAccount: async (request) => answer(view(await accounts.remove(who(request), idIn(request)))),
  };
}

interface Making<Made extends Order> {
  readonly operation: 'funding' | 'withdrawal';
  prepare(request: OrderRequest, proofId: string, authProof: Fields | undefined): Promise<OrderPreparation>;
  create(tx: Parameters<Withdrawals['create']>[0], request: OrderRequest, preparation: OrderPreparation): Promise<Made>;
}

/** Creation of a funding or a withdrawal: once for each key, and with 402 where it waits for its proof. */
function creating<Made extends Order>({ clock, idempotency }: ExternalRoutesDependencies, desk: Making<Made>, view: (made: Made, tx: Parameters<Withdrawals['create']>[0]) => Promise<Record<string, unknown>>) {
  return async (request: ApiRequest): Promise<ApiAnswer> => {
    const { userId, clientId } = principalOf(request, 'session');
    const { idempotency_key: key, auth_proof: authProof, ...body } = request.body as OrderBody;
    const currency = readCurrency(body.currency, 'currency');
    const wanted: OrderRequest = { userId, accountId: body.external_account_id, amountMinor: readAmount(request.amountText('amount'), currency, 'amount'), currency, note: body.note };
    return idempotency.run(
      { userId, clientId, operation: desk.operation, key, body: { ...body, amount: wanted.amountMinor } },
      {
        prepare: () => desk.prepare(wanted, key, authProof),
        work: async (tx, preparation) => {
          const made = await desk.create(tx, wanted, preparation);
          if (made.status !== 'pending_authorization') return answer(await view(made, tx));
          return toBeConfirmed(request, clock, await view(made, tx), preparation.methods, { [`${desk.operation}_id`]: made.id, status: made.status });
        },
      },
    );
  };
}

function fundingRoutes(deps: ExternalRoutesDependencies): Routes {
  const { database, fundings } = deps;
  const idIn = (request: ApiRequest): string => request.path.funding_id as string;
  const view = async (funding: Order & { kind: 'funding' }, db: Parameters<typeof accountOf>[0] = database) => fundingView(funding, (await accountOf(db, funding)).provider);
  return {
    fundWallet: creating(deps, { operation: 'funding', prepare: (...given) => fundings.prepare(...given), create: (...given) => fundings.create(...given) }, view),
    confirmFunding: async (request) => answer(await view(await fundings.confirm(who(request), idIn(request), proofIn(request)))),
    getFunding: async (request) => answer(await view(await fundings.get(who(request), idIn(request)))),
    listFundings: async (request) => {
      const found = await fundings.list(who(request), pageIn(request));
      return answer({ fundings: await Promise.all(found.map((funding) => view(funding))), ...nextBefore(request, found) });
    },
  };
}

const nextBefore = (request: ApiRequest, page: readonly { readonly id: string }[]): object => (page.length === pageIn(request).limit ? { next_before: page.at(-1)!.id } : {});

function withdrawalRoutes(deps: ExternalRoutesDependencies): Routes {
  const { database, withdrawals } = deps;
  const idIn = (request: ApiRequest): string => request.path.withdrawal_id as string;
  const view = async (withdrawal: Withdrawal, db: Parameters<typeof accountOf>[0] = database) => withdrawalView(withdrawal, (await accountOf(db, withdrawal)).provider);
  return {
    createWithdrawal: creating(deps, { operation: 'withdrawal', prepare: (...given) => withdrawals.prepare(...given), create: (...given) => withdrawals.create(...given) }, view),
    confirmWithdrawal: async (request) => answer(await view(await withdrawals.confirm(who(request), idIn(request), proofIn(request)))),
    cancelWithdrawal: async (request) => answer(await view(await withdrawals.cancel(who(request), idIn(request)))),
    getWithdrawal: async (request) => answer(await view(await withdrawals.get(who(request), idIn(request)))),
    listWithdrawals: async (request) => {
      const found = await withdrawals.list(who(request), pageIn(request));
      return answer({ withdrawals: await Promise.all(found.map((withdrawal) => view(withdrawal))), ...nextBefore(request, found) });
    },
  };
}

function approvalRoutes({ database, approvals }: ExternalRoutesDependencies): Routes {
  const idIn = (request: ApiRequest): string => request.path.withdrawal_id as string;
  const providerOf = async (withdrawal: Withdrawal): Promise<string> => (await accountOf(database, withdrawal)).provider;
  return {
    approveWithdrawal: async (request) => {
      const approved = await approvals.approve(principalOf(request, 'admin').name, idIn(request), (request.body as { note?: string }).note);
      return answer(approvedView(approved, await providerOf(approved.withdrawal)));
    },
    rejectWithdrawal: async (request) => {
      const withdrawal = await approvals.reject(principalOf(request, 'admin').name, idIn(request), (request.body as { reason: string }).reason);
      return answer(approvedView({ withdrawal, approvals: [] }, await providerOf(withdrawal)));
    },
    listAllWithdrawals: async (request) => {
      const { status } = request.query as { status: Withdrawal['status'] };
      const found = await approvals.list(status, pageIn(request));
      const views = await Promise.all(found.map(async (one) => approvedView(one, await providerOf(one.withdrawal))));
      return answer({ withdrawals: views, ...nextBefore(request, found.map(({ withdrawal }) => withdrawal)) });
    },
  };
}

export const externalRoutes = (deps: ExternalRoutesDependencies): Routes => ({ ...accountRoutes(deps), ...fundingRoutes(deps), ...withdrawalRoutes(deps), ...approvalRoutes(deps) });
