import { parse, type DefaultTreeAdapterTypes as Tree } from 'parse5';

export interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly line: number;
  /** Of `<script>` and `<style>`. */
  readonly text: string;
  /** Where that text begins. */
  readonly textLine: number;
}

/** Every element of a page, in order, with the line that it begins on. */
export function elementsOf(html: string): Element[] {
  const found: Element[] = [];
  const visit = (node: Tree.Node): void => {
    if ('tagName' in node) {
      const text = node.childNodes.find((child): child is Tree.TextNode => child.nodeName === '#text');
      found.push({ name: node.tagName, attributes: Object.fromEntries(node.attrs.map(({ name, value }) => [name, value])), line: node.sourceCodeLocation?.startLine ?? 1, text: text?.value ?? '', textLine: text?.sourceCodeLocation?.startLine ?? 1 });
    }
    if ('childNodes' in node) for (const child of node.childNodes) visit(child);
    if ('content' in node) visit(node.content);
  };
  visit(parse(html, { sourceCodeLocationInfo: true }));
  return found;
}

export const isPage = (name: string): boolean => /\.html?$/i.test(name);
export const isScript = (name: string): boolean => /\.[cm]?js$/i.test(name);

/** A script of its own, or one within a page; `line` is that of its first one. */
export interface Script {
  readonly file: string;
  readonly line: number;
  readonly text: string;
}

const scriptTypes: ReadonlySet<string> = new Set(['', 'text/javascript', 'application/javascript', 'module']);

export function scriptsOf(files: Readonly<Record<string, string>>): Script[] {
  return Object.entries(files).flatMap(([file, text]): Script[] => {
    if (isScript(file)) return [{ file, line: 1, text }];
    if (!isPage(file)) return [];
    return elementsOf(text).filter(({ name, attributes, text: inline }) => name === 'script' && attributes.src === undefined && inline.trim() !== '' && scriptTypes.has((attributes.type ?? '').toLowerCase())).map(({ text: inline, textLine }) => ({ file, line: textLine, text: inline }));
  });
}

export const lineAt = (text: string, offset: number): number => text.slice(0, offset).split('\n').length;
