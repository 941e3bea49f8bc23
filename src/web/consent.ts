import { html } from './html.ts';
import { renderDocument } from './layout.ts';
import type { ConsentModel } from './models.ts';
import { account, appHead, askedScopes, confirmFields, decision, form, grantedScopes, noDefaultButton, problem } from './parts.ts';
import { name, plain } from './text.ts';

/** Asks whether an app may have what it asks for. */
export function consentPage(model: ConsentModel): string {
  const { app, userId, scopes, granted, signOutHref, confirm, error } = model;
  const content = html`${problem(error)}
${appHead(app, html`Let ${name(app.name, 50)} use your account?`)}
${account(userId, signOutHref)}
${form(model, [noDefaultButton, askedScopes(scopes), grantedScopes(granted), confirmFields(confirm), decision(scopes)])}`;
  return renderDocument({ title: `${error === undefined ? '' : 'Error: '}Let ${plain(app.name, 50)} use your account?`, content, footnote: 'You can take this back at any time. Apps never learn your password.' });
}
