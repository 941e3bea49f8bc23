import { attribute, html, safeAddress, type Child, type Html } from './html.ts';
import { checkIcon, lockIcon, questionIcon, sensitivityIcons, verifiedIcon, warningIcon } from './icons.ts';
import type { AppModel, AskedScope, ConfirmModel, FormModel, GrantedScope } from './models.ts';
import { findScopeWords, sensitivityWords } from './scope-words.ts';
import { colourOf, initials, name, plain } from './text.ts';

/** A form that is posted back to the server. */
export const form = ({ action, csrfToken }: FormModel, content: Child): Html => html`<form method="post" action="${safeAddress(action)}">
<input type="hidden" name="csrf_token" value="${csrfToken}">
${content}
</form>`;

/** What went wrong, read out and focused first; with a link to the field that it is about. */
export const problem = (message: string | undefined, field?: string): Html | undefined =>
  message === undefined
    ? undefined
    : html`<div class="box bad" role="alert" id="problem" tabindex="-1"${attribute('autofocus', true)}>${warningIcon}<p>${
        field === undefined ? name(message, 400) : html`<a href="#${field}">${name(message, 400)}</a>`
      }</p></div>`;

const imageUrl = /^data:image\/(?:png|jpeg|gif|webp|avif|svg\+xml);base64,[a-z0-9+/]+={0,2}$/i;

/** An app's icon, or its initials: nothing is fetched from elsewhere. */
export const tile = (title: string, iconUrl: string | undefined, size: 'little' | 'round' | '' = ''): Html =>
  iconUrl !== undefined && imageUrl.test(iconUrl)
    ? html`<div class="tile ${size}"><img src="${iconUrl}" alt=""></div>`
    : html`<div class="tile ${size} hue${colourOf(title)}" aria-hidden="true">${initials(title)}</div>`;

function mark({ official, verified }: AppModel): Html {
  if (official) return html`<span class="mark">${verifiedIcon}Official app</span>`;
  if (verified) return html`<span class="mark">${verifiedIcon}Verified</span>`;
  return html`<span class="mark none">${questionIcon}Not verified</span>`;
}

/** Who is asking, above the headline of the page. */
export const appHead = (app: AppModel, headline: Html): Html => html`<div class="app">
${tile(app.name, app.iconUrl)}
<h1>${headline}</h1>
<p class="by">${app.developerName !== undefined && html`<span>by ${name(app.developerName, 60)}</span>`}${mark(app)}</p>
</div>
${!app.official && !app.verified && html`<div class="box wary">${warningIcon}<p>Nobody has checked who makes this app. Allow it only if you trust them.</p></div>`}`;

const localpart = (userId: string): string => userId.replace(/^@/, '').replace(/:.*$/s, '');

/** Whose account this is about. */
export const account = (userId: string, signOutHref?: string): Html => html`<div class="account">
${tile(localpart(userId), undefined, 'round')}
<p class="who"><span class="quiet small">Signed in as</span><br><b>${name(userId, 255)}</b></p>
${signOutHref !== undefined && html`<a class="small" href="${safeAddress(signOutHref)}">Switch account</a>`}
</div>`;

/** The headline of a scope, and the sentence or the bare name below it. */
const explanation = ({ scope }: GrantedScope): Child => findScopeWords(scope)?.sentence ?? html`Known as <code><bdi>${plain(scope, 100)}</bdi></code> to developers.`;

const chip = ({ sensitivity }: AskedScope, id: string): Html => html`<span class="chip ${sensitivity}" id="${id}">${sensitivityIcons[sensitivity]}${sensitivityWords[sensitivity]}</span>`;

const isTicked = ({ ticked, sensitivity }: AskedScope): boolean => ticked ?? (sensitivity !== 'critical' && sensitivity !== 'privileged');

