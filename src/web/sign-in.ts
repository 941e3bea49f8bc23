import { attribute, html, safeAddress, type Child, type Html } from './html.ts';
import { lockIcon } from './icons.ts';
import { renderDocument } from './layout.ts';
import type { SignInMethod, SignInModel } from './models.ts';
import { form, problem } from './parts.ts';
import { name, plain } from './text.ts';

const link = (method: SignInMethod): Child => method.kind === 'redirect' && html`<a class="button second" href="${safeAddress(method.href)}">${name(method.label, 60)}</a>`;

function passwordForm(model: SignInModel): Html {
  const isWrong = model.error !== undefined;
  const trouble = [attribute('aria-invalid', isWrong && 'true'), attribute('aria-describedby', isWrong && 'problem')] as const;
  return form(model, html`<div class="fields"><div class="field"><label for="username">User name</label>
<input id="username" name="username" type="text" required maxlength="255" autocomplete="username" autocapitalize="none" autocorrect="off" spellcheck="false"${attribute('value', model.username)}${trouble[0]}${trouble[1]}></div>
<div class="field"><label for="password">Password</label>
<input id="password" name="password" type="password" required maxlength="512" autocomplete="current-password"${trouble[0]}${trouble[1]}></div></div>
<button class="button">Sign in</button>
<p class="note">${lockIcon}<span>Your password is checked by ${name(model.homeserver)} and isn’t kept here. Apps never see it.</span></p>`);
}

/** Signs in with the homeserver, by what it offers. */
export function signInPage(model: SignInModel): string {
  const { clientName, methods, error, homeserver } = model;
  const redirects = methods.filter(({ kind }) => kind === 'redirect');
  const hasPassword = methods.some(({ kind }) => kind === 'password');
  const content = html`${problem(error, hasPassword ? 'username' : undefined)}
<div class="head"><h1>Sign in to ${name(homeserver)}</h1>
<p class="quiet">to continue to ${name(clientName)}</p></div>
${redirects.length > 0 && html`<div class="stack">${redirects.map(link)}</div>`}
${redirects.length > 0 && hasPassword && html`<p class="or">or with your password</p>`}
${hasPassword && passwordForm(model)}
${methods.length === 0 && html`<p>This homeserver offers no way to sign in here.</p>`}`;
  return renderDocument({ title: `${error === undefined ? '' : 'Error: '}Sign in to ${plain(homeserver)}`, content });
}
