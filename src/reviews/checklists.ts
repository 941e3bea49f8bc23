import { invalidField } from '../kernel/errors.ts';

/** Specification section 9.3.2. */
export const checklists = {
  security: ['permissions_justified', 'payment_flows_disclosed', 'data_minimized', 'no_fingerprinting', 'no_social_engineering'],
  content: ['complies_with_policies', 'no_illegal_content', 'age_appropriate', 'privacy_policy', 'terms_of_service'],
  business: ['legitimate_entity', 'contact_verified', 'payment_processor_approved', 'refund_policy'],
} as const;

export type Answers = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** Who approves has looked at everything, and nothing failed. @throws AppError INVALID_REQUEST, naming the item */
export function requirePassed(answers: Answers): void {
  for (const [list, items] of Object.entries(checklists)) {
    for (const item of items) {
      const given = answers[list]?.[item];
      if (given === undefined) throw invalidField(`checklists.${list}.${item}`, 'must be answered before an approval');
      if (given === 'fail') throw invalidField(`checklists.${list}.${item}`, 'failed: what fails is not approved');
    }
  }
}
