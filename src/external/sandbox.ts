import type { Clock } from '../kernel/clock.ts';
import type { PaymentProvider, ProviderAnswer, ProviderOrder } from './provider.ts';

/** How long the sandbox takes where it does not answer at once, from the confirmation on. */
export const sandboxAnswerMs = 30_000;

/** Ends of account numbers, and amounts in minor units of whichever currency, that force an outcome (docs/wallet.md). */
const refusedAccount = '0002';
const magicAmounts: ReadonlyMap<number, 'refuse' | 'later' | 'refuse_later' | 'silent'> = new Map([
  [2001, 'refuse'],
  [2002, 'later'],
  [2003, 'refuse_later'],
  [2004, 'silent'],
]);
/** Of every account: the two deposits in minor units, and the code. */
const deposits = [32, 45] as const;
const code = '424242';

const refusal: ProviderAnswer = { outcome: 'refused', code: 'PROVIDER_REFUSED', message: 'The sandbox refused this amount' };

/**
 * The built-in provider: a sandbox with no bank behind it. No money comes in or goes out anywhere but in these books. It keeps
 * nothing: what it answers follows from the order and the time, so that it answers the same however often it is asked.
 */
export function createSandboxProvider(clock: Clock): PaymentProvider {
  const move = ({ id, amountMinor, confirmedAt }: ProviderOrder): ProviderAnswer => {
    const magic = magicAmounts.get(amountMinor);
    const isEarly = clock.now() - confirmedAt < sandboxAnswerMs;
    // It has done it, and does not say so.
    if (magic === 'silent' && isEarly) throw new Error('the sandbox does not answer');
    if ((magic === 'later' || magic === 'refuse_later') && isEarly) return { outcome: 'pending' };
    if (magic === 'refuse' || magic === 'refuse_later') return refusal;
    return { outcome: 'done', reference: `sandbox_${id}` };
  };
  return {
    name: 'sandbox',
    beginVerification: async ({ id, details }) => (details.number.endsWith(refusedAccount) ? { outcome: 'refused', code: 'ACCOUNT_REFUSED', message: 'The sandbox refused this account' } : { outcome: 'done', reference: `sandbox_${id}` }),
    verify: async (_account, evidence) => ('code' in evidence ? evidence.code === code : [...evidence.depositsMinor].sort((a, b) => a - b).every((amount, n) => amount === deposits[n])),
    collect: async (order) => move(order),
    payOut: async (order) => move(order),
  };
}
