import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net, { type AddressInfo, type LookupFunction } from 'node:net';
import { join } from 'node:path';
import { expect } from 'chai';
import { createGuardedFetch, type GuardedFetch, type GuardedFetchOptions } from '../../../src/security/guarded-fetch.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const limits = { timeoutMs: 1_000, maxBytes: 1_000 };

/** A resolver that says the same of every name. */
const resolvesTo =
  (...addresses: string[]): LookupFunction =>
  (_name, options, callback) => {
    const all = addresses.map((address) => ({ address, family: net.isIP(address) }));
    if (options.all === true) callback(null, all);
    else callback(null, all[0]!.address, all[0]!.family);
  };

async function failure(work: Promise<unknown>): Promise<Error> {
  try {
    await work;
  } catch (error) {
    return error as Error;
  }
  throw new Error('was not refused');
}

const listen = (server: net.Server): Promise<number> => new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)));

describe('guarded fetch', () => {
  const fetchers: GuardedFetch[] = [];
  const guarded = (options: Partial<GuardedFetchOptions> = {}): GuardedFetch => {
    const fetcher = createGuardedFetch({ development: false, ...limits, ...options });
    fetchers.push(fetcher);
    return fetcher;
  };
  let hits = 0;
  let plain: http.Server;
  let plainPort: number;
  let secure: https.Server;
  let securePort: number;
  let ca: Buffer;

  before(async () => {
    const folder = temporaryDirectory('tls');
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=peer.test', '-addext', 'subjectAltName=DNS:peer.test', '-keyout', key, '-out', cert], { stdio: 'ignore' });
    ca = readFileSync(cert);
    const handler: http.RequestListener = (req, res) => {
      hits += 1;
      if (req.url === '/redirect') res.writeHead(302, { location: 'http://169.254.169.254/latest/meta-data' }).end();
      else if (req.url === '/large') res.end('x'.repeat(5_000));
      else if (req.url !== '/silent') res.end(`hello ${req.headers.host}`);
    };
    plain = http.createServer(handler);
    plainPort = await listen(plain);
    secure = https.createServer({ key: readFileSync(key), cert: ca }, handler);
    securePort = await listen(secure);
  });
  beforeEach(() => {
    hits = 0;
  });
  after(async () => {
    for (const fetcher of fetchers) await fetcher.close();
    for (const server of [plain, secure]) {
      server.closeAllConnections();
      server.close();
    }
  });

  const spellings = ['127.0.0.1', 'localhost', '127.1', '2130706433', '0x7f000001', '0177.0.0.1', '0.0.0.0', '[::1]', '[::]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[::127.0.0.1]', '[64:ff9b::7f00:1]'];
  for (const host of spellings) {
    it(`refuses ${host} without reaching it`, async () => {
      expect((await failure(guarded().fetch(`https://${host}:${securePort}/`))).name).to.equal('AddressRefused');
      expect(hits).to.equal(0);
    });
  }

  const notPublic = ['10.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.1.1', '169.254.169.254', '100.64.0.1', '100.127.255.255', '192.0.0.8', '198.18.0.1', '224.0.0.1', '255.255.255.255', 'fe80::1', 'fc00::1', 'fdff::1', 'fec0::1', 'ff02::1', '::ffff:10.0.0.1', '64:ff9b::a00:1', '64:ff9b:1::1', '2001:db8::1', '2001::1', '2002:7f00:1::', '::ffff:0:127.0.0.1'];
  for (const address of notPublic) {
    it(`refuses a name that resolves to ${address}`, async () => {
      expect((await failure(guarded({ lookup: resolvesTo(address) }).fetch('https://peer.test/'))).name).to.equal('AddressRefused');
    });
  }

  it('refuses a name as soon as one of its addresses is not public', async () => {
    expect((await failure(guarded({ lookup: resolvesTo('127.0.0.1', '10.0.0.1') }).fetch(`https://peer.test:${securePort}/`))).name).to.equal('AddressRefused');
    expect(hits).to.equal(0);
  });

  it('lets public addresses through, in both families', async () => {
    // Nothing answers there from here; what matters is that the guard is not what fails.
    for (const address of ['192.0.1.1', '8.8.8.8', '2606:4700::1']) {
      expect((await failure(guarded({ lookup: resolvesTo(address), timeoutMs: 300 }).fetch('https://peer.test/'))).name).to.equal('NoAnswer');
    }
  });

  for (const url of ['http://peer.test/', 'ftp://peer.test/', 'file:///etc/passwd', 'https://user:secret@peer.test/']) {
    it(`refuses ${new URL(url).protocol} ${url.includes('@') ? 'with credentials ' : ''}whatever it resolves to`, async () => {
      expect((await failure(guarded({ lookup: resolvesTo('8.8.8.8') }).fetch(url))).name).to.equal('AddressRefused');
    });
  }

  describe('in development', () => {
    const development = (options: Partial<GuardedFetchOptions> = {}): GuardedFetch => guarded({ development: true, ...options });

    it('reaches this machine over http, by its own names only', async () => {
      const answer = await development().fetch(`http://127.0.0.1:${plainPort}/`);
      expect([answer.status, answer.body.toString()]).to.deep.equal([200, `hello 127.0.0.1:${plainPort}`]);
      expect((await failure(development({ lookup: resolvesTo('127.0.0.1') }).fetch(`http://peer.test:${plainPort}/`))).name).to.equal('AddressRefused');
    });

    it('still refuses other private addresses', async () => {
      expect((await failure(development({ lookup: resolvesTo('10.0.0.1') }).fetch('https://peer.test/'))).name).to.equal('AddressRefused');
    });

    it('wants a certificate that a known authority issued for the name that was asked for', async () => {
      const lookup = resolvesTo('127.0.0.1');
      const good = await development({ lookup, ca }).fetch(`https://peer.test:${securePort}/`);
      expect([good.status, good.body.toString()]).to.deep.equal([200, `hello peer.test:${securePort}`]);
      expect((await failure(development({ lookup }).fetch(`https://peer.test:${securePort}/`))).name).to.equal('NoAnswer');
      expect((await failure(development({ lookup, ca }).fetch(`https://other.test:${securePort}/`))).name).to.equal('NoAnswer');
    });

    it('takes the name for the certificate from the Host header', async () => {
      const delegated = await development({ ca }).fetch(`https://127.0.0.1:${securePort}/`, { headers: { host: 'peer.test' } });
      expect(delegated.body.toString()).to.equal('hello peer.test');
      expect((await failure(development({ ca }).fetch(`https://127.0.0.1:${securePort}/`, { headers: { host: 'other.test' } }))).name).to.equal('NoAnswer');
    });

    it('follows no redirect', async () => {
      const answer = await development().fetch(`http://127.0.0.1:${plainPort}/redirect`);
      expect([answer.status, hits]).to.deep.equal([302, 1]);
    });

    it('stops reading what is too large', async () => {
      expect((await failure(development().fetch(`http://127.0.0.1:${plainPort}/large`))).message).to.contain('larger than 1000 bytes');
    });

    it('stops waiting', async () => {
      expect((await failure(development({ timeoutMs: 100 }).fetch(`http://127.0.0.1:${plainPort}/silent`))).message).to.contain('no answer within 100 ms');
    });
  });
});
