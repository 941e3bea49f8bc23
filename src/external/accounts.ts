import type { Database, Transaction } from '../database/index.ts';
import type { JobQueue } from '../jobs/index.ts';
import { Unavailable } from '../jobs/index.ts';
import { advance } from '../kernel/advance.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError, errorText, invalidField } from '../kernel/errors.ts';
import { newId, type UserId } from '../kernel/ids.ts';
import type { Currency } from '../kernel/money.ts';
import type { KeyRing } from '../security/key-ring.ts';
import { mfaRequired, requireProof, type ActionProofTerms, type JudgedProof, type TermsProof, type Wallet } from '../wallet/index.ts';
import { lastFourOf, type AccountDetails } from './account-details.ts';
import { findAccount, insertAccount, listAccounts, lockAccount, saveAccount } from './account-repo.ts';
import { accountExpiryJob, beginningJob } from './jobs.ts';
import { accountMachine, type AccountCommand, type AccountStatus } from './machines.ts';
import { isInUse } from './order-repo.ts';
import { within, type AccountAtProvider, type PaymentProvider, type VerificationEvidence } from './provider.ts';
import { byProvider, byUser, theClock, type ExternalRecord } from './record.ts';
import { verificationOf, type AccountType, type ExternalAccount } from './types.ts';

export interface AccountPolicy {
  readonly confirmMs: number;
  /** How long an account can be verified, and how often it may be tried. */
  readonly verificationMs: number;
  readonly maxAttempts: number;
  readonly maxAccounts: number;
  /** Between two questions to a provider that has no answer yet; and how long it may take for each. */
  readonly askAgainMs: number;
  readonly timeoutMs: number;
}

export interface AccountsDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly queue: JobQueue;
  readonly keyRing: Pick<KeyRing, 'seal' | 'open' | 'mac'>;
  readonly wallet: Pick<Wallet, 'requireMayReceive'>;
  readonly proofs: TermsProof;
  /** Undefined where nobody moves money between wallets and accounts outside. */
  readonly provider: PaymentProvider | undefined;
  readonly record: ExternalRecord;
  readonly policy: AccountPolicy;
}

type AuthProof = Readonly<Record<string, unknown>> | undefined;

export interface LinkRequest {
  readonly userId: UserId;
  readonly type: AccountType;
  readonly currency: Currency;
  readonly label: string | undefined;
  readonly details: AccountDetails;
}

/** What was asked before an account is written down. Without a proof it waits to be confirmed. */
export interface LinkPreparation {
  readonly proof: JudgedProof | undefined;
  readonly methods: readonly string[];
}

/** Users' accounts outside: specification section 6.5, decision D20. */
export interface ExternalAccounts {
  /** Keyed hash of the account, to tell it from others without its number. */
  fingerprintOf(request: Pick<LinkRequest, 'userId' | 'type' | 'details'>): string;
  /** Outside of a transaction; `proofId` is what a proof on creation must name. @throws AppError NOT_FOUND, USER_SUSPENDED, DEVICE_NOT_REGISTERED, what the proof throws */
  prepare(request: LinkRequest, proofId: string, authProof: AuthProof): Promise<LinkPreparation>;
  /** Writes the account down, sealed; with a proof its verification begins. @throws AppError ALREADY_EXISTS, INVALID_REQUEST where there are too many */
  link(tx: Transaction, request: LinkRequest, preparation: LinkPreparation): Promise<ExternalAccount>;
  /** @throws AppError NOT_FOUND, INVALID_STATE_TRANSITION, MFA_REQUIRED, what the proof throws */
  confirm(userId: UserId, id: string, authProof: AuthProof): Promise<ExternalAccount>;
  /** @throws AppError NOT_FOUND, INVALID_STATE_TRANSITION, VERIFICATION_FAILED, SERVICE_UNAVAILABLE */
  verify(userId: UserId, id: string, evidence: VerificationEvidence): Promise<ExternalAccount>;
  /** Forgets its details. @throws AppError NOT_FOUND, INVALID_STATE_TRANSITION also while money is on its way to or from it */
  remove(userId: UserId, id: string): Promise<ExternalAccount>;
  /** @throws AppError NOT_FOUND */
  get(userId: UserId, id: string): Promise<ExternalAccount>;
  list(userId: UserId): Promise<ExternalAccount[]>;
  attemptsLeft(account: ExternalAccount): number;
  /** Part of a job: ends what was not confirmed or verified in time. */
  expire(tx: Transaction, id: string): Promise<void>;
  /** A job: has the provider take the account on. @throws Unavailable while it does not answer */
  begin(id: string): Promise<((tx: Transaction) => Promise<void>) | undefined>;
  atProvider(account: ExternalAccount): AccountAtProvider;
}

