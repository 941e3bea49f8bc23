import { html, type Html } from './html.ts';
import { browserIcon, checkIcon } from './icons.ts';
import { renderDocument } from './layout.ts';
import type { GrantModel, SessionModel, SessionsModel } from './models.ts';
import { account, form, tile } from './parts.ts';
import { name, time } from './text.ts';
import { describeUserAgent } from './user-agent.ts';

const grantRow = ({ miniappId, name: title, scopes }: GrantModel): Html => html`<li class="row">
${tile(title, undefined, 'little')}
<div class="about"><p class="top">${name(title)}</p>
<ul class="plain quiet small">${scopes.map(({ description }) => html`<li>${name(description, 120)}</li>`)}</ul></div>
<button class="button ending" name="withdraw" value="${miniappId}">Withdraw<span class="unseen"> access of ${name(title)}</span></button>
</li>`;

const sessionRow = ({ id, createdAt, lastSeenAt, current, userAgent }: SessionModel): Html => html`<li class="row">
<div class="tile little medium">${browserIcon}</div>
<div class="about"><p class="top">${describeUserAgent(userAgent)}${current && html`<span class="chip current">This browser</span>`}</p>
<p class="quiet small">Last used ${time(lastSeenAt)}</p>
<p class="quiet small">Signed in ${time(createdAt)}</p></div>
<button class="button ending" name="end_session" value="${id}">${current ? 'Sign out' : 'End session'}<span class="unseen"> ${describeUserAgent(userAgent)}</span></button>
</li>`;

/** Where the user is signed in, and which apps may do what; each can be ended. */
export function sessionsPage(model: SessionsModel): string {
  const { userId, sessions, grants, notice } = model;
  const content = html`${notice !== undefined && html`<div class="box good" role="status">${checkIcon}<p>${name(notice, 400)}</p></div>`}
<div class="head"><h1>Apps and sessions</h1><p class="quiet">What may use your account, and where you are signed in.</p></div>
${account(userId)}
${form(model, html`<section class="part" aria-labelledby="apps"><h2 id="apps">Apps with access</h2>
${grants.length === 0 ? html`<p class="quiet">No app has access to your account.</p>` : html`<ul class="rows" role="list">${grants.map(grantRow)}</ul>`}</section>
<section class="part" aria-labelledby="sessions"><h2 id="sessions">Signed-in browsers</h2>
${sessions.length === 0 ? html`<p class="quiet">You aren’t signed in anywhere.</p>` : html`<ul class="rows" role="list">${sessions.map(sessionRow)}</ul>`}</section>`)}`;
  return renderDocument({ title: 'Apps and sessions', wide: true, content });
}
