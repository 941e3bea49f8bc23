import {
  consentPage,
  deviceCodePage,
  deviceConfirmPage,
  developerPage,
  donePage,
  errorPage,
  sessionsPage,
  signInPage,
  type AppModel,
  type AskedScope,
  type ConsentModel,
  type DeviceConfirmModel,
  type GrantedScope,
  type SessionsModel,
  type SignInModel,
} from '../../src/web/pages.ts';

const form = { csrfToken: 'csrf-1', action: '/posted' };
const shop: AppModel = { name: 'Corner Shop', developerName: 'Fresh Market Ltd', verified: true, official: false };
const userId = '@alice:example.org';

export const askedScopes: readonly AskedScope[] = [
  { scope: 'user:read', description: 'See your name and picture', sensitivity: 'low', required: true },
  { scope: 'wallet:balance', description: 'See how much money you have', sensitivity: 'high', required: false },
  { scope: 'webhook:send', description: 'Be told about events that concern you', sensitivity: 'medium', required: false },
  { scope: 'wallet:pay', description: 'Ask you to confirm payments', sensitivity: 'critical', required: false },
];
const storage: readonly GrantedScope[] = [
  { scope: 'storage:read', description: 'Read what it stored for you' },
  { scope: 'storage:write', description: 'Store its own data for you' },
];

export const consentModel: ConsentModel = { ...form, app: shop, userId, scopes: askedScopes, granted: storage, signOutHref: '/sign-out' };
export const signInModel: SignInModel = {
  ...form,
  clientName: 'Corner Shop',
  homeserver: 'example.org',
  methods: [{ kind: 'redirect', label: 'Continue with Example ID', href: 'https://id.example.org/login?next=%2F' }, { kind: 'password' }],
};
const { methods: _, ...signInBare } = signInModel;
const deviceConfirmModel: DeviceConfirmModel = { ...form, userCode: 'WDJB-MJHT', app: shop, userId, scopes: askedScopes };
export const sessionsModel: SessionsModel = {
  ...form,
  userId,
  notice: 'Ticket Booth no longer has access.',
  sessions: [
    { id: 'ses_1', createdAt: 1_790_000_000_000, lastSeenAt: 1_795_000_000_000, current: true, userAgent: 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0' },
    { id: 'ses_2', createdAt: 1_780_000_000_000, lastSeenAt: 1_794_000_000_000, current: false },
  ],
  grants: [
    { miniappId: 'ma_shop', name: 'Corner Shop', scopes: askedScopes },
    { miniappId: 'ma_news', name: 'News', scopes: storage },
  ],
};

/** A page and a model for it; `show` takes the model changed, as a test likes. */
export interface Sample {
  readonly model: object;
  readonly show: (model: object) => string;
}

const sample = <Model extends object>(page: (model: Model) => string, model: Model): Sample => ({ model, show: (changed) => page(changed as Model) });

/** Every page in every shape. */
export const samples: Readonly<Record<string, Sample>> = {
  consent: sample(consentPage, consentModel),
  'consent-all-required': sample(consentPage, { ...consentModel, scopes: askedScopes.map((asked) => ({ ...asked, required: true })), granted: [] }),
  'consent-official': sample(consentPage, {
    ...consentModel,
    app: { name: 'Wallet', verified: true, official: true },
    scopes: [{ scope: 'wallet:admin', description: 'Administer wallets', sensitivity: 'privileged', required: false }],
  }),
  'consent-unverified': sample(consentPage, { ...consentModel, app: { name: 'A'.repeat(400), iconUrl: 'https://icons.example/a.png', verified: false, official: false }, error: 'Choose again.' }),
  'consent-confirm': sample(consentPage, { ...consentModel, confirm: { pin: true, code: true, isWrong: false } }),
  'consent-confirm-failed': sample(consentPage, { ...consentModel, confirm: { pin: true, code: true, isWrong: true }, error: 'Invalid credentials provided' }),
  'consent-confirm-elsewhere': sample(consentPage, { ...consentModel, confirm: { pin: false, code: false, isWrong: false } }),
  'consent-nothing-new': sample(consentPage, { ...consentModel, scopes: [] }),
  'sign-in': sample(signInPage, signInModel),
  'sign-in-failed': sample(signInPage, { ...signInModel, username: 'alice', error: 'User name or password is wrong.' }),
  'sign-in-redirect': sample(signInPage, { ...signInBare, methods: signInModel.methods.slice(0, 1), error: 'Example ID did not answer.' }),
  'sign-in-nowhere': sample(signInPage, { ...signInBare, methods: [] }),
  'device-code': sample(deviceCodePage, form),
  'device-code-failed': sample(deviceCodePage, { ...form, userCode: 'WDJB-MJHT', error: 'This code is unknown or too old.' }),
  'device-confirm': sample(deviceConfirmPage, deviceConfirmModel),
  'device-confirm-failed': sample(deviceConfirmPage, { ...deviceConfirmModel, confirm: { pin: false, code: true, isWrong: true }, error: 'Invalid credentials provided' }),
  developer: sample(developerPage, { ...form, userId, destination: 'developer.example', signOutHref: '/sign-out' }),
  done: sample(donePage, { title: 'Device connected', message: 'You can close this window.' }),
  error: sample(errorPage, { title: 'This link is no longer valid', message: 'Go back to the app and start again.', code: 'invalid_request', requestId: 'req_1' }),
  sessions: sample(sessionsPage, sessionsModel),
  'sessions-none': sample(sessionsPage, { ...form, userId, sessions: [], grants: [] }),
};

/** Chosen by the server, or one of a few words; never from outside. */
const own = new Set(['action', 'href', 'signOutHref', 'kind', 'sensitivity']);

/** The same model with every string from outside replaced. */
export function replaceStrings<Value>(value: Value, next: (key: string) => string, key = ''): Value {
  if (typeof value === 'string') return (own.has(key) ? value : next(key)) as Value;
  if (Array.isArray(value)) return value.map((item: unknown) => replaceStrings(item, next, key)) as Value;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([field, inner]) => [field, replaceStrings<unknown>(inner, next, field)])) as Value;
}

/** Strings that have opened elements, attributes, scripts or lines before. */
export const hostileStrings: readonly string[] = [
  '<script>globalThis.broken = true</script>',
  '"><img src=x onerror="globalThis.broken = true">',
  "' onmouseover='globalThis.broken = true",
  '" autofocus onfocus="globalThis.broken = true',
  '</title></style></textarea><svg onload=globalThis.broken=true>',
  '</bdi></p></main><h1>Another page</h1>',
  'javascript:globalThis.broken=true',
  'data:text/html,<script>globalThis.broken=true</script>',
  'data:image/svg+xml,<svg onload="globalThis.broken=true"/>',
  '&lt;script&gt; &quot; &#x22; &amp;amp;',
  '<!--', '-->', ']]>', '<![CDATA[', '${globalThis.broken}', '{{broken}}', '`',
  '\u202ereversed\u202c \u2066isolated\u2069 \u2069\u2069 \u200f\u061c',
  '\u0000\u0001\u001b[31m\u007f\u0085\ud800 \udfff',
  'line\r\nline\u2028line\u2029line\ttab',
  'Z\u0335\u0321\u0334'.repeat(400),
  '👨‍👩‍👧‍👦'.repeat(300),
  'W'.repeat(5000),
  '   ', '',
  '__proto__', 'constructor', 'toString',
];
