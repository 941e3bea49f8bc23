import type { Transaction } from '../database/index.ts';
import type { UserId } from '../kernel/ids.ts';
import { recordAnswer } from './consent-repo.ts';
import type { OAuthParts } from './deps.ts';

/** Remembers what a user answered to a question for consent, and lets their devices know of a yes. */
export async function rememberDecision(tx: Transaction, parts: Pick<OAuthParts, 'clock' | 'onScopesGranted'>, who: { readonly userId: UserId; readonly miniappId: string }, { approved, denied }: { readonly approved: readonly string[]; readonly denied: readonly string[] }): Promise<void> {
  const now = parts.clock.now();
  await recordAnswer(tx, who, approved, 'granted', 'user_consent', now);
  await recordAnswer(tx, who, denied, 'denied', 'user_consent', now);
  if (approved.length > 0) parts.onScopesGranted?.(tx, { ...who, scopes: approved });
}
