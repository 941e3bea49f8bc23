import { createRequire } from 'node:module';
import { connect } from 'node:net';
import type * as BridgeLibrary from 'matrix-appservice-bridge';
import type { Bridge, Intent, MatrixHostResolver } from 'matrix-appservice-bridge';
import type { UserId } from '../kernel/ids.ts';
import { traceHeaders } from '../kernel/trace.ts';
import { HomeserverError, HomeserverUnreachable, type Homeserver, type HomeserverRequest, type HttpMethod } from './homeserver.ts';

/** What of the registration file the library needs. */
export interface BridgeOptions {
  readonly homeserverUrl: string;
  readonly domain: string;
  readonly registration: { readonly id: string; readonly url: string; readonly as_token: string; readonly hs_token: string; readonly sender_localpart: string };
  readonly requestTimeoutMs: number;
}

let isPassingTracesOn = false;

/** Loaded when it is first needed: it is a third of what the start takes and of the memory, and without a homeserver there is no use for it. */
async function library(): Promise<typeof BridgeLibrary> {
  const loaded = await import('matrix-appservice-bridge');
  // Its log lines contain addresses and bodies; ours say what matters.
  loaded.Logger.configure({ console: 'off' });
  if (!isPassingTracesOn) passTracesOn();
  isPassingTracesOn = true;
  return loaded;
}

interface RequestSwitch {
  readonly getRequestFn: () => (params: { headers?: object }, done: unknown) => unknown;
  readonly setRequestFn: (send: (params: { headers?: object }, done: unknown) => unknown) => void;
}

/** Every request to the homeserver goes on with the trace that it is made in. It is the library's own copy of the SDK that makes them. */
function passTracesOn(): void {
  const ofLibrary = createRequire(import.meta.resolve('matrix-appservice-bridge'));
  const { getRequestFn, setRequestFn } = ofLibrary('@vector-im/matrix-bot-sdk') as RequestSwitch;
  const send = getRequestFn();
  setRequestFn((params, done) => send({ ...params, headers: { ...params.headers, ...traceHeaders() } }, done));
}

/** Resolves once something listens at the address; rejects with the socket's error. */
const reach = (url: string, timeoutMs: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const { hostname, port, protocol } = new URL(url);
    const socket = connect({ host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port || (protocol === 'https:' ? 443 : 80)), timeout: timeoutMs });
    socket.once('connect', () => {
      socket.destroy();
      resolve();
    });
    socket.once('timeout', () => socket.destroy(Object.assign(new Error('connecting took too long'), { code: 'ETIMEDOUT' })));
    socket.once('error', reject);
  });

/** The statuses with which a proxy or a homeserver says that it can't work just now. */
const passing = new Set([408, 500, 502, 503, 504]);

/** The library throws its own error class, a bare response, or a socket error: one of our two classes instead. */
function translate(error: unknown): HomeserverError | HomeserverUnreachable {
  const { statusCode, errcode, retryAfterMs, body } = (error ?? {}) as { statusCode?: number; errcode?: string; retryAfterMs?: number; body?: { error?: string } };
  if (statusCode === undefined) return new HomeserverUnreachable((error as { code?: string } | undefined)?.code ?? String(error));
  if (errcode === 'M_UNKNOWN_TOKEN' || errcode === 'M_MISSING_TOKEN') return new HomeserverUnreachable('the homeserver does not know our as_token: is the registration file installed there?');
  if (passing.has(statusCode)) return new HomeserverUnreachable(`the homeserver answered ${statusCode}`);
  // Something in between answered, not the homeserver: that says nothing about the request.
  if (errcode === undefined) return new HomeserverUnreachable(`an answer of ${statusCode} without a Matrix error: is homeserver.url right?`);
  return new HomeserverError(statusCode, errcode, body?.error ?? '', retryAfterMs);
}

/** Used for the library's knowledge of virtual users, memberships and server discovery; receiving is our own (src/matrix/receiver.ts). */
export class BridgeHomeserver implements Homeserver {
  readonly #options: BridgeOptions;
  #ready: Promise<Bridge> | undefined;

  constructor(options: BridgeOptions) {
    this.#options = options;
  }