const choice = (asked: AskedScope, id: string): Html => html`<li class="choice">
<input type="checkbox" name="scope" id="${id}" value="${asked.scope}" aria-describedby="${id}-why ${id}-level"${attribute('checked', isTicked(asked))}>
<label class="title" for="${id}">${name(asked.description, 120)}</label>
<p id="${id}-why">${explanation(asked)}</p>
${chip(asked, `${id}-level`)}
</li>`;

const need = (asked: AskedScope, id: string): Html => html`<li class="choice">
${checkIcon}
<span class="title">${name(asked.description, 120)}</span>
<p>${explanation(asked)}</p>
${chip(asked, id)}
</li>`;

/** What is asked for: first what the app can't do without, then what the user chooses. */
export function askedScopes(scopes: readonly AskedScope[]): Child {
  const needed = scopes.filter(({ required }) => required);
  const optional = scopes.filter(({ required }) => !required);
  if (scopes.length === 0) return html`<p>It asks for nothing that it doesn’t have already.</p>`;
  return [
    needed.length > 0 && html`<section class="part" aria-labelledby="needed"><h2 id="needed">It needs to</h2>
<ul class="scopes" role="list">${needed.map((asked, index) => need(asked, `needed-${index}`))}</ul></section>`,
    optional.length > 0 && html`<fieldset><legend><h2>${needed.length > 0 ? 'You may also let it' : 'You may let it'}</h2></legend>
<ul class="scopes" role="list">${optional.map((asked, index) => choice(asked, `scope-${index}`))}</ul></fieldset>`,
  ];
}

/** What the app may do already. */
export const grantedScopes = (granted: readonly GrantedScope[]): Html | undefined =>
  granted.length === 0
    ? undefined
    : html`<details><summary>Already allowed (${granted.length})</summary>
<ul role="list">${granted.map(({ description }) => html`<li class="tick">${checkIcon}${name(description, 120)}</li>`)}</ul></details>`;

/** PIN or code, for critical permissions only; not `required`, since saying no needs none. */
export function confirmFields(confirm: ConfirmModel | undefined): Html | undefined {
  if (confirm === undefined) return undefined;
  const { pin, code, isWrong } = confirm;
  if (!pin && !code) return html`<p class="note">${lockIcon}<span>To allow what is marked critical, answer in the app where you confirm payments: this page can’t use your device’s key.</span></p>`;
  const trouble = [attribute('aria-invalid', isWrong && 'true'), attribute('aria-describedby', isWrong ? 'problem confirm-why' : 'confirm-why')] as const;
  return html`<section class="part" aria-labelledby="confirm"><h2 id="confirm">Confirm that it’s you</h2>
<p class="quiet" id="confirm-why">${pin && code ? 'To allow what is marked critical, enter your PIN or a code.' : `To allow what is marked critical, enter your ${pin ? 'PIN' : 'code'}.`}</p>
<div class="fields">${pin && html`<div class="field"><label for="pin">Payment PIN</label>
<input id="pin" name="pin" type="password" inputmode="numeric" maxlength="64" autocomplete="off"${trouble[0]}${trouble[1]}></div>`}
${code && html`<div class="field"><label for="code">Authenticator code</label>
<input id="code" name="code" type="text" maxlength="24" autocomplete="one-time-code" autocapitalize="none" spellcheck="false"${trouble[0]}${trouble[1]}></div>`}</div></section>`;
}

/** Deny and allow. Both are deaf to the mouse for half a second, so that a double click that was meant for another page doesn't land on them. */
export const decision = (scopes: readonly AskedScope[]): Html => html`<div class="buttons settle">
<button class="button second" name="decision" value="deny">Deny</button>
<button class="button" name="decision" value="approve">${scopes.some(({ required }) => !required) ? 'Allow selected' : 'Allow'}</button>
</div>`;

/**
 * Goes first in a form with decision(): Enter in a tick box presses the first button that isn't disabled, and must decide nothing.
 * `dialog` submits nothing where there is no dialog.
 */
export const noDefaultButton = html`<button formmethod="dialog" hidden></button>`;
