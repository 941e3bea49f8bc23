import net from 'node:net';
import tls from 'node:tls';
import type { buildConnector } from 'undici';
import { AddressRefused, boundedRequest, HttpConnections, NoAnswer, type HttpAnswer } from './http-request.ts';

/**
 * Requests to addresses that others supply: other homeservers, webhooks, icons, manifests (decision D14). HTTPS only, no
 * redirects, and the address is judged when the connection is made, after name resolution: neither a literal in some odd
 * notation nor a name that resolves differently the second time gets through.
 */
export interface GuardedFetch {
  /** Throws AddressRefused, or NoAnswer when the other side fails. */
  fetch(url: string | URL, options?: GuardedRequest): Promise<HttpAnswer>;
  close(): Promise<void>;
}

export interface GuardedRequest {
  readonly method?: 'GET' | 'POST';
  /** `host` here names the virtual host, and the name that the certificate must bear. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeoutMs?: number;
  readonly maxBytes?: number;
}

export interface GuardedFetchOptions {
  /** Allows this machine itself, over plain HTTP too. */
  readonly development: boolean;
  readonly timeoutMs: number;
  readonly maxBytes: number;
  /** Instead of the system's resolver. */
  readonly lookup?: net.LookupFunction;
  /** Certificate authorities instead of the system's. */
  readonly ca?: string | Buffer;
}

type Subnet = readonly [address: string, prefix: number, family: 'ipv4' | 'ipv6'];

/** This machine; `::/96` holds `::1`, `::` and the old IPv4-compatible addresses. */
const thisMachine: readonly Subnet[] = [
  ['127.0.0.0', 8, 'ipv4'],
  ['::', 96, 'ipv6'],
];

/** Everything that IANA's special-purpose registries call not globally reachable, and what leads back into IPv4. */
const notPublic: readonly Subnet[] = [
  ['0.0.0.0', 8, 'ipv4'],
  ['10.0.0.0', 8, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'],
  ['169.254.0.0', 16, 'ipv4'],
  ['172.16.0.0', 12, 'ipv4'],
  ['192.0.0.0', 24, 'ipv4'],
  ['192.0.2.0', 24, 'ipv4'],
  ['192.88.99.0', 24, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['198.18.0.0', 15, 'ipv4'],
  ['198.51.100.0', 24, 'ipv4'],
  ['203.0.113.0', 24, 'ipv4'],
  ['224.0.0.0', 3, 'ipv4'],
  // IPv6 is public in 2000::/3 only. No rule may cover ::ffff:0:0/96: net.BlockList compares IPv4 addresses in that form.
  ['::ffff:0:0:0', 96, 'ipv6'],
  ['64:ff9b::', 32, 'ipv6'],
  ['100::', 8, 'ipv6'],
  ['200::', 7, 'ipv6'],
  ['400::', 6, 'ipv6'],
  ['800::', 5, 'ipv6'],
  ['1000::', 4, 'ipv6'],
  ['2001::', 23, 'ipv6'],
  ['2001:db8::', 32, 'ipv6'],
  ['2002::', 16, 'ipv6'],
  ['3fff::', 20, 'ipv6'],
  ['4000::', 2, 'ipv6'],
  ['8000::', 1, 'ipv6'],
];

const blockListOf = (subnets: readonly Subnet[]): net.BlockList => {
  const list = new net.BlockList();
  for (const [address, prefix, family] of subnets) list.addSubnet(address, prefix, family);
  return list;
};

const localHosts: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);

/** Throws AddressRefused unless the scheme is allowed for this address. */
function checkUrl(url: URL, development: boolean): void {
  if (url.username !== '' || url.password !== '') throw new AddressRefused('an address may not carry credentials');
  if (url.protocol === 'https:') return;
  if (url.protocol === 'http:' && development && localHosts.has(url.hostname)) return;
  throw new AddressRefused(`${url.protocol}//${url.hostname}: only https is allowed`);
}

type Connected = (error: Error | null, socket: net.Socket | null) => void;

/**
 * undici's own connector drops `blockList` for TLS, so the TCP connection is made first, judged by Node at connect time for
 * each address that the name resolves to, and only then wrapped.
 */
function guardedConnector(options: GuardedFetchOptions): buildConnector.connector {
  const blockList = blockListOf(options.development ? notPublic : [...notPublic, ...thisMachine]);
  return (target, callback) => {
    const done = callback as Connected;
    const secure = target.protocol === 'https:';
    const host = target.hostname.replace(/^\[(.*)\]$/, '$1');
    const port = Number(target.port !== '' ? target.port : secure ? 443 : 80);
    const tcp = net.connect({ host, port, blockList, ...(options.lookup === undefined ? {} : { lookup: options.lookup }) });
    tcp.setTimeout(options.timeoutMs, () => tcp.destroy(new NoAnswer('connecting took too long')));
    tcp.once('error', (error) => done(isBlocked(error) ? new AddressRefused(`${host} is not a public address`) : error, null));
    tcp.once('connect', () => {
      tcp.setTimeout(0);
      tcp.removeAllListeners('error');
      if (secure) wrapInTls(tcp, target.servername ?? host, options.ca, done);
      else done(null, tcp.setNoDelay(true));
    });
  };
}

function wrapInTls(tcp: net.Socket, name: string, ca: string | Buffer | undefined, done: Connected): void {
  const socket = tls.connect({ socket: tcp, ALPNProtocols: ['http/1.1'], ...(net.isIP(name) === 0 ? { servername: name } : { host: name }), ...(ca === undefined ? {} : { ca }) });
  const fail = (error: Error): void => done(error, null);
  socket.once('error', fail);
  socket.once('secureConnect', () => {
    socket.off('error', fail);
    done(null, socket);
  });
}

/** One blocked address of several gives an AggregateError; refusing is right as soon as any was blocked. */
const isBlocked = (error: Error): boolean => {
  const blocked = (one: unknown): boolean => (one as NodeJS.ErrnoException).code === 'ERR_IP_BLOCKED';
  return blocked(error) || (error instanceof AggregateError && error.errors.some(blocked));
};

export function createGuardedFetch(options: GuardedFetchOptions): GuardedFetch {
  const connections = new HttpConnections({ connect: guardedConnector(options), pipelining: 1, keepAliveTimeout: 1_000 });
  return {
    async fetch(address, request = {}) {
      const url = new URL(address);
      checkUrl(url, options.development);
      return boundedRequest(connections, url, { timeoutMs: options.timeoutMs, maxBytes: options.maxBytes, ...request });
    },
    close: () => connections.close(),
  };
}
