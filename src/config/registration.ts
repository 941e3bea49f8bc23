import { ConfigError, type ConfigProblem } from './problems.ts';
import { readYaml } from './yaml.ts';

/** User ids, aliases or room ids that the homeserver leaves to this application service. */
export interface RegistrationNamespace {
  readonly exclusive: boolean;
  /** As the homeserver reads it: matched from the start of the id, not to its end. */
  readonly regex: string;
}

/** An application service registration (Matrix Application Service API, section "Registration"; TMCP section 3.1.2). */
export interface Registration {
  readonly id: string;
  /** Where the homeserver sends transactions; null for nowhere. */
  readonly url: string | null;
  /** What this server presents to the homeserver. */
  readonly asToken: string;
  /** What the homeserver presents to this server. */
  readonly hsToken: string;
  readonly senderLocalpart: string;
  readonly rateLimited: boolean;
  readonly receiveEphemeral: boolean;
  /** MSC4190: devices without login, for homeservers behind a Matrix Authentication Service. */
  readonly managesDevices: boolean;
  readonly protocols: readonly string[];
  readonly namespaces: { readonly users: readonly RegistrationNamespace[]; readonly aliases: readonly RegistrationNamespace[]; readonly rooms: readonly RegistrationNamespace[] };
}

/** The tokens of the registration.yaml that comes with the server: public, for loopback only (D24). */
export const developmentTokens = {
  asToken: 'development-only-as-token-do-not-use-anywhere-else',
  hsToken: 'development-only-hs-token-do-not-use-anywhere-else',
} as const;

/** Whether either token of a registration is a shipped one, in either place. */
export function usesDevelopmentTokens({ asToken, hsToken }: Pick<Registration, 'asToken' | 'hsToken'>): boolean {
  const shipped: readonly string[] = Object.values(developmentTokens);
  return shipped.includes(asToken) || shipped.includes(hsToken);
}

type Fields = Readonly<Record<string, unknown>>;
const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);
const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
const isFlag = (value: unknown): value is boolean | undefined => value === undefined || typeof value === 'boolean';
const isWebUrl = (value: unknown): value is string => typeof value === 'string' && ['http:', 'https:'].includes(URL.parse(value)?.protocol ?? '');
const isTextList = (value: unknown): value is string[] => Array.isArray(value) && value.every(isText);

/** A namespace as a JavaScript expression; undefined where it is none. */
export function namespacePattern(regex: string): RegExp | undefined {
  try {
    return new RegExp(`^(?:${regex})`);
  } catch {
    return undefined;
  }
}

const isNamespace = (value: unknown): value is RegistrationNamespace =>
  isFields(value) && typeof value.exclusive === 'boolean' && isText(value.regex) && namespacePattern(value.regex) !== undefined;

const isNamespaceList = (value: unknown): value is RegistrationNamespace[] | null | undefined => (value ?? undefined) === undefined || (Array.isArray(value) && value.every(isNamespace));

const isNamespaces = (value: unknown): value is Partial<Registration['namespaces']> =>
  isFields(value) && isNamespaceList(value.users) && isNamespaceList(value.aliases) && isNamespaceList(value.rooms);

/** Sorted as in the file. The value is never repeated: two of the fields are secrets. */
const fieldRules: Readonly<Record<string, { readonly is: (value: unknown) => boolean; readonly allowed: string }>> = {
  id: { is: isText, allowed: 'a text that is not empty' },
  url: { is: (value) => value === null || isWebUrl(value), allowed: 'an http:// or https:// URL, or null' },
  as_token: { is: isText, allowed: 'a secret text' },
  hs_token: { is: isText, allowed: 'a secret text' },
  sender_localpart: { is: (value) => value === '_tmcp', allowed: '_tmcp (D11)' },
  rate_limited: { is: isFlag, allowed: 'true or false' },
  receive_ephemeral: { is: isFlag, allowed: 'true or false' },
  'io.element.msc4190': { is: isFlag, allowed: 'true or false' },
  protocols: { is: (value) => value === undefined || value === null || isTextList(value), allowed: 'a list of texts' },
  namespaces: { is: isNamespaces, allowed: 'users, aliases and rooms, each a list of exclusive (true or false) and regex (a regular expression)' },
};

function problemsOf(fields: Fields): ConfigProblem[] {
  const problems = Object.entries(fieldRules)
    .filter(([field, rule]) => !rule.is(fields[field]))
    .map(([field, { allowed }]) => ({ key: field, problem: `${field} is ${Object.hasOwn(fields, field) ? 'wrong' : 'missing'}`, allowed }));
  if (isText(fields.as_token) && fields.as_token === fields.hs_token) {
    problems.push({ key: 'hs_token', problem: 'as_token and hs_token are the same', allowed: 'two secrets: who holds one must not have the other' });
  }
  return problems;
}

/** Only for fields without problems. */
function registrationFrom(fields: Fields): Registration {
  const namespaces = fields.namespaces as Partial<Registration['namespaces']>;
  return {
    id: fields.id as string,
    url: fields.url as string | null,
    asToken: fields.as_token as string,
    hsToken: fields.hs_token as string,
    senderLocalpart: fields.sender_localpart as string,
    // Matrix specification: the sender is limited unless the file says otherwise.
    rateLimited: fields.rate_limited !== false,
    receiveEphemeral: fields.receive_ephemeral === true,
    managesDevices: fields['io.element.msc4190'] === true,
    protocols: (fields.protocols as string[] | null | undefined) ?? [],
    namespaces: { users: namespaces.users ?? [], aliases: namespaces.aliases ?? [], rooms: namespaces.rooms ?? [] },
  };
}

/** Reads a registration, or says what is wrong with it. Keys that the server does not know are left alone: homeservers add their own. */
export function readRegistration(path: string): { registration: Registration; problems?: undefined } | { registration?: undefined; problems: readonly ConfigProblem[] } {
  const ofFile = (problem: ConfigProblem): ConfigProblem => ({ ...problem, key: 'homeserver.registration', problem: `${path}: ${problem.problem}` });
  const { file, problems: faults } = readYaml(path, path);
  if (file === undefined) return { problems: faults.map(ofFile) };
  if (!isFields(file.value)) return { problems: [ofFile({ key: path, problem: 'is not a registration', allowed: 'the file that `tmcp register` makes' })] };
  const problems = problemsOf(file.value).map(ofFile);
  return problems.length > 0 ? { problems } : { registration: registrationFrom(file.value) };
}

/**
 * Reads and validates a registration file, for example `config.homeserver.registration`.
 * @throws ConfigError when it cannot be read or is not well formed.
 */
export function loadRegistration(path: string): Registration {
  const { registration, problems } = readRegistration(path);
  if (registration === undefined) throw new ConfigError(problems);
  return registration;
}

/**
 * The two tokens of a registration file, whatever else is wrong with it: for making it anew.
 * @throws ConfigError when they cannot be read.
 */
export function readRegistrationTokens(path: string): { readonly asToken: string; readonly hsToken: string } {
  const { file, problems = [] } = readYaml(path, path);
  const { as_token: asToken, hs_token: hsToken } = isFields(file?.value) ? file.value : {};
  if (isText(asToken) && isText(hsToken)) return { asToken, hsToken };
  throw new ConfigError(problems.length > 0 ? problems : [{ key: path, problem: 'as_token or hs_token is missing', allowed: 'two secret texts' }]);
}