  async request<T>(method: HttpMethod, path: string, options: HomeserverRequest = {}): Promise<T> {
    return this.#try(async (bridge) => {
      const client = this.#intent(bridge, options.as).matrixClient;
      return (await client.doRequest(method, path, options.query === undefined ? null : { ...options.query }, options.body ?? null, options.timeoutMs ?? this.#options.requestTimeoutMs)) as T;
    });
  }

  async ensureRegistered(userId: UserId): Promise<void> {
    await this.#try(async (bridge) => {
      const intent = this.#intent(bridge, userId);
      // The library takes its bot for registered; a new homeserver knows no such user yet.
      await intent.ensureRegistered(userId === bridge.botUserId);
    });
  }

  async ensureJoined(roomId: string, userId: UserId): Promise<void> {
    await this.#try(async (bridge) => {
      await this.#intent(bridge, userId).join(roomId);
    });
  }

  async close(): Promise<void> {
    const bridge = await this.#ready?.catch(() => undefined);
    await bridge?.close();
  }

  #intent(bridge: Bridge, userId: UserId | undefined): Intent {
    return bridge.getIntent(userId);
  }

  async #try<T>(work: (bridge: Bridge) => Promise<T>): Promise<T> {
    try {
      return await work(await this.#bridge());
    } catch (error) {
      throw translate(error);
    }
  }

  /** The library asks the homeserver for its versions when it starts; until that works, each use tries again. */
  #bridge(): Promise<Bridge> {
    this.#ready ??= this.#start().catch((error: unknown) => {
      this.#ready = undefined;
      throw error;
    });
    return this.#ready;
  }

  async #start(): Promise<Bridge> {
    const { registration, homeserverUrl, domain, requestTimeoutMs } = this.#options;
    await reach(homeserverUrl, requestTimeoutMs);
    const { AppServiceRegistration, Bridge } = await library();
    const parsed = AppServiceRegistration.fromObject({ ...registration, namespaces: {}, rate_limited: false });
    if (parsed === null) throw new Error('the registration is not usable');
    const bridge = new Bridge({
      homeserverUrl,
      domain,
      registration: parsed,
      disableStores: true,
      disableContext: true,
      intentOptions: { clients: { enablePresence: false }, bot: { enablePresence: false } },
      controller: { onEvent: () => {} },
    });
    await bridge.initialise();
    return bridge;
  }
}

export interface RegistrationAnswers {
  readonly id: string;
  readonly url: string;
  readonly senderLocalpart: string;
  readonly domainPattern: string;
  readonly asToken?: string;
  readonly hsToken?: string;
}

/** A registration as the library writes it, with the keys that it would drop put back. Tokens are made unless they are given. */
export async function buildRegistration(answers: RegistrationAnswers): Promise<Record<string, unknown>> {
  const { AppServiceRegistration } = await library();
  const registration = new AppServiceRegistration(answers.url);
  registration.setId(answers.id);
  registration.setAppServiceToken(answers.asToken ?? AppServiceRegistration.generateToken());
  registration.setHomeserverToken(answers.hsToken ?? AppServiceRegistration.generateToken());
  registration.setSenderLocalpart(answers.senderLocalpart);
  registration.setRateLimited(false);
  registration.setProtocols(['tween']);
  registration.addRegexPattern('users', `@_tmcp.*:${answers.domainPattern}`, true);
  registration.addRegexPattern('users', `@ma_.*:${answers.domainPattern}`, true);
  registration.addRegexPattern('aliases', `#_tmcp_.*:${answers.domainPattern}`, true);
  return { ...registration.getOutput(), receive_ephemeral: true, 'io.element.msc4190': true };
}

let resolver: MatrixHostResolver | undefined;

/** Server discovery of the Matrix specification, for servers other than our own. */
export async function resolveServer(serverName: string): Promise<{ host: string; port: number; hostHeader: string }> {
  resolver ??= new (await library()).MatrixHostResolver();
  const { url, hostHeader } = await resolver.resolveMatrixServer(serverName);
  return { host: url.hostname, port: Number(url.port || 443), hostHeader };
}

