import { parse } from 'acorn';
import { simple } from 'acorn-walk';
import { elementsOf, isPage, lineAt, scriptsOf, type Script } from './html.ts';
import { notRun, verdictOf, type Finding, type Material, type Outcome } from './types.ts';

/** Attributes that load something, by element. Links that a user follows load nothing. */
const loading: Readonly<Record<string, readonly string[]>> = { script: ['src'], link: ['href'], img: ['src', 'srcset'], source: ['src', 'srcset'], iframe: ['src'], frame: ['src'], embed: ['src'], object: ['data'], video: ['src', 'poster'], audio: ['src'], track: ['src'], input: ['src'], form: ['action'], base: ['href'], image: ['href', 'xlink:href'], use: ['href', 'xlink:href'] };
/** Names that look like addresses and are never called. */
const namespaces = /^http:\/\/(www\.w3\.org|schemas?\.|ns\.adobe\.com|purl\.org|xmlns\.com|json-schema\.org|localhost\b|127\.0\.0\.1\b)/i;
const insecure = /^\s*(http|ws):\/\//i;

const secured = (text: string): string => text.trim().replace(/^http:/i, 'https:').replace(/^ws:/i, 'wss:').slice(0, 200);
const finding = (file: string, line: number, what: string, address: string): Finding => ({ type: 'INSECURE_RESOURCE', file, line, severity: 'high', message: `${what} is loaded without encryption: ${address.trim().slice(0, 200)}`, fix: secured(address) });

const inStyle = (file: string, text: string, firstLine: number): Finding[] =>
  [...text.matchAll(/(?:url\(\s*["']?|@import\s+["'])(http:\/\/[^"')\s]+)/gi)].map((match) => finding(file, firstLine + lineAt(text, match.index) - 1, 'A resource of the style sheet', match[1]!));

function inPageFindings(file: string, text: string): Finding[] {
  return elementsOf(text).flatMap(({ name, attributes, line, text: inner, textLine }) => {
    const attributesToo = (Object.hasOwn(loading, name) ? loading[name]! : []).flatMap((attribute) => {
      const addresses = (attributes[attribute] ?? '').split(attribute === 'srcset' ? ',' : /$^/);
      return addresses.filter((address) => insecure.test(address)).map((address) => finding(file, line, `<${name} ${attribute}>`, address));
    });
    return [...attributesToo, ...(attributes.style === undefined ? [] : inStyle(file, attributes.style, line)), ...(name === 'style' ? inStyle(file, inner, textLine) : [])];
  });
}

/** Texts of the script that are addresses without encryption. */
function inScript({ file, line, text }: Script): Finding[] {
  const found: Finding[] = [];
  const take = (value: string, at: number): void => {
    if (insecure.test(value) && !namespaces.test(value)) found.push(finding(file, line + at - 1, 'An address in the script', value));
  };
  const tree = parse(text, { ecmaVersion: 'latest', sourceType: 'module', locations: true, allowHashBang: true, allowReturnOutsideFunction: true });
  simple(tree, {
    Literal: (node) => typeof node.value === 'string' && take(node.value, node.loc!.start.line),
    TemplateElement: (node) => take(node.value.cooked ?? '', node.loc!.start.line),
  });
  return found;
}

export function checkSecureResources({ files }: Material): Outcome {
  const unread: string[] = [];
  const readable = scriptsOf(files).flatMap((script) => {
    try {
      return inScript(script);
    } catch {
      unread.push(script.file);
      return [];
    }
  });
  const pages = Object.entries(files).flatMap(([file, text]) => (isPage(file) || file.endsWith('.svg') ? inPageFindings(file, text) : file.endsWith('.css') ? inStyle(file, text, 1) : []));
  const findings = [...pages, ...readable];
  return findings.length === 0 && unread.length > 0 ? notRun(`does not parse: ${unread.join(', ').slice(0, 200)}`) : verdictOf(findings);
}
