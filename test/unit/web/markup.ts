import { parse, type DefaultTreeAdapterTypes as Tree } from 'parse5';

export type Element = Tree.Element;

const isElement = (node: Tree.Node): node is Element => 'tagName' in node;

/** Every node below, in the order of the document. */
export function nodesOf(node: Tree.Node): Tree.Node[] {
  const children = 'childNodes' in node ? node.childNodes : [];
  return children.flatMap((child) => [child, ...nodesOf(child)]);
}

/** All elements of a page as a browser would find them, or those with one name. */
export const elementsOf = (page: string, tagName?: string): Element[] =>
  nodesOf(parse(page)).filter(isElement).filter((element) => tagName === undefined || element.tagName === tagName);

export const attributeOf = (element: Element, name: string): string | undefined => element.attrs.find((attribute) => attribute.name === name)?.value;

export const textOf = (node: Tree.Node): string => ('value' in node ? node.value : nodesOf(node).map((inner) => ('value' in inner ? inner.value : '')).join(''));

/** Elements and the names of their attributes: what a value must never change. */
export const skeletonOf = (page: string): string[] => elementsOf(page).map(({ tagName, attrs }) => `${tagName} ${attrs.map(({ name }) => name).join(' ')}`);

/** What a parser of the HTML standard complains about. */
export function complaintsOf(page: string): string[] {
  const complaints: string[] = [];
  parse(page, { onParseError: ({ code, startLine, startCol }) => complaints.push(`${code} at ${startLine}:${startCol}`), sourceCodeLocationInfo: true });
  return complaints;
}

/** Pieces of text that hold the word outside of any <bdi>. */
export function notIsolated(page: string, word: string): string[] {
  return nodesOf(parse(page)).flatMap((node) => {
    if (node.nodeName !== '#text' || !('value' in node) || !node.value.includes(word)) return [];
    for (let above: Tree.ParentNode | null = node.parentNode; above !== null && 'parentNode' in above; above = above.parentNode) {
      if (above.nodeName === 'bdi' || above.nodeName === 'title') return [];
    }
    return [node.value];
  });
}
