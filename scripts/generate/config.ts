import { compile } from 'json-schema-to-typescript';
import { stringify } from 'yaml';
import { allowedBy, listSettings, type SchemaNode, variableOf } from '../../src/config/schema.ts';

const source = 'schema/config.json';
const parse = (text: string): SchemaNode => JSON.parse(text) as SchemaNode;
const entries = (node: SchemaNode): [string, SchemaNode][] => Object.entries(node.properties ?? {});

/** What has a default may be left out of the file, and is there once it is loaded: the type says the latter. */
function withDefaultsRequired(node: SchemaNode): SchemaNode {
  if (node.type !== 'object') return node;
  const properties = Object.fromEntries(entries(node).map(([name, child]) => [name, withDefaultsRequired(child)]));
  const defaulted = entries(node).filter(([, child]) => child.default !== undefined);
  return { ...node, properties, required: [...new Set([...(node.required ?? []), ...defaulted.map(([name]) => name)])] };
}

/** The TypeScript type of a loaded configuration. */
export async function renderConfigTypes(text: string): Promise<string> {
  const { title: _title, ...schema } = withDefaultsRequired(parse(text)) as SchemaNode & { readonly title?: string };
  return compile(schema as Parameters<typeof compile>[0], 'ConfigFile', {
    bannerComment: `// Generated from ${source} by \`npm run generate\`. Do not edit.`,
    ignoreMinAndMaxItems: true,
    style: { singleQuote: true, printWidth: 160 },
  });
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length + 1 > width) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}

/** One `key: value` of YAML; lists in one line, as they are short. */
const assignment = (name: string, value: unknown): string => stringify({ [name]: value }, { lineWidth: 0, collectionStyle: 'any', flowCollectionPadding: false }).trimEnd();
const flowAssignment = (name: string, value: unknown): string => (Array.isArray(value) ? `${name}: [${value.map((item) => stringify(item).trimEnd()).join(', ')}]` : assignment(name, value));

function sampleOfSetting(name: string, node: SchemaNode, path: string, indent: string, isOff: boolean): string[] {
  const comments = [
    node.description ?? '',
    `Allowed: ${allowedBy(node)}. ${node.default === undefined ? 'No default.' : `Default: ${JSON.stringify(node.default)}.`}`,
    `Environment: ${variableOf(path)}${node['x-secret'] === true ? `, or ${variableOf(path)}_FILE` : ''}`,
  ];
  const isUnset = isOff || node.default === undefined;
  return [
    ...comments.flatMap((comment) => wrap(comment, 116 - indent.length)).map((line) => `${indent}# ${line}`),
    `${indent}${isUnset ? '#' : ''}${flowAssignment(name, node.default ?? node.examples?.[0] ?? '')}`,
  ];
}

/** A section without a default is optional: its name is commented out with it. */
function sampleOfSection(name: string, node: SchemaNode, path: string, indent: string, isOff: boolean): string[] {
  const isUnset = isOff || node.default === undefined;
  const inner = `${indent}  `;
  const keys = entries(node).flatMap(([key, child]) => sampleOf(key, child, `${path}.${key}`, inner, isUnset));
  return ['', ...wrap(node.description ?? '', 116 - indent.length).map((line) => `${indent}# ${line}`), `${indent}${isUnset ? '#' : ''}${name}:`, ...keys];
}

const sampleOf = (name: string, node: SchemaNode, path: string, indent: string, isOff: boolean): string[] =>
  (node.type === 'object' ? sampleOfSection : sampleOfSetting)(name, node, path, indent, isOff);

/** Every key with its default; what has none is commented out. */
export function renderConfigSample(text: string): string {
  const lines = [
    `# Generated from ${source} by \`npm run generate\`: every key with its default.`,
    '# Copy it, keep what you change, and start the server with -c FILE or TMCP_CONFIG=FILE.',
    '# The environment goes before this file; docs/configuration.md has the rules.',
    ...entries(parse(text)).flatMap(([name, node]) => sampleOf(name, node, name, '', false)),
  ];
  return `${lines.join('\n')}\n`;
}

const introduction = `# Configuration

<!-- Generated from ${source} by \`npm run generate\`. Do not edit. -->

The server runs without any configuration. What you want otherwise goes into one YAML file (\`-c FILE\` or \`TMCP_CONFIG=FILE\`), into the
environment, or both; \`config/config.sample.yaml\` has every key.

- Defaults come first, the file goes before them, the environment before the file. A key without a value in the file is not set.
- The variable of a key is \`TMCP_\` and its path in capitals, joined by \`_\`: \`server.public_url\` is \`TMCP_SERVER_PUBLIC_URL\`.
  Lists are separated by commas there, and an empty variable is an empty list; truth values are \`true\` and \`false\`.
- A secret (marked *secret*) may be in a file of its own, named by the variable with \`_FILE\` at its end: \`TMCP_MAS_CLIENT_SECRET_FILE\`.
  A line break at its end is left out. Setting both variables is an error.
- Relative paths start in the working directory. \`registration.yaml\` and \`config/preinstalled_apps.json\` are, when not found there, those that come with the server.
- An unknown key or variable, a wrong value, or keys that do not go together stop the start with one line for each: the key, what is wrong, what is allowed.
  Variables that start with \`TMCP_TEST_\` are left alone.
- "D11" and the like are the decisions, and "section 4.3" the sections of the TMCP specification, that a key stands for.

Without a file of its own the server uses the registration that comes with it. The tokens in that are public, so they are refused unless
\`server.host\`, \`server.public_url\` and \`homeserver.url\` are all on loopback.
`;

const cell = (text: string): string => text.replaceAll('|', '\\|');

function documentSection(name: string, section: SchemaNode): string {
  const rows = listSettings(section, name).map(({ path, variable, node, isSecret }) => {
    const value = node.default === undefined ? '' : `\`${JSON.stringify(node.default)}\``;
    return `| \`${path}\` | \`${variable}\` | ${cell(value)} | ${cell(`${isSecret ? '*secret* ' : ''}${node.description ?? ''}`)} Allowed: ${cell(allowedBy(node))}. |`;
  });
  return [`## ${name}`, '', section.description ?? '', '', '| Key | Environment | Default | What it is |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

/** The reference for administrators. */
export function renderConfigDocumentation(text: string): string {
  return `${[introduction, ...entries(parse(text)).map(([name, section]) => documentSection(name, section))].join('\n\n').replaceAll(/\n{3,}/g, '\n\n')}\n`;
}
