import { attribute, html } from './html.ts';
import { deviceIcon, warningIcon } from './icons.ts';
import { renderDocument } from './layout.ts';
import type { DeviceCodeModel, DeviceConfirmModel } from './models.ts';
import { account, appHead, askedScopes, confirmFields, decision, form, noDefaultButton, problem } from './parts.ts';
import { name, plain } from './text.ts';

/** Asks for the code that another device shows (RFC 8628 section 3.3). */
export function deviceCodePage(model: DeviceCodeModel): string {
  const { userCode, error } = model;
  const isWrong = error !== undefined;
  const content = html`${problem(error, 'user_code')}
<div class="head middle"><div class="sign medium">${deviceIcon}</div><h1>Connect a device</h1>
<p class="quiet">Enter the code that your device shows.</p></div>
${form(model, html`<div class="field"><label for="user_code">Code</label>
<input class="code" id="user_code" name="user_code" type="text" required maxlength="40" autocomplete="one-time-code" autocapitalize="characters" spellcheck="false"${attribute('value', userCode === undefined ? undefined : plain(userCode, 40))}${attribute('aria-invalid', isWrong && 'true')}${attribute('aria-describedby', isWrong && 'problem')}></div>
<button class="button">Continue</button>`)}`;
  return renderDocument({ title: `${isWrong ? 'Error: ' : ''}Connect a device`, content });
}

/** Asks whether the device that shows this code may act for the user (RFC 8628 sections 3.3 and 5.4). */
export function deviceConfirmPage(model: DeviceConfirmModel): string {
  const { userCode, app, userId, scopes, confirm, error } = model;
  const content = html`${problem(error)}
${appHead(app, html`Connect ${name(app.name, 50)} on your device?`)}
${account(userId)}
<section class="part" aria-labelledby="compare"><h2 id="compare">Your device must show this code</h2>
<p class="usercode"><bdi>${plain(userCode, 40)}</bdi></p>
<div class="box wary">${warningIcon}<p>If someone sent you this code, or you didn’t start this yourself, choose Deny. Allowing it would let them use your account.</p></div></section>
${form(model, [
    html`<input type="hidden" name="user_code" value="${userCode}">`,
    noDefaultButton,
    askedScopes(scopes),
    confirmFields(confirm),
    decision(scopes),
  ])}`;
  return renderDocument({ title: `${error === undefined ? '' : 'Error: '}Connect ${plain(app.name, 50)} on your device?`, content });
}
