import schema from '../../schema/config.json' with { type: 'json' };

type Node = { readonly format?: string; readonly default?: unknown };
const section = schema.properties.rate_limits.properties as unknown as Readonly<Record<string, Node>>;
const rows = Object.entries(section).filter(([, { format }]) => format === 'rate-limit');
const suspensions = Object.entries(section).filter(([name]) => name.startsWith('suspend_after_'));
const variable = (name: string): string => `TMCP_RATE_LIMITS_${name.toUpperCase()}`;

/** The one place where tests are given more requests than people are: what a suite does in seconds, nobody does in hours. */
export const generousLimits: Readonly<Record<string, string>> = { ...Object.fromEntries(rows.map(([name]) => [variable(name), '1000000/1m'])), TMCP_RATE_LIMITS_SUSPEND_AFTER_NEW_TOKENS: '0', TMCP_RATE_LIMITS_SUSPEND_AFTER_INVENTED_IDS: '0' };

/** What the specification says, which is what a server has that is told nothing else. */
export const defaultLimits: Readonly<Record<string, string>> = Object.fromEntries([...rows, ...suspensions].map(([name, node]) => [variable(name), String(node.default)]));
