import type { ConfigFile } from '../generated/config.ts';
import { isCurrency } from '../kernel/money.ts';
import { isLoopbackHost, isLoopbackUrl } from './loopback.ts';
import type { ConfigProblem } from './problems.ts';
import { namespacePattern, readRegistration, type Registration, type RegistrationNamespace, usesDevelopmentTokens } from './registration.ts';

/** What no single key shows. A rule is left out while a key that it needs is wrong. */
interface Rule {
  readonly needs: readonly string[];
  check(config: ConfigFile, isSet: (path: string) => boolean): ConfigProblem[];
}

const addresses = ['server.host', 'server.public_url', 'homeserver.url'] as const;

/** Which of the three addresses of D24 are not loopback. */
function reachable({ server, homeserver }: ConfigFile): string[] {
  const isLoopback = { 'server.host': isLoopbackHost(server.host), 'server.public_url': isLoopbackUrl(server.public_url), 'homeserver.url': isLoopbackUrl(homeserver.url) };
  return addresses.filter((path) => !isLoopback[path]);
}

const notLoopback = (paths: readonly string[]): string => `${paths.join(' and ')} ${paths.length === 1 ? 'is' : 'are'} not loopback`;

/** Whether development mode is on: asked for, and loopback everywhere (D24). */
export const isDevelopment = (config: ConfigFile): boolean => config.security.development && reachable(config).length === 0;

const isPlainAndRemote = (url: string): boolean => URL.parse(url)?.protocol === 'http:' && !isLoopbackUrl(url);

const plainUrl = (key: string, url: string): ConfigProblem => ({ key, problem: `is ${JSON.stringify(url)}, which anyone on the way can read and change`, allowed: 'https://, or http:// on loopback' });

function developmentTokens(config: ConfigFile, registration: Registration): ConfigProblem[] {
  if (!usesDevelopmentTokens(registration) || isDevelopment(config)) return [];
  const exposed = reachable(config);
  const reason = exposed.length > 0 ? notLoopback(exposed) : 'security.development is false';
  return [{ key: 'homeserver.registration', problem: `has the public development tokens, and ${reason} (D24)`, allowed: 'a registration of your own: `tmcp register -u URL`' }];
}

/** The homeserver would refuse what the server does as a bot, or let it act as people. */
function namespaces({ homeserver: { domain }, catalog }: ConfigFile, { namespaces: { users, aliases } }: Registration): ConfigProblem[] {
  const covers = (list: readonly RegistrationNamespace[], id: string): boolean => list.some(({ exclusive, regex }) => exclusive && namespacePattern(regex)?.test(id) === true);
  const needed = [
    ...[`@_tmcp:${domain}`, `@_tmcp_payments:${domain}`, `@ma_example:${domain}`].map((id) => ({ id, list: users })),
    { id: `#${catalog.room_alias_localpart}:${domain}`, list: aliases },
  ];
  const missing = needed.filter(({ id, list }) => !covers(list, id)).map(({ id }) => id);
  const allowed = "exclusive users '@_tmcp.*' and '@ma_.*', exclusive aliases '#_tmcp_.*'";
  const problems = missing.length === 0 ? [] : [{ key: 'homeserver.registration', problem: `its exclusive namespaces leave out ${missing.join(' and ')}`, allowed }];
  // No namespace of ours can need this name; one that has it lets the as_token act as anybody.
  if (users.some(({ regex }) => namespacePattern(regex)?.test(`@someone:${domain}`) === true)) {
    problems.push({ key: 'homeserver.registration', problem: 'its user namespace takes in ordinary users of the homeserver', allowed });
  }
  return problems;
}

const registrationRule: Rule = {
  needs: ['homeserver', 'catalog.room_alias_localpart', 'security.development', 'server.host', 'server.public_url'],
  check: (config) => {
    const { registration, problems } = readRegistration(config.homeserver.registration);
    return registration === undefined ? [...problems] : [...developmentTokens(config, registration), ...namespaces(config, registration)];
  },
};

const rules: readonly Rule[] = [
  {
    needs: ['server.public_url'],
    check: ({ server }) => (isPlainAndRemote(server.public_url) ? [plainUrl('server.public_url', server.public_url)] : []),
  },
  {
    needs: ['mas'],
    check: ({ mas }) => (mas !== undefined && isPlainAndRemote(mas.issuer) ? [plainUrl('mas.issuer', mas.issuer)] : []),
  },
  {
    needs: ['bundles'],
    check: ({ bundles }) => (bundles.store === 's3' && bundles.s3 === undefined ? [{ key: 'bundles.s3', problem: 'is not set, and bundles.store is s3', allowed: 'the bucket, with an access key' }] : []),
  },
  {
    needs: ['wallet'],
    check: ({ wallet }) =>
      wallet.adapter === 'remote' && wallet.remote === undefined
        ? [{ key: 'wallet.remote', problem: 'is missing, and wallet.adapter is remote', allowed: 'wallet.remote.url and wallet.remote.api_key' }]
        : [],
  },
  {
    needs: ['wallet'],
    check: ({ wallet }) => (wallet.remote !== undefined && isPlainAndRemote(wallet.remote.url) ? [plainUrl('wallet.remote.url', wallet.remote.url)] : []),
  },
  {
    needs: ['wallet.default_currency'],
    check: ({ wallet }) =>
      isCurrency(wallet.default_currency)
        ? []
        : [{ key: 'wallet.default_currency', problem: `is ${JSON.stringify(wallet.default_currency)}, which is no currency`, allowed: 'an ISO 4217 code with a minor unit, such as USD' }],
  },
  {
    needs: ['server.port', 'metrics.port', 'metrics.enabled'],
    check: ({ server, metrics }) =>
      metrics.enabled && metrics.port === server.port && metrics.port !== 0
        ? [{ key: 'metrics.port', problem: `is ${metrics.port}, like server.port`, allowed: 'another port: metrics are not for the public' }]
        : [],
  },
  {
    needs: ['security.key_ring_text', 'security.key_ring_command'],
    check: ({ security }) =>
      security.key_ring_text !== undefined && security.key_ring_command.length > 0
        ? [{ key: 'security.key_ring_command', problem: 'is set, and security.key_ring_text too', allowed: 'one of them' }]
        : [],
  },
  {
    needs: ['security.development', ...addresses],
    check: (config, isSet) => {
      const exposed = reachable(config);
      if (!isSet('security.development') || !config.security.development || exposed.length === 0) return [];
      return [{ key: 'security.development', problem: `is true, and ${notLoopback(exposed)} (D24)`, allowed: 'false, or loopback addresses' }];
    },
  },
];

/** Problems between keys, and of the registration file unless `ignoreRegistration`. */
export function checkRules(config: ConfigFile, wrong: ReadonlySet<string>, isSet: (path: string) => boolean, ignoreRegistration: boolean): ConfigProblem[] {
  const isWrong = (need: string): boolean => [...wrong].some((path) => path === need || path.startsWith(`${need}.`));
  const checked = ignoreRegistration ? rules : [...rules, registrationRule];
  return checked.filter(({ needs }) => !needs.some(isWrong)).flatMap((rule) => rule.check(config, isSet));
}
