import schema from '../../schema/config.json' with { type: 'json' };

/** The part of JSON Schema that schema/config.json is written in. */
export interface SchemaNode {
  readonly description?: string;
  readonly type: 'object' | 'array' | 'string' | 'integer' | 'boolean';
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
  readonly items?: SchemaNode;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly examples?: readonly unknown[];
  readonly 'x-secret'?: boolean;
  readonly 'x-path'?: 'local' | 'shipped';
  readonly 'x-allowed'?: string;
}

/** One key that can be set. */
export interface Setting {
  /** As in the file, for example `server.public_url`. */
  readonly path: string;
  /** As in the environment, for example `TMCP_SERVER_PUBLIC_URL`. */
  readonly variable: string;
  readonly node: SchemaNode;
  readonly isSecret: boolean;
}

export const configSchema = schema as unknown as SchemaNode;

/** The environment variable of a key. */
export const variableOf = (path: string): string => `TMCP_${path.toUpperCase().replaceAll('.', '_')}`;

const childPath = (parent: string, name: string): string => (parent === '' ? name : `${parent}.${name}`);

/** All settings below a section, in the order of the schema. */
export function listSettings(section: SchemaNode, path = ''): Setting[] {
  return Object.entries(section.properties ?? {}).flatMap(([name, node]) => {
    const here = childPath(path, name);
    if (node.type === 'object') return listSettings(node, here);
    return [{ path: here, variable: variableOf(here), node, isSecret: node['x-secret'] === true }];
  });
}

export const settings: readonly Setting[] = listSettings(configSchema);

/** Paths of all sections, in the order of the schema. */
export function listSections(section: SchemaNode, path = ''): string[] {
  return Object.entries(section.properties ?? {}).flatMap(([name, node]) =>
    node.type === 'object' ? [childPath(path, name), ...listSections(node, childPath(path, name))] : [],
  );
}

function allowedInteger({ minimum, maximum }: SchemaNode): string {
  if (minimum === undefined) return maximum === undefined ? 'an integer' : `an integer up to ${maximum}`;
  return maximum === undefined ? `an integer from ${minimum} on` : `an integer from ${minimum} to ${maximum}`;
}

/** What a value may be, in words: for error messages and documentation. */
export function allowedBy(node: SchemaNode): string {
  if (node['x-allowed'] !== undefined) return node['x-allowed'];
  if (node.enum !== undefined) return node.enum.join(' | ');
  switch (node.type) {
    case 'object':
      return `a section with ${Object.keys(node.properties ?? {}).join(', ')}`;
    case 'array':
      return `a list${node.minItems === undefined ? '' : ` of ${node.minItems} or more`}, without repeats, of ${node.items === undefined ? 'anything' : allowedBy(node.items)}`;
    case 'integer':
      return allowedInteger(node);
    case 'boolean':
      return 'true or false';
    case 'string':
      return node['x-path'] === undefined ? 'a text that is not empty' : 'a path';
  }
}
