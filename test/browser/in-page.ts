/** What is asked of a page from inside of it: expressions, since this project has no DOM types. */

/** Text whose contrast with what is behind it is less than 4.5:1, and edges of fields with less than 3:1. */
export const lowContrast = `(() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const parse = (colour) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255]; };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const ground = (element) => element === null ? [255, 255, 255, 1] : over(parse(getComputedStyle(element).backgroundColor), ground(element.parentElement));
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ratio = (a, b) => { const [high, low] = [light(a), light(b)].sort((x, y) => y - x); return (high + 0.05) / (low + 0.05); };
  const bad = [];
  let seen = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (walker.currentNode.data.trim() === '' || !element.checkVisibility() || element.closest('.unseen')) continue;
    seen += 1;
    const back = ground(element);
    const found = ratio(over(parse(getComputedStyle(element).color), back), back);
    if (found < 4.5) bad.push(walker.currentNode.data.trim() + ' ' + found.toFixed(2));
  }
  for (const field of document.querySelectorAll('input:not([type=hidden]), .button')) {
    const back = ground(field.parentElement);
    const found = ratio(over(parse(getComputedStyle(field).borderTopColor), back), back);
    if (found < 3) bad.push(field.outerHTML.slice(0, 80) + ' edge ' + found.toFixed(2));
  }
  return { seen, bad };
})()`;

/** What can be pressed and is smaller than 24 by 24 pixels, links in sentences aside. */
export const smallTargets = `[...document.querySelectorAll('button:not([hidden]), input:not([type=hidden]), summary, a.button, .account a')]
  .map((element) => [element.outerHTML.slice(0, 80), element.getBoundingClientRect()])
  .filter(([, box]) => box.width < 24 || box.height < 24)
  .map(([markup, box]) => markup + ' ' + box.width + 'x' + box.height)`;

export const overflow = 'Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) - innerWidth';

/** What has the focus, in a few words, with its outline. */
export const focused = `(() => {
  const element = document.activeElement;
  const style = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  return {
    what: [element.tagName.toLowerCase(), element.getAttribute('name'), element.getAttribute('value')].filter(Boolean).join(' '),
    ringed: style.outlineStyle === 'solid' && parseFloat(style.outlineWidth) >= 2,
    inView: box.top >= 0 && box.bottom <= innerHeight,
  };
})()`;

/** Elements with the names of their attributes. */
export const skeleton = `[...document.querySelectorAll('*')].map((element) => element.localName + ' ' + element.getAttributeNames().join(' '))`;
