import { html, type Html } from './html.ts';
import { renderDocument } from './layout.ts';

/** An operation as the page shows it. */
export interface OperationModel {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly summary: string;
  readonly deprecated: boolean;
  readonly access: string;
  readonly limit: string;
  readonly parameters: readonly { readonly name: string; readonly place: string; readonly required: boolean; readonly type: string; readonly description: string }[];
  /** The schema of the body, as text. */
  readonly body: string | undefined;
  readonly responses: readonly { readonly status: string; readonly description: string; readonly body: string | undefined }[];
}

export interface ReferenceModel {
  readonly title: string;
  readonly description: string;
  readonly version: string;
  readonly sections: readonly { readonly name: string; readonly description: string; readonly operations: readonly OperationModel[] }[];
  readonly schemas: readonly { readonly name: string; readonly text: string }[];
}

const parameterList = (parameters: OperationModel['parameters']): Html => html`<dl class="facts">${parameters.map(({ name, place, required, type, description }) => html`<dt><code>${name}</code></dt><dd>${place}${required && ', required'}: ${type}${description !== '' && html`<br>${description}`}</dd>`)}</dl>`;

const operation = (one: OperationModel): Html => html`<details id="${one.id}"><summary><code>${one.method} ${one.path}</code><br>${one.summary}${one.deprecated && html` <strong>(deprecated)</strong>`}</summary>
<p class="quiet">${one.access}. Limit: ${one.limit}.</p>
${one.parameters.length > 0 && parameterList(one.parameters)}
${one.body !== undefined && html`<p>Body</p><pre>${one.body}</pre>`}
${one.responses.map(({ status, description, body }) => html`<p><strong>${status}</strong> ${description}</p>${body !== undefined && html`<pre>${body}</pre>`}`)}
</details>`;

/** The API for people to read: one page, without scripts and without anything from elsewhere. */
export function referencePage({ title, description, version, sections, schemas }: ReferenceModel): string {
  const content = html`<div class="head"><h1>${title} ${version}</h1><p class="quiet">${description}</p>
<p><a href="/openapi.json">openapi.json</a></p></div>
<nav><ul>${sections.map(({ name }, index) => html`<li><a href="#section-${index}">${name}</a></li>`)}</ul></nav>
${sections.map((section, index) => html`<h2 id="section-${index}">${section.name}</h2><p class="quiet">${section.description}</p>${section.operations.map(operation)}`)}
<h2 id="schemas">Schemas</h2>${schemas.map(({ name, text }) => html`<details id="schema-${name}"><summary><code>${name}</code></summary><pre>${text}</pre></details>`)}`;
  return renderDocument({ title, content, wide: true });
}
