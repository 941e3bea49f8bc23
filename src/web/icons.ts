import { trustedMarkup, type Html } from './html.ts';
import type { Sensitivity } from './models.ts';

/** Decoration only: what an icon says is always said in words beside it. */
const icon = (shapes: string, box = 24): Html =>
  trustedMarkup(`<svg class="icon" viewBox="0 0 ${box} ${box}" aria-hidden="true" focusable="false">${shapes}</svg>`);

const line = (path: string): string => `<path d="${path}" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"/>`;

/** Four apps, one of them awake. */
export const logo = icon(
  '<rect x="2" y="2" width="9" height="9" rx="2.5" fill="currentColor"/><rect x="2" y="13" width="9" height="9" rx="2.5" fill="currentColor"/>' +
    '<rect x="13" y="13" width="9" height="9" rx="2.5" fill="currentColor"/><circle class="awake" cx="17.5" cy="6.5" r="4.5"/>',
);

const seal = 'M12 1.8l2.6 2 3.3-.2 1 3.1 2.7 1.8-1.1 3.1 1.1 3.1-2.7 1.8-1 3.1-3.3-.2-2.6 2-2.6-2-3.3.2-1-3.1-2.7-1.8 1.1-3.1-1.1-3.1 2.7-1.8 1-3.1 3.3.2z';
export const verifiedIcon = icon(`<path d="${seal}" fill="currentColor"/><path class="cut" d="M8 11.8l2.8 2.8L16 9.2" fill="none" stroke-width="2.2" stroke-linecap="round" stroke-linejoin="round"/>`);
export const questionIcon = icon(`<circle cx="12" cy="12" r="9.2" fill="none" stroke="currentColor" stroke-width="2"/>${line('M9.4 9.3a2.7 2.7 0 1 1 3.9 2.5c-.8.4-1.3 1-1.3 1.9')}<circle cx="12" cy="17" r="1.2" fill="currentColor"/>`);
export const checkIcon = icon(line('M5 12.5l4.5 4.5L19 7.5'));
export const warningIcon = icon(`${line('M12 3.5L2.5 20h19z')}${line('M12 10v4.5')}<circle cx="12" cy="17.3" r="1.2" fill="currentColor"/>`);
export const lockIcon = icon(`<rect x="4.5" y="10.5" width="15" height="10" rx="2.5" fill="none" stroke="currentColor" stroke-width="2"/>${line('M8 10V7.5a4 4 0 0 1 8 0V10')}`);
export const browserIcon = icon(`<rect x="2.5" y="4" width="19" height="16" rx="3" fill="none" stroke="currentColor" stroke-width="2"/>${line('M3 9h18')}`);
export const deviceIcon = icon(`<rect x="2.5" y="4" width="19" height="12.5" rx="2.5" fill="none" stroke="currentColor" stroke-width="2"/>${line('M8 20.5h8')}`);

const bars = (filled: number): string =>
  [0, 1, 2, 3].map((bar) => `<rect x="${1 + bar * 4}" y="${11 - bar * 3}" width="2.6" height="${4 + bar * 3}" rx="1" fill="currentColor"${bar < filled ? '' : ' opacity=".28"'}/>`).join('');

/** One to four bars, and a key for what only official apps may have: the shape says it without the colour. */
export const sensitivityIcons: Readonly<Record<Sensitivity, Html>> = {
  low: icon(bars(1), 16),
  medium: icon(bars(2), 16),
  high: icon(bars(3), 16),
  critical: icon(bars(4), 16),
  privileged: icon('<circle cx="5" cy="11" r="3.2" fill="none" stroke="currentColor" stroke-width="1.8"/><path d="M7.4 8.6L13.5 2.5M11 5l2.2 2.2" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round"/>', 16),
};

/** For the tab; a data: URL, so that the browser doesn't ask for one. */
export const favicon = `data:image/svg+xml,${encodeURIComponent(
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><g fill="#6b7480"><rect x="2" y="2" width="9" height="9" rx="2.5"/><rect x="2" y="13" width="9" height="9" rx="2.5"/><rect x="13" y="13" width="9" height="9" rx="2.5"/></g><circle cx="17.5" cy="6.5" r="4.5" fill="#0da37f"/></svg>',
)}`;