const sealingPurpose = 'external-account';
/** For so long an account that could not be verified can't be linked again, and counts as one of the user's. */
const afterFailureMs = 24 * 3_600_000;

const notFound = (neverWas: boolean): AppError => new AppError('NOT_FOUND', 'No such external account', { neverWas });
const isOver = ({ expiresAt }: ExternalAccount, now: number): boolean => expiresAt !== undefined && now >= expiresAt;
const next = (account: ExternalAccount, command: AccountCommand): AccountStatus => advance<AccountStatus>(accountMachine, account.status, command);

/** What a user confirms: which kind of account, and the end of its number. */
const termsOf = (id: string, { type, currency, lastFour }: Pick<ExternalAccount, 'type' | 'currency' | 'lastFour'>): ActionProofTerms => ({ action: 'external.link', subject: `${id}:${type}:${currency}:${lastFour}` });

export function requireProvider(provider: PaymentProvider | undefined): PaymentProvider {
  if (provider === undefined) throw new AppError('NOT_FOUND', 'This server has no payment provider: there are no accounts outside');
  return provider;
}

class AccountBook implements ExternalAccounts {
  readonly #deps: AccountsDependencies;
  constructor(deps: AccountsDependencies) {
    this.#deps = deps;
  }

  fingerprintOf({ userId, type, details }: Pick<LinkRequest, 'userId' | 'type' | 'details'>): string {
    return this.#deps.keyRing.mac('external-account', JSON.stringify([userId, type, details.number, details.more.bank_code ?? '', details.more.wallet_provider ?? '']));
  }

  async prepare(request: LinkRequest, proofId: string, authProof: AuthProof): Promise<LinkPreparation> {
    const { proofs, wallet, provider } = this.#deps;
    requireProvider(provider);
    await wallet.requireMayReceive(request.userId);
    if (authProof === undefined) return { proof: undefined, methods: await requireProof(proofs, request.userId) };
    return { proof: await proofs.prove(request.userId, termsOf(proofId, { ...request, lastFour: lastFourOf(request.details) }), authProof), methods: [] };
  }

  async link(tx: Transaction, request: LinkRequest, { proof }: LinkPreparation): Promise<ExternalAccount> {
    const { clock, keyRing, policy, provider, queue, record } = this.#deps;
    const { userId, type, currency, label, details } = request;
    const now = clock.now();
    const fingerprint = this.fingerprintOf(request);
    const known = await listAccounts(tx, userId, now - afterFailureMs);
    const same = known.find((account) => account.fingerprint === fingerprint);
    if (same !== undefined) throw this.#linkedAlready(same);
    // Two requests at once may go one over it: the limit keeps people from filling the table, and guards nothing else.
    if (known.length >= policy.maxAccounts) throw invalidField('account_details', `is one account too many: there may be ${policy.maxAccounts}`);
    const id = newId('xacc');
    const account: ExternalAccount = {
      id, userId, provider: requireProvider(provider).name, type, currency, label, lastFour: lastFourOf(details), sealed: keyRing.seal(sealingPurpose, JSON.stringify(details), id), fingerprint,
      status: 'pending_authorization', attempts: 0, begunAt: undefined, errorCode: undefined, createdAt: now, expiresAt: now + policy.confirmMs, verifiedAt: undefined, endedAt: undefined,
    };
    if (!(await insertAccount(tx, account))) throw this.#linkedAlready(undefined);
    await record.noteNewAccount(tx, account);
    if (proof === undefined) {
      queue.enqueue(tx, accountExpiryJob(account));
      return account;
    }
    await proof.spend(tx);
    return this.#confirmed(tx, account);
  }

