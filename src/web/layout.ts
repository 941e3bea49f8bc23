import { favicon, logo } from './icons.ts';
import { attribute, html, trustedMarkup, type Child } from './html.ts';
import { style } from './style.ts';
import { plain } from './text.ts';

export interface Page {
  /** Of the window; may hold names, which are made plain. */
  readonly title: string;
  readonly wide?: boolean;
  readonly content: Child;
  /** Below the card. */
  readonly footnote?: string;
}

const styleElement = trustedMarkup(`<style>${style}</style>`);

/** The whole document around what a page shows. */
export function renderDocument({ title, wide = false, content, footnote }: Page): string {
  return html`<!doctype html>
<html lang="en" dir="ltr">
<head>
<meta charset="utf-8">
<title>${plain(title, 120)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex, nofollow">
<link rel="icon" href="${favicon}">
${styleElement}
</head>
<body>
<header class="banner">${logo}<span>Mini-apps</span></header>
<main${attribute('class', wide && 'wide')}>
${content}
</main>
${footnote !== undefined && html`<footer><p>${footnote}</p></footer>`}
</body>
</html>
`.toString();
}
