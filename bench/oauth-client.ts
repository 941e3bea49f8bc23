import { Agent, request } from 'node:http';
import { parentPort } from 'node:worker_threads';

/** Each token is one client that asks again and again; refreshed tokens replace those that were spent. */
export interface OAuthOrder {
  readonly url: string;
  readonly clientId: string;
  readonly what: 'refresh' | 'introspect';
  readonly tokens: readonly string[];
  readonly requestsPerToken: number;
}

export interface OAuthOutcome {
  readonly perSecond: number;
  readonly tokens: readonly string[];
}

function post(agent: Agent, url: string, form: Record<string, string>): Promise<Record<string, unknown>> {
  const body = new URLSearchParams(form).toString();
  return new Promise((resolve, reject) => {
    const req = request(url, { agent, method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded', 'content-length': body.length } }, (res) => {
      let text = '';
      res.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      res.on('end', () => (res.statusCode === 200 ? resolve(JSON.parse(text) as Record<string, unknown>) : reject(new Error(`${res.statusCode} ${text}`))));
    });
    req.on('error', reject);
    req.end(body);
  });
}

async function run({ url, clientId, what, tokens, requestsPerToken }: OAuthOrder): Promise<OAuthOutcome> {
  const agent = new Agent({ keepAlive: true, maxSockets: tokens.length });
  const start = performance.now();
  const last = await Promise.all(
    tokens.map(async (first) => {
      let token = first;
      for (let n = 0; n < requestsPerToken; n += 1) {
        if (what === 'refresh') {
          token = (await post(agent, `${url}/oauth2/token`, { grant_type: 'refresh_token', refresh_token: token, client_id: clientId })).refresh_token as string;
        } else if ((await post(agent, `${url}/oauth2/introspect`, { token, client_id: clientId })).active !== true) throw new Error(`not active at ${url}`);
      }
      return token;
    }),
  );
  const seconds = (performance.now() - start) / 1000;
  agent.destroy();
  return { perSecond: (tokens.length * requestsPerToken) / seconds, tokens: last };
}

parentPort?.on('message', (order: OAuthOrder) => void run(order).then((outcome) => parentPort?.postMessage(outcome)));
