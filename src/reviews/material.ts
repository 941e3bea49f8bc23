import { readFile } from 'node:fs/promises';
import type { MiniApp } from '../miniapps/index.ts';
import type { Bundles, Version } from '../releases/index.ts';
import type { GuardedFetch } from '../security/guarded-fetch.ts';
import type { Advisory, Material } from './checks/index.ts';

export interface MaterialDependencies {
  readonly bundles: Pick<Bundles, 'each'>;
  readonly guardedFetch: Pick<GuardedFetch, 'fetch'>;
  /** Entries in the OSV format, as a JSON list; where there is no such file, dependencies are not looked at. */
  readonly advisoriesFile: string;
  /** Origins of clients that may show an app in a frame. */
  readonly framing: readonly string[];
  /** Whether users are asked for the scope. */
  readonly isAskedFor: (scope: string) => boolean;
}

const maxFileBytes = 2 * 1024 * 1024;
const maxTotalBytes = 20 * 1024 * 1024;
const maxScripts = 20;
const readable = /\.(html?|css|[cm]?js|json|map|svg|txt|md|xml|webmanifest)$/i;
const entry = 'index.html';

type Found = Pick<Material, 'files' | 'skipped' | 'policyHeader' | 'missing'>;

async function fromBundle(bundles: MaterialDependencies['bundles'], sha256: string): Promise<Found> {
  const files: Record<string, string> = {};
  const skipped: string[] = [];
  let left = maxTotalBytes;
  const there = await bundles.each(sha256, async (name, bytes) => {
    if (!readable.test(name)) return;
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of bytes) {
      size += chunk.length;
      if (size <= maxFileBytes) chunks.push(chunk);
    }
    left -= size;
    // A source map is for people who read the code; it may be as long as it likes.
    if (size > maxFileBytes || left < 0) {
      if (!name.endsWith('.map')) skipped.push(name);
    } else files[name] = Buffer.concat(chunks).toString('utf8');
  });
  return there ? { files, skipped } : { files: {}, skipped: [], missing: 'the bytes of the bundle are not in the store' };
}

const headerOf = (value: string | string[] | undefined): string | undefined => (Array.isArray(value) ? value.join(', ') : value);

/** The page that opens first, and the scripts of its own origin that it loads. */
async function fromAddress({ fetch }: MaterialDependencies['guardedFetch'], address: string): Promise<Found> {
  const page = await fetch(address, { maxBytes: maxFileBytes });
  if (page.status !== 200) return { files: {}, skipped: [], missing: `the entry page answered ${page.status}` };
  // The parser is loaded with the first page: an idle server does without its memory.
  const { elementsOf } = await import('./checks/html.ts');
  const html = page.body.toString('utf8');
  const files: Record<string, string> = { [entry]: html };
  const skipped: string[] = [];
  const origin = new URL(address).origin;
  const sources = elementsOf(html).flatMap(({ name, attributes }) => (name === 'script' && attributes.src !== undefined ? [URL.parse(attributes.src, address)] : [])).filter((url): url is URL => url?.origin === origin);
  for (const [index, url] of sources.entries()) {
    const name = `${url.pathname.slice(1) || 'script'}`;
    const script = index < maxScripts ? await fetch(url, { maxBytes: maxFileBytes }).catch(() => undefined) : undefined;
    if (script?.status === 200) files[/\.[cm]?js$/.test(name) ? name : `${name}.js`] = script.body.toString('utf8');
    else skipped.push(name);
  }
  const policy = headerOf(page.headers['content-security-policy']);
  return { files, skipped, ...(policy === undefined ? {} : { policyHeader: policy }) };
}

async function readAdvisories(file: string): Promise<readonly Advisory[] | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const entries: unknown = JSON.parse(text);
    return Array.isArray(entries) ? (entries as Advisory[]) : undefined;
  } catch {
    return undefined;
  }
}

async function find({ bundles, guardedFetch }: MaterialDependencies, app: MiniApp, version: Version): Promise<Found> {
  if (version.bundleSha256 !== undefined) return fromBundle(bundles, version.bundleSha256);
  const address = version.changes.entryPoint ?? app.entryPoint;
  if (!address.startsWith('https:') && !address.startsWith('http:')) return { files: {}, skipped: [], missing: 'there is neither a bundle nor a page' };
  return fromAddress(guardedFetch, address).catch((error: Error) => ({ files: {}, skipped: [], missing: `the entry page could not be fetched: ${error.message.slice(0, 200)}` }));
}

/** What the automated checks look at. Everything comes from strangers: addresses are called as a webhook's are, bounded in time and size. */
export async function gatherMaterial(deps: MaterialDependencies, app: MiniApp, version: Version): Promise<Material> {
  const advisories = await readAdvisories(deps.advisoriesFile);
  return {
    ...(await find(deps, app, version)),
    entry,
    framing: deps.framing.map((origin) => origin.toLowerCase().replace(/\/$/, '')),
    sensitiveScopes: (version.changes.scopes ?? app.scopes).filter(deps.isAskedFor),
    scopeJustifications: version.scopeJustifications,
    ...(advisories === undefined ? {} : { advisories }),
  };
}