  async confirm(userId: UserId, id: string, authProof: AuthProof): Promise<ExternalAccount> {
    const { database, proofs } = this.#deps;
    const offered = await this.get(userId, id);
    this.#requireOpen(offered, 'confirm');
    if (authProof === undefined) throw mfaRequired(await requireProof(proofs, userId), { external_account_id: id, status: offered.status });
    const proof = await proofs.prove(userId, termsOf(id, offered), authProof);
    return database.inTransaction(async (tx) => {
      const account = this.#requireOpen(await lockAccount(tx, id), 'confirm');
      await proof.spend(tx);
      return this.#confirmed(tx, account);
    });
  }

  async verify(userId: UserId, id: string, evidence: VerificationEvidence): Promise<ExternalAccount> {
    const { database, clock, policy, record } = this.#deps;
    const tried = await this.#countAttempt(userId, id, evidence);
    const isRight = await this.#judge(tried, evidence);
    const { account, attemptsLeft } = await database.inTransaction(async (tx) => {
      const before = (await lockAccount(tx, id))!;
      // Somebody else's attempt decided it meanwhile, or it was removed.
      const decided = before.status !== 'pending_verification';
      if (decided || (!isRight && tried.attempts < policy.maxAttempts)) return { account: before, attemptsLeft: policy.maxAttempts - tried.attempts };
      const now = clock.now();
      const after: ExternalAccount = isRight ? { ...before, status: next(before, 'verify'), verifiedAt: now, expiresAt: undefined } : this.#ended(before, 'fail', 'VERIFICATION_FAILED');
      await record.moveAccount(tx, before, after, byProvider(before));
      return { account: after, attemptsLeft: 0 };
    });
    if (!isRight) throw new AppError('VERIFICATION_FAILED', 'This is not what the provider sent to the account', { details: { attempts_left: attemptsLeft, status: account.status } });
    if (account.status !== 'verified') next(account, 'verify');
    return account;
  }

  remove(userId: UserId, id: string): Promise<ExternalAccount> {
    const { database, record } = this.#deps;
    return database.inTransaction(async (tx) => {
      const account = this.#requireOwn(await lockAccount(tx, id), userId);
      const removed = this.#ended(account, 'remove', undefined);
      if (await isInUse(tx, id)) throw new AppError('INVALID_STATE_TRANSITION', 'Money is on its way to or from this account', { details: { state: account.status, command: 'remove' } });
      await record.moveAccount(tx, account, removed, byUser(account));
      return removed;
    });
  }

  async get(userId: UserId, id: string): Promise<ExternalAccount> {
    return this.#requireOwn(await findAccount(this.#deps.database, id), userId);
  }

  list(userId: UserId): Promise<ExternalAccount[]> {
    const { database, clock } = this.#deps;
    return listAccounts(database, userId, clock.now() - afterFailureMs);
  }

