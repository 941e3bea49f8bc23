import type { Transaction } from '../database/index.ts';
import { AppError } from '../kernel/errors.ts';
import type { MiniAppStatus } from './machine.ts';
import type { Registrar } from './registration.ts';
import { updateMiniAppDetails } from './repo.ts';
import { announce, type MiniAppsDependencies } from './steps.ts';
import type { MiniApp } from './types.ts';

/** What an approved version alone changes (decision D23). */
export const reviewedFields = ['name', 'entryPoint', 'redirectUris', 'webhookUrl', 'scopes'] as const;
export type ReviewedField = (typeof reviewedFields)[number];
export type Reviewed = Partial<Pick<MiniApp, ReviewedField>>;

/** What is changed; absent fields stay. */
export type Edits = Reviewed & Partial<Pick<MiniApp, 'shortName' | 'description' | 'category' | 'iconUrl' | 'developer' | 'branding' | 'marketing'>>;

const wireNames: Readonly<Record<ReviewedField, string>> = { name: 'name', entryPoint: 'technical.entry_url', redirectUris: 'technical.redirect_uris', webhookUrl: 'technical.webhook_url', scopes: 'technical.scopes_requested' };

/** Nobody has looked at it yet, or it was sent back: everything may still change. */
const beforeReview: readonly MiniAppStatus[] = ['draft', 'rejected'];

/** @throws AppError INVALID_STATE_TRANSITION for a reviewed field after submission, and for an app that is over */
export async function edit(deps: MiniAppsDependencies, tx: Transaction, app: MiniApp, by: Registrar, edits: Edits): Promise<MiniApp> {
  const reviewed = reviewedFields.filter((field) => edits[field] !== undefined).map((field) => wireNames[field]);
  if (app.status === 'retired') throw new AppError('INVALID_STATE_TRANSITION', 'Cannot edit while retired', { details: { state: app.status, command: 'edit' } });
  if (reviewed.length > 0 && !beforeReview.includes(app.status)) {
    throw new AppError('INVALID_STATE_TRANSITION', `${reviewed.join(', ')}: changes only with an approved version`, { details: { state: app.status, command: 'edit', fields: reviewed } });
  }
  const given = Object.fromEntries(Object.entries(edits).filter(([, value]) => value !== undefined));
  const next: MiniApp = { ...app, ...given, updatedAt: deps.clock.now() };
  await updateMiniAppDetails(tx, next);
  await deps.audit(tx, { action: 'miniapp.changed', by, miniappId: app.miniappId, details: { fields: Object.keys(given) } });
  await announce(deps, tx, next);
  return next;
}
