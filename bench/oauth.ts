import { once } from 'node:events';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { Worker } from 'node:worker_threads';
import Provider from 'oidc-provider';
import { createLog } from '../src/operations/index.ts';
import { temporaryDirectory } from '../test/support/temporary.ts';
import { exchange } from '../test/support/api.ts';
import { startWholeServer } from '../test/support/whole-server.ts';
import type { OAuthOrder, OAuthOutcome } from './oauth-client.ts';
import { inTurns, type Measurement } from './support.ts';

const inFlight = 8;
const requestsPerToken = 100;
const rounds = 7;
/** Until both sides are compiled: a server runs for longer than that. */
const warmUps = 6;
const clientId = 'ma_official_wallet';

/** One side: where it listens, and a refresh token and an access token for each client that asks. */
interface Side {
  readonly url: string;
  readonly refreshTokens: string[];
  readonly accessTokens: string[];
  close(): Promise<void>;
}

async function ourSide(): Promise<Side> {
  const url = `sqlite:${join(temporaryDirectory('bench'), 'tmcp.db')}`;
  const server = await startWholeServer({ dialect: 'sqlite', createUrl: () => Promise.resolve(url) }, { TMCP_RATE_LIMITS_ENABLED: 'false' }, { log: createLog({ level: 'info', format: 'json' }, new PassThrough().resume()) });
  const refreshTokens: string[] = [];
  const accessTokens: string[] = [];
  for (let n = 0; n < inFlight; n += 1) {
    server.identity.whoami.set(`syt_${n}`, { user_id: `@user${n}:example.org`, device_id: 'DEVICE', is_guest: false });
    const { body } = await exchange(server.url, `syt_${n}`, { client_id: clientId });
    refreshTokens.push(body.refresh_token as string);
    accessTokens.push(body.access_token as string);
  }
  return { url: server.url, refreshTokens, accessTokens, close: () => server.close() };
}

/** The library as it comes, in memory; its access tokens are signed with RS256 where ours are, and it has a grant to look up for each. */
async function bareSide(): Promise<Side> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const url = `http://127.0.0.1:${port}`;
  const resource = 'urn:bench:api';
  const scope = 'user:read storage:read storage:write';
  const { privateKey } = await crypto.subtle.generateKey({ name: 'RSASSA-PKCS1-v1_5', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' }, true, ['sign', 'verify']);
  const key = await crypto.subtle.exportKey('jwk', privateKey);
  const resourceServer = (accessTokenFormat: 'jwt' | 'opaque') => ({ audience: clientId, scope, accessTokenFormat, ...(accessTokenFormat === 'jwt' ? { jwt: { sign: { alg: 'RS256' as const } } } : {}) });
  const provider = new Provider(url, {
    jwks: { keys: [{ ...key, use: 'sig' }] },
    clients: [{ client_id: clientId, token_endpoint_auth_method: 'none', grant_types: ['authorization_code', 'refresh_token'], redirect_uris: ['https://app.example/cb'], response_types: ['code'] }],
    features: {
      devInteractions: { enabled: false },
      introspection: { enabled: true, allowedPolicy: () => true },
      resourceIndicators: { enabled: true, useGrantedResource: () => true, getResourceServerInfo: (_ctx, name) => resourceServer(name === resource ? 'jwt' : 'opaque') },
    },
    rotateRefreshToken: true,
    routes: { token: '/oauth2/token', introspection: '/oauth2/introspect' },
    findAccount: (_ctx, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
  });
  server.on('request', (req, res) => void provider.callback()(req, res));
  const client = (await provider.Client.find(clientId))!;
  const refreshTokens: string[] = [];
  const accessTokens: string[] = [];
  for (let n = 0; n < inFlight; n += 1) {
    const accountId = `@user${n}:example.org`;
    const grant = new provider.Grant({ accountId, clientId });
    grant.addResourceScope(resource, scope);
    const grantId = await grant.save();
    const common = { accountId, client, grantId, scope, gty: 'authorization_code' };
    refreshTokens.push(await new provider.RefreshToken({ ...common, resource, expiresWithSession: false }).save());
    const accessToken = new provider.AccessToken({ ...common });
    // What it signs it does not keep, and can't introspect: an opaque one is its usual case.
    accessTokens.push(await accessToken.save());
  }
  return {
    url,
    refreshTokens,
    accessTokens,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => void server.close(() => resolve()));
    },
  };
}

/** Token refresh and introspection, each durable and checked against the session, against the bare library in memory. */
export async function measureOAuth(): Promise<Measurement[]> {
  const thread = new Worker(new URL('oauth-client.ts', import.meta.url));
  const send = async (order: OAuthOrder): Promise<OAuthOutcome> => {
    thread.postMessage(order);
    return ((await once(thread, 'message')) as [OAuthOutcome])[0];
  };
  const [ours, bare] = [await ourSide(), await bareSide()];
  const measurements: Measurement[] = [];
  try {
    for (const what of ['introspect', 'refresh'] as const) {
      const processorUs = { ours: 0, bare: 0 };
      const ask = async (side: Side): Promise<number> => {
        const tokens = what === 'refresh' ? side.refreshTokens : side.accessTokens;
        const before = process.cpuUsage();
        const { perSecond, tokens: next } = await send({ url: side.url, clientId, what, tokens, requestsPerToken });
        const { user, system } = process.cpuUsage(before);
        processorUs[side === ours ? 'ours' : 'bare'] += (user + system) / (tokens.length * requestsPerToken * rounds);
        tokens.splice(0, tokens.length, ...next);
        return perSecond;
      };
      for (let warm = 0; warm < warmUps; warm += 1) {
        await ask(ours);
        await ask(bare);
      }
      Object.assign(processorUs, { ours: 0, bare: 0 });
      const rates = await inTurns(rounds, () => ask(ours), () => ask(bare));
      measurements.push({ what: `OAuth ${what}, ${inFlight} in flight`, ratio: rates.ours / rates.floor, atLeast: 0.7, detail: `${rates.ours.toFixed(0)}/s in the database, ${rates.floor.toFixed(0)}/s by oidc-provider in memory; ${processorUs.ours.toFixed(0)} and ${processorUs.bare.toFixed(0)} us of processor time each, the client's share in both` });
    }
    return measurements;
  } finally {
    await thread.terminate();
    await ours.close();
    await bare.close();
  }
}
