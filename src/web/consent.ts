import { html } from './html.ts';
import { renderDocument } from './layout.ts';
import type { ConsentModel } from './models.ts';
import { account, appHead, askedScopes, decision, form, grantedScopes, noDefaultButton, problem } from './parts.ts';
import { name } from './text.ts';

/** Asks whether an app may have what it asks for. */
export function consentPage(model: ConsentModel): string {
  const { app, userId, scopes, granted, signOutHref, error } = model;
  const content = html`${problem(error)}
${appHead(app, html`Let ${name(app.name)} use your account?`)}
${account(userId, signOutHref)}
${form(model, [noDefaultButton, askedScopes(scopes), grantedScopes(granted), decision(scopes.some(({ required }) => !required) ? 'Allow what is ticked' : 'Allow')])}
<p class="quiet small">You can take this back at any time. The app never learns your password.</p>`;
  return renderDocument({ title: `${error === undefined ? '' : 'Error: '}Let ${app.name} use your account?`, content });
}
