/**
 * Templates that escape by themselves:
 *
 *     html`<p class="${kind}">${text}</p>`
 *
 * A value is escaped for where it stands, and what can't be made safe there throws the first time it is rendered. So no value can
 * open an element, an attribute or a script; trustedMarkup() is the only other way in, for constants of this folder. The small libraries
 * for this escape alike everywhere, so that with them a value outside of quotes isn't safe.
 */

/** Finished markup. */
export class Html {
  readonly #markup: string;
  constructor(markup: string) {
    this.#markup = markup;
  }
  toString(): string {
    return this.#markup;
  }
}

/** A finished attribute, with the space before it. */
export class Attribute {
  readonly #markup: string;
  constructor(markup: string) {
    this.#markup = markup;
  }
  toString(): string {
    return this.#markup;
  }
}

export type Child = Html | string | number | false | undefined | readonly Child[];

type Place = 'text' | 'tag' | 'quotes';

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const unprintable = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g;

/** Text for an element or a quoted attribute. Control characters and halves of characters become U+FFFD. */
export const escapeText = (text: string): string => text.toWellFormed().replace(unprintable, '\ufffd').replace(/[&<>"']/g, (character) => entities[character]!);

/** Markup as it is: for constants of the program, never for anything that came from outside. */
export const trustedMarkup = (constant: string): Html => new Html(constant);

/** An attribute in a tag: `<input${attribute('value', text)}>`. Nothing when the value is undefined or false, bare when true. */
export function attribute(name: string, value: string | number | boolean | undefined): Attribute {
  if (!/^[a-z][a-z-]*$/.test(name) || name.startsWith('on') || name === 'style') throw new TypeError(`No attribute may be called '${name}'`);
  if (value === undefined || value === false) return new Attribute('');
  return new Attribute(value === true ? ` ${name}` : ` ${name}="${escapeText(String(value))}"`);
}

const placesOf = new WeakMap<TemplateStringsArray, readonly Place[]>();

/** Where each value of a template stands. Throws a TypeError for an attribute value without double quotes, or one in a comment or a script. */
function findPlaces(strings: TemplateStringsArray): readonly Place[] {
  let place: Place = 'text';
  const places: Place[] = [];
  for (const part of strings) {
    if (/<!--|<script|<style/i.test(part)) throw new TypeError('A template has no comments, scripts or styles');
    for (const character of part) {
      if (place === 'text' && character === '<') place = 'tag';
      else if (place === 'tag' && character === '>') place = 'text';
      else if (place === 'tag' && character === "'") throw new TypeError('A template quotes attributes with "');
      else if (character === '"' && place !== 'text') place = place === 'tag' ? 'quotes' : 'tag';
    }
    if (place === 'tag' && /[=<\/]\s*$/.test(part) && places.length < strings.length - 1) throw new TypeError('A value stands outside of quotes');
    places.push(place);
  }
  if (places.pop() !== 'text') throw new TypeError('A template ends inside of a tag');
  return places;
}

function inText(child: Child): string {
  if (child === undefined || child === false) return '';
  if (child instanceof Html) return child.toString();
  if (typeof child === 'string' || typeof child === 'number') return escapeText(String(child));
  return child.map(inText).join('');
}

function render(value: Child | Attribute, place: Place): string {
  if (place === 'tag') {
    if (value instanceof Attribute) return value.toString();
    throw new TypeError('A tag takes attributes only: attribute(name, value)');
  }
  if (value instanceof Attribute) throw new TypeError('An attribute stands in a tag only');
  if (place === 'text') return inText(value);
  if (typeof value === 'string' || typeof value === 'number') return escapeText(String(value));
  throw new TypeError('Quotes take text only');
}

export function html(strings: TemplateStringsArray, ...values: readonly (Child | Attribute)[]): Html {
  let places = placesOf.get(strings);
  if (places === undefined) placesOf.set(strings, (places = findPlaces(strings)));
  return new Html(strings.reduce((markup, part, index) => markup + render(values[index - 1], places[index - 1]!) + part));
}

/** An address for `href` and `action`: a path of this server, or http(s). Throws a TypeError for any other, `javascript:` above all. */
export function safeAddress(address: string): string {
  if (/^\/(?![/\\])[^\s\\]*$/.test(address)) return address;
  if (/^https?:\/\/[^\s\\]+$/i.test(address) && URL.canParse(address)) return address;
  throw new TypeError('An address must be a path of this server or an http(s) URL');
}
