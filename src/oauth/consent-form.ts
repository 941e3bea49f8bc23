import type { AppModel, AskedScope, GrantedScope } from '../web/pages.ts';
import { PageError } from './browser.ts';
import type { OAuthClient } from './clients.ts';
import type { Form } from './http.ts';
import { scopeDefinitions } from './scopes.ts';
import { StepUpRefused } from './step-up.ts';

export const appModel = (client: OAuthClient): AppModel => ({
  name: client.name,
  ...(client.developerName === undefined ? {} : { developerName: client.developerName }),
  verified: client.classification === 'verified' || client.classification === 'official',
  official: client.classification === 'official',
});

export const describedScopes = (scopes: readonly string[]): GrantedScope[] => scopes.map((scope) => ({ scope, description: scopeDefinitions[scope]?.description ?? scope }));

/** `ticked`: what the person had chosen before, when they are asked once more. */
export const askedScopes = (scopes: readonly string[], ticked?: readonly string[]): AskedScope[] =>
  describedScopes(scopes).map((described) => ({
    ...described,
    sensitivity: scopeDefinitions[described.scope]?.sensitivity ?? 'high',
    required: false,
    ...(ticked === undefined ? {} : { ticked: ticked.includes(described.scope) }),
  }));

export interface ConsentDecision {
  readonly approved: readonly string[];
  readonly denied: readonly string[];
  /** The whole question was answered with no. */
  readonly isDenied: boolean;
}

/** What the person chose, of what they were asked and nothing beyond. Throws PageError. */
export function readDecision(form: Form, asked: readonly string[]): ConsentDecision {
  const decision = form.get('decision');
  const ticked = form.getAll('scope');
  if ((decision !== 'approve' && decision !== 'deny') || ticked.some((scope) => !asked.includes(scope))) throw new PageError(400, 'That was not asked', 'Go back to the app and start again.');
  if (decision === 'deny') return { approved: [], denied: asked, isDenied: true };
  return { approved: asked.filter((scope) => ticked.includes(scope)), denied: asked.filter((scope) => !ticked.includes(scope)), isDenied: false };
}

/** The same question once more, after a second factor that was missing or wrong. */
export interface Again {
  readonly refusal: StepUpRefused;
  readonly approved: readonly string[];
}

/** Runs what the person decided; a refused second factor asks again. */
export async function deciding(approved: readonly string[], work: () => Promise<void>, askAgain: (again: Again) => Promise<void> | void): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof StepUpRefused)) throw error;
    await askAgain({ refusal: error, approved });
  }
}
