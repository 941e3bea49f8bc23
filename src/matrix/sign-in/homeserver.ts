import type { Clock } from '../../kernel/clock.ts';
import { errorText } from '../../kernel/errors.ts';
import type { UserId } from '../../kernel/ids.ts';
import type { Log } from '../../kernel/log.ts';
import { boundedRequest, type HttpAnswer, type HttpConnections } from '../../security/http-request.ts';
import { ProofRefused } from '../proof/index.ts';
import { ask, jsonObject, upstreamLimits, type JsonObject } from '../proof/upstream.ts';
import { proveByWhoami, withSlash } from '../proof/whoami.ts';
import type { RedirectReturn, RedirectStart, SignInWay } from './index.ts';

export interface HomeserverLoginOptions {
  readonly url: string;
  /** As browsers reach it. */
  readonly publicUrl: string;
  readonly domain: string;
  readonly connections: HttpConnections;
  readonly clock: Clock;
  readonly log: Log;
}

/** What a homeserver offers changes with its configuration only. */
const flowsCacheMs = 60_000;
const maxProviders = 8;

interface Flow {
  readonly type: string;
  readonly identity_providers?: readonly { readonly id?: unknown; readonly name?: unknown }[];
}

function ssoWays(flow: Flow): SignInWay[] {
  const providers = (Array.isArray(flow.identity_providers) ? flow.identity_providers : []) as readonly { readonly id?: unknown; readonly name?: unknown }[];
  const named = providers.filter((one): one is { id: string; name: string } => typeof one.id === 'string' && typeof one.name === 'string').slice(0, maxProviders);
  if (named.length === 0) return [{ kind: 'sso', label: 'Continue with your homeserver', providerId: undefined }];
  return named.map(({ id, name }) => ({ kind: 'sso', label: `Continue with ${name}`, providerId: id }));
}

/** A password passes through us only where there is no other way: the user's own sign-in page is always better. */
function waysOf(flows: readonly Flow[]): readonly SignInWay[] {
  const sso = flows.find(({ type }) => type === 'm.login.sso');
  if (sso !== undefined) return ssoWays(sso);
  return flows.some(({ type }) => type === 'm.login.password') ? [{ kind: 'password' }] : [];
}

/** Signs in as the homeserver's own clients do (Matrix client-server API, "Login"), and out again at once. */
export function createHomeserverLogin(options: HomeserverLoginOptions) {
  const { domain, connections, clock, log } = options;
  const base = withSlash(options.url);
  let known: { readonly until: number; readonly ways: readonly SignInWay[] } | undefined;
  const post = (path: string, body: object, headers: Readonly<Record<string, string>> = {}): Promise<HttpAnswer> =>
    ask('the homeserver', () => boundedRequest(connections, new URL(path, base), { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body), ...upstreamLimits }));

  const ways = async (): Promise<readonly SignInWay[]> => {
    if (known !== undefined && clock.now() < known.until) return known.ways;
    const answer = jsonObject(await ask('the homeserver', () => boundedRequest(connections, new URL('_matrix/client/v3/login', base), upstreamLimits)), 'the homeserver');
    const flows = (Array.isArray(answer.flows) ? answer.flows : []) as readonly Flow[];
    known = { until: clock.now() + flowsCacheMs, ways: waysOf(flows.filter((flow) => typeof flow.type === 'string')) };
    return known.ways;
  };

  /** Logs in, asks who that is, and ends the device that came with it. */
  const logIn = async (body: JsonObject): Promise<UserId> => {
    const answer = await post('_matrix/client/v3/login', { ...body, initial_device_display_name: 'Sign-in for mini-apps (ends at once)' });
    if (answer.status === 400 || answer.status === 401 || answer.status === 403) throw new ProofRefused('unknown_token');
    const { access_token: accessToken } = jsonObject(answer, 'the homeserver');
    if (typeof accessToken !== 'string') throw new ProofRefused('unknown_token');
    try {
      return (await proveByWhoami({ homeserverUrl: options.url, domain, connections }, accessToken)).userId;
    } finally {
      await post('_matrix/client/v3/logout', {}, { authorization: `Bearer ${accessToken}` }).then(
        ({ status }) => void (status === 200 || log.warn({ status }, 'the device of a sign-in could not be ended')),
        (error: unknown) => log.warn({ error: errorText(error) }, 'the device of a sign-in could not be ended'),
      );
    }
  };

  return {
    ways,
    start({ providerId, state, callback }: RedirectStart): URL {
      const url = new URL(`_matrix/client/v3/login/sso/redirect${providerId === undefined ? '' : `/${encodeURIComponent(providerId)}`}`, withSlash(options.publicUrl));
      url.searchParams.set('redirectUrl', `${callback}?state=${encodeURIComponent(state)}`);
      return url;
    },
    async finish({ query }: RedirectReturn): Promise<UserId> {
      const token = query.get('loginToken');
      if (token === null) throw new ProofRefused('unknown_token');
      return logIn({ type: 'm.login.token', token });
    },
    async withPassword(username: string, password: string, isOnlyWay: boolean): Promise<UserId> {
      if (!isOnlyWay || !(await ways()).some(({ kind }) => kind === 'password')) throw new ProofRefused('client_not_allowed');
      return logIn({ type: 'm.login.password', identifier: { type: 'm.id.user', user: username }, password });
    },
  };
}
