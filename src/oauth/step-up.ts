import type { Transaction } from '../database/index.ts';
import { AppError } from '../kernel/errors.ts';
import type { UserId } from '../kernel/ids.ts';
import type { ConfirmModel } from '../web/pages.ts';
import type { Form } from './http.ts';
import { factorsUnavailable } from './oauth-error.ts';
import { scopeDefinitions } from './scopes.ts';

export type StepUpMethod = 'biometric' | 'transaction_pin' | 'totp';

/** What makes an approval good, in the transaction that records it. */
export interface StepUpProof {
  spend(tx: Transaction): Promise<void>;
}

/** Proof beyond being signed in, before a user gives away what is critical. */
export interface StepUp {
  /** What the user has enrolled. Without a factor there is nothing to ask for. */
  methodsOf(userId: UserId): Promise<readonly StepUpMethod[]>;
  /** Judges an `auth_proof` over the consent to a mini-app, outside of a transaction. Throws AppError. */
  prove(userId: UserId, miniappId: string, authProof: unknown): Promise<StepUpProof>;
}

const nothing: StepUpProof = { spend: () => Promise.resolve() };

/** Nobody has a factor. */
export const noStepUp: StepUp = { methodsOf: () => Promise.resolve([]), prove: () => Promise.resolve(nothing) };

/** The same, with what keeps the factors being away said in the form of RFC 6749. */
export function withAvailability(stepUp: StepUp): StepUp {
  const said = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      throw error instanceof AppError && error.code === 'SERVICE_UNAVAILABLE' ? factorsUnavailable() : error;
    }
  };
  return { methodsOf: (userId) => said(stepUp.methodsOf(userId)), prove: (...asked) => said(stepUp.prove(...asked)) };
}

/** No second factor was shown, or not a good one. */
export class StepUpRefused extends Error {
  override readonly name = 'StepUpRefused';
  /** 429 for a factor that is locked, 403 otherwise. */
  readonly status: 403 | 429;
  readonly retryAfterSeconds: number | undefined;
  readonly methods: readonly StepUpMethod[];
  constructor(message: string, methods: readonly StepUpMethod[], cause?: AppError) {
    super(message, cause === undefined ? undefined : { cause });
    this.status = cause?.status === 429 ? 429 : 403;
    this.retryAfterSeconds = cause?.retryAfterMs === undefined ? undefined : Math.ceil(cause.retryAfterMs / 1000);
    this.methods = methods;
  }
}

export const needsStepUp = (scope: string): boolean => ['critical', 'privileged'].includes(scopeDefinitions[scope]?.sensitivity ?? 'privileged');

/** Runs `work`, with what it throws about a factor said as StepUpRefused. */
async function refusing<T>(methods: readonly StepUpMethod[], work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof AppError && error.status < 500 ? new StepUpRefused(error.message, methods, error) : error;
  }
}

/**
 * What must be spent with the approval of these scopes; nothing where none is critical, or the user has no factor. Throws
 * StepUpRefused, and so does spending.
 */
export async function takeStepUp(stepUp: StepUp, who: { readonly userId: UserId; readonly miniappId: string }, approved: readonly string[], authProof: unknown): Promise<StepUpProof> {
  if (!approved.some(needsStepUp)) return nothing;
  const methods = await stepUp.methodsOf(who.userId);
  if (methods.length === 0) return nothing;
  if (authProof === undefined) throw new StepUpRefused('Confirm with your second factor first.', methods);
  const proof = await refusing(methods, () => stepUp.prove(who.userId, who.miniappId, authProof));
  return { spend: (tx) => refusing(methods, () => proof.spend(tx)) };
}

/** What a page asks for besides the scopes; undefined when nothing. A device's key and a passkey need scripts, which pages don't have. */
export async function confirmModel(stepUp: StepUp, userId: UserId, asked: readonly string[], isWrong = false): Promise<ConfirmModel | undefined> {
  if (!asked.some(needsStepUp)) return undefined;
  const methods = await stepUp.methodsOf(userId);
  return methods.length === 0 ? undefined : { pin: methods.includes('transaction_pin'), code: methods.includes('totp'), isWrong };
}

/** The `auth_proof` that a page's fields make; undefined when they are empty. */
export function pageProof(form: Form): unknown {
  const [pin, code] = [form.get('pin') ?? '', form.get('code') ?? ''];
  if (pin !== '') return { method: 'transaction_pin', proof: { pin } };
  return code === '' ? undefined : { method: 'totp', proof: { code } };
}