  attemptsLeft({ attempts }: ExternalAccount): number {
    return Math.max(0, this.#deps.policy.maxAttempts - attempts);
  }

  async expire(tx: Transaction, id: string): Promise<void> {
    const { clock, record } = this.#deps;
    const account = await lockAccount(tx, id);
    if (account === undefined || !isOver(account, clock.now())) return;
    const errorCode = account.status === 'pending_verification' ? 'VERIFICATION_EXPIRED' : undefined;
    await record.moveAccount(tx, account, this.#ended(account, 'expire', errorCode), theClock);
  }

  async begin(id: string): Promise<((tx: Transaction) => Promise<void>) | undefined> {
    const { database, clock, policy, provider, queue, record } = this.#deps;
    const waiting = await findAccount(database, id);
    if (waiting?.status !== 'pending_verification' || waiting.begunAt !== undefined) return undefined;
    if (provider?.name !== waiting.provider) throw new Unavailable(`the payment provider ${waiting.provider} is not configured`);
    const answer = await within(policy.timeoutMs, (signal) => provider.beginVerification(this.atProvider(waiting), signal)).catch((error: unknown) => {
      throw new Unavailable(errorText(error));
    });
    return async (tx) => {
      const account = await lockAccount(tx, id);
      if (account?.status !== 'pending_verification' || account.begunAt !== undefined) return;
      if (answer.outcome === 'pending') queue.enqueue(tx, beginningJob(account, clock.now() + policy.askAgainMs));
      else if (answer.outcome === 'done') await saveAccount(tx, { ...account, begunAt: clock.now() });
      else await record.moveAccount(tx, account, this.#ended(account, 'fail', answer.code), byProvider(account));
    };
  }

  atProvider({ id, type, currency, sealed }: ExternalAccount): AccountAtProvider {
    if (sealed === undefined) throw new Error(`the details of ${id} are gone`);
    return { id, type, currency, details: JSON.parse(this.#deps.keyRing.open(sealingPurpose, sealed, id)) as AccountDetails };
  }

  #linkedAlready(account: ExternalAccount | undefined): AppError {
    const wasWrong = account?.status === 'failed';
    return new AppError('ALREADY_EXISTS', wasWrong ? 'This account could not be verified: it can be linked again a day later' : 'This account is linked already', { details: account === undefined ? {} : { external_account_id: account.id, status: account.status } });
  }

  /** Whoever has no part in it learns nothing, not even that it exists (decision D21). */
  #requireOwn(account: ExternalAccount | undefined, userId: UserId): ExternalAccount {
    if (account?.userId !== userId) throw notFound(account === undefined);
    return account;
  }

  #requireOpen(account: ExternalAccount | undefined, command: AccountCommand): ExternalAccount {
    if (account === undefined) throw notFound(true);
    next(account, command);
    if (isOver(account, this.#deps.clock.now())) throw new AppError('INVALID_STATE_TRANSITION', 'The time for this is over', { details: { state: account.status, command } });
    return account;
  }

  /** An attempt is counted and committed before it is judged: who asks fifty times at once is answered `maxAttempts` times. */
  #countAttempt(userId: UserId, id: string, evidence: VerificationEvidence): Promise<ExternalAccount> {
    const { database, policy } = this.#deps;
    return database.inTransaction(async (tx) => {
      const account = this.#requireOpen(this.#requireOwn(await lockAccount(tx, id), userId), 'verify');
      const method = verificationOf(account.type);
      if ((method === 'code') !== 'code' in evidence) throw invalidField(`verification_data.${method}`, `is required for a ${account.type}`);
      if (account.begunAt === undefined) throw new AppError('INVALID_STATE_TRANSITION', 'The provider has not begun to verify this account yet', { details: { state: account.status, command: 'verify' } });
      if (account.attempts >= policy.maxAttempts) throw new AppError('INVALID_STATE_TRANSITION', 'There is no attempt left', { details: { state: account.status, command: 'verify' } });
      const tried = { ...account, attempts: account.attempts + 1 };
      await saveAccount(tx, tried);
      return tried;
    });
  }

  /** Of what the provider did not answer nothing is learnt: the attempt is given back. */
  async #judge(account: ExternalAccount, evidence: VerificationEvidence): Promise<boolean> {
    const { database, policy, provider } = this.#deps;
    try {
      return await within(policy.timeoutMs, (signal) => requireProvider(provider).verify(this.atProvider(account), evidence, signal));
    } catch (cause) {
      await database.inTransaction(async (tx) => {
        const now = (await lockAccount(tx, account.id))!;
        if (now.status === 'pending_verification') await saveAccount(tx, { ...now, attempts: now.attempts - 1 });
      });
      if (cause instanceof AppError) throw cause;
      throw new AppError('SERVICE_UNAVAILABLE', 'The payment provider does not answer', { cause, retryAfterMs: policy.askAgainMs });
    }
  }

  /** The proof is spent: the provider is asked to take it on, by a job. */
  async #confirmed(tx: Transaction, account: ExternalAccount): Promise<ExternalAccount> {
    const { clock, policy, queue, record } = this.#deps;
    const confirmed: ExternalAccount = { ...account, status: next(account, 'confirm'), expiresAt: clock.now() + policy.verificationMs };
    await record.moveAccount(tx, account, confirmed, byUser(account));
    queue.enqueue(tx, accountExpiryJob(confirmed));
    queue.enqueue(tx, beginningJob(confirmed, clock.now()));
    return confirmed;
  }

  #ended(account: ExternalAccount, command: 'fail' | 'expire' | 'remove', errorCode: string | undefined): ExternalAccount {
    return { ...account, status: next(account, command), sealed: undefined, errorCode, expiresAt: undefined, endedAt: this.#deps.clock.now() };
  }
}

export const createExternalAccounts = (deps: AccountsDependencies): ExternalAccounts => new AccountBook(deps);
