import { html } from './html.ts';
import { renderDocument } from './layout.ts';
import type { DeveloperModel } from './models.ts';
import { account, decision, form } from './parts.ts';
import { name } from './text.ts';

/** Asks whether the developer console may act for who is signed in. */
export function developerPage(model: DeveloperModel): string {
  const { userId, destination, signOutHref } = model;
  const content = html`<h1>Sign in to the developer console?</h1>
<p class="quiet">It will see your Matrix ID, and register and manage mini-apps in your name. You go on to <b>${name(destination, 100)}</b>.</p>
${account(userId, signOutHref)}
${form(model, decision([]))}`;
  return renderDocument({ title: 'Sign in to the developer console?', content, footnote: 'It never learns your password. You can end its access there at any time.' });
}
