import parsePolicy from 'content-security-policy-parser';
import { elementsOf, isPage } from './html.ts';
import { verdictOf, type Finding, type Material, type Outcome } from './types.ts';

/** Specification section 10.4.2. */
export const minimumPolicy = "default-src 'self'; script-src 'self'; connect-src 'self'; frame-ancestors 'none'; upgrade-insecure-requests";
const meta = `<meta http-equiv="Content-Security-Policy" content="${minimumPolicy}">`;

type Policy = ReadonlyMap<string, readonly string[]>;
interface Lack {
  readonly severity: Finding['severity'];
  readonly message: string;
  readonly fix: string;
}

const sourcesOf = (policy: Policy, directive: string): readonly string[] => (policy.get(directive) ?? policy.get('default-src') ?? ['*']).map((source) => source.toLowerCase());
const isWide = (source: string): boolean => ['*', 'http:', 'https:', 'ws:', 'wss:'].includes(source) || source.startsWith('http://') || source.startsWith('ws://') || /^(https?:\/\/)?\*(\.[a-z]+)?$/.test(source);

function scriptLacks(policy: Policy): Lack[] {
  const sources = sourcesOf(policy, 'script-src');
  const lacks: Lack[] = [];
  const fix = "script-src 'self'";
  // A browser that knows nonces and hashes ignores 'unsafe-inline' beside them.
  const isNonced = sources.some((source) => /^'(nonce|sha(256|384|512))-/.test(source));
  if (sources.includes("'unsafe-inline'") && !isNonced) lacks.push({ severity: 'high', message: "script-src allows inline scripts ('unsafe-inline')", fix: `${fix} 'nonce-…'` });
  for (const keyword of ["'unsafe-eval'", "'unsafe-hashes'"]) if (sources.includes(keyword)) lacks.push({ severity: 'high', message: `script-src has ${keyword}`, fix });
  const wide = sources.filter((source) => isWide(source) || ['data:', 'blob:', 'filesystem:'].includes(source));
  if (wide.length > 0) lacks.push({ severity: 'high', message: `scripts may come from ${wide.join(' ')}`, fix: `${fix} https://cdn.example.com` });
  return lacks;
}

/** Nobody shows the page in a frame, or nobody but clients of this platform. */
const isFramedByFew = (policy: Policy, framing: readonly string[]): boolean => {
  const ancestors = policy.get('frame-ancestors')?.map((source) => source.toLowerCase().replace(/\/$/, '')) ?? ['*'];
  return ancestors.join(' ') === "'none'" || (ancestors.length > 0 && ancestors.every((source) => framing.includes(source)));
};

/** What a policy lacks of the minimum; `framing` are the origins of clients that may show it in a frame. */
export function lacksOf(policy: Policy, framing: readonly string[]): Lack[] {
  const lacks: Lack[] = [];
  const defaults = policy.get('default-src')?.map((source) => source.toLowerCase());
  if (defaults === undefined) lacks.push({ severity: 'high', message: 'there is no default-src', fix: "default-src 'self'" });
  else if (defaults.some(isWide)) lacks.push({ severity: 'high', message: 'default-src lets in everything', fix: "default-src 'self'" });
  lacks.push(...scriptLacks(policy));
  if (sourcesOf(policy, 'connect-src').some(isWide)) lacks.push({ severity: 'medium', message: 'connect-src allows connections to anywhere', fix: "connect-src 'self' https://api.example.com" });
  if (sourcesOf(policy, 'object-src').some(isWide)) lacks.push({ severity: 'medium', message: 'object-src allows plug-ins from anywhere', fix: "object-src 'none'" });
  if (!isFramedByFew(policy, framing)) lacks.push({ severity: 'medium', message: `frame-ancestors is not ${["'none'", ...framing].join(' or ')}`, fix: `frame-ancestors ${framing.join(' ') || "'none'"}` });
  if (!policy.has('upgrade-insecure-requests')) lacks.push({ severity: 'low', message: 'upgrade-insecure-requests is missing', fix: 'upgrade-insecure-requests' });
  return lacks;
}

/** One problem of each directive that no policy of the page mends: of several policies, all hold. */
function findingsFor(file: string, framing: readonly string[], policies: readonly { readonly text: string; readonly line: number }[]): Finding[] {
  if (policies.length === 0) return [{ type: 'CSP_MISSING', file, severity: 'high', message: 'The page has no Content-Security-Policy', fix: meta }];
  const [first, ...others] = policies.map(({ text, line }) => ({ line, lacks: lacksOf(parsePolicy(text), framing) }));
  const left = first!.lacks.filter(({ message }) => others.every(({ lacks }) => lacks.some((lack) => lack.message === message)));
  return left.map(({ severity, message, fix }) => ({ type: 'CSP_TOO_WIDE', file, line: first!.line, severity, message, fix }));
}

/** Every page has a policy, in a meta tag or, where it was fetched, in its header, that is no wider than the minimum allows. */
export function checkPolicy({ files, entry, policyHeader, framing }: Material): Outcome {
  return verdictOf(
    Object.entries(files)
      .filter(([file]) => isPage(file))
      .flatMap(([file, text]) => {
        const inPage = elementsOf(text).filter(({ name, attributes }) => name === 'meta' && attributes['http-equiv']?.toLowerCase() === 'content-security-policy').map(({ attributes, line }) => ({ text: attributes.content ?? '', line }));
        return findingsFor(file, framing, [...(file === entry && policyHeader !== undefined ? [{ text: policyHeader, line: 1 }] : []), ...inPage]);
      }),
  );
}
