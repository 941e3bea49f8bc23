import { AppError } from '../../../src/kernel/errors.ts';
import type { ActionProofTerms, MoneyTerms, TermsProof } from '../../../src/wallet/index.ts';

/** Stands in for the factors: a text that names the terms exactly is a proof, once. Whoever is in `enrolled` has a PIN. */
export interface FakeProofs extends TermsProof {
  readonly enrolled: Set<string>;
}

const textOf = (terms: MoneyTerms | ActionProofTerms): string => ('action' in terms ? `good:${terms.action}:${terms.subject}` : `good:${terms.id}:${terms.amountMinor}:${terms.currency}:${terms.recipient}`);

/** The `auth_proof` of a request. `n` makes another one over the same terms. */
export const proofOf = (terms: { readonly id: string; readonly amountMinor: number; readonly recipient: string; readonly currency?: string }, n = 0): object => ({
  method: 'pin',
  proof: { hashed_pin: `${textOf({ currency: 'USD', ...terms } as MoneyTerms)}#${n}` },
});

/** The same of a link: `subject` is what a device would sign of it. */
export const linkProofOf = (subject: string, n = 0): object => ({ method: 'pin', proof: { hashed_pin: `${textOf({ action: 'external.link', subject })}#${n}` } });

export function fakeProofs(): FakeProofs {
  const enrolled = new Set<string>();
  const spent = new Set<string>();
  return {
    enrolled,
    methodsOf: (userId) => Promise.resolve(enrolled.has(userId) ? ['pin'] : []),
    prove(userId, terms, { proof }) {
      const text = String((proof as { hashed_pin?: unknown }).hashed_pin);
      if (!enrolled.has(userId)) return Promise.reject(new AppError('DEVICE_NOT_REGISTERED', 'No factor'));
      if (text.split('#')[0] !== textOf(terms)) return Promise.reject(new AppError('INVALID_REQUEST', 'Not a proof of these terms'));
      return Promise.resolve({
        spend(tx) {
          if (spent.has(text)) return Promise.reject(new AppError('INVALID_REQUEST', 'Spent'));
          tx.afterCommit(() => spent.add(text));
          return Promise.resolve();
        },
      });
    },
  };
}
