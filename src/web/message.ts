import { html, type Html } from './html.ts';
import { checkIcon, warningIcon } from './icons.ts';
import { renderDocument } from './layout.ts';
import type { DoneModel, ErrorModel } from './models.ts';
import { plain } from './text.ts';

const head = (sign: Html, { title, message }: DoneModel): Html => html`<div class="head middle">${sign}
<h1><bdi>${plain(title, 120)}</bdi></h1>
<p class="quiet"><bdi>${plain(message, 600)}</bdi></p></div>`;

/** The end of something that went well. */
export function donePage(model: DoneModel): string {
  return renderDocument({ title: model.title, content: head(html`<div class="sign low">${checkIcon}</div>`, model) });
}

/** The end of something that didn't, with what an administrator asks for. */
export function errorPage(model: ErrorModel): string {
  const { code, requestId } = model;
  const facts = [
    code !== undefined && html`<dt>Error</dt><dd><code><bdi>${plain(code, 100)}</bdi></code></dd>`,
    requestId !== undefined && html`<dt>Request</dt><dd><code><bdi>${plain(requestId, 100)}</bdi></code></dd>`,
  ].filter((fact) => fact !== false);
  const content = html`${head(html`<div class="sign critical">${warningIcon}</div>`, model)}${facts.length > 0 && html`<dl class="facts">${facts}</dl>`}`;
  return renderDocument({ title: `Error: ${model.title}`, content });
}
