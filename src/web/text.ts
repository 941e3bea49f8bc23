import { html, type Html } from './html.ts';

/** Everything that turns the direction of what follows, or of the whole line. */
const directionMarks = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** The first characters as a reader counts them, one per base character and at most four code units each, so that marks can't pile up. */
function characters(text: string, most: number): string[] {
  const found: string[] = [];
  for (const { segment } of segmenter.segment(text.slice(0, most * 16))) {
    found.push(segment.length > 16 ? segment.slice(0, 4).toWellFormed() : segment);
    if (found.length > most) break;
  }
  return found;
}

/** One line without marks that turn direction, at most `most` characters: for titles and labels, where <bdi> can't be. */
export function plain(text: string, most = 80): string {
  const line = text.replace(directionMarks, '').replace(/\s+/g, ' ').trim();
  const found = characters(line, most);
  return found.length > most ? `${found.slice(0, most - 1).join('').trimEnd()}…` : found.join('');
}

/** Something that another person has named, kept apart from the words around it. */
export const name = (text: string, most = 80): Html => html`<bdi>${plain(text, most) || '(no name)'}</bdi>`;

/** Up to two letters that stand for a name. */
export function initials(text: string): string {
  const words = plain(text, 200).split(/[\s._-]+/).flatMap((word) => {
    const letters = word.replace(/[^\p{L}\p{N}]/gu, '');
    return letters === '' ? [] : [characters(letters, 1)[0]!];
  });
  return words.slice(0, 2).join('').toUpperCase() || '?';
}

/** The same one of `count` colours for the same name, every time. */
export const colourOf = (text: string, count = 6): number => [...text].reduce((sum, character) => (sum * 31 + character.codePointAt(0)!) % 9973, 7) % count;

const timeFormat = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' });
const lastTimeMs = 8.64e15;

/** A time in words, in UTC since nothing says where the reader is. */
export function time(timeMs: number): Html {
  if (!(Math.abs(timeMs) <= lastTimeMs)) return html`an unknown time`;
  const date = new Date(timeMs);
  return html`<time datetime="${date.toISOString()}">${timeFormat.format(date)} UTC</time>`;
}
