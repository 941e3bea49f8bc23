import { readdirSync, readFileSync } from 'node:fs';
import { answer, JsonText, publishedDocument, TextStream, type ApiAnswer, type Contract, type Routes } from '../http/index.ts';
import { AppError } from '../kernel/errors.ts';
import { stringify } from 'yaml';
import { pageHeaders, referencePage, type OperationModel, type ReferenceModel } from '../web/pages.ts';

type Node = Readonly<Record<string, unknown>>;

interface DocumentOperation {
  readonly operationId: string;
  readonly summary?: string;
  readonly deprecated?: boolean;
  readonly tags?: readonly string[];
  readonly parameters?: readonly Node[];
  readonly requestBody?: { readonly content?: Readonly<Record<string, { readonly schema?: Node }>> };
  readonly responses: Readonly<Record<string, Node>>;
  readonly security?: readonly Readonly<Record<string, readonly string[]>>[];
  readonly 'x-rate-limit'?: string;
}

interface Document {
  readonly info: { readonly title: string; readonly description?: string; readonly version: string };
  readonly tags?: readonly { readonly name: string; readonly description?: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, DocumentOperation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Node>> };
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
/** Names of schemas instead of pointers to them. */
const schemaText = (schema: unknown): string => stringify(schema, { aliasDuplicateObjects: false, lineWidth: 100 }).replaceAll('#/components/schemas/', '').trim();
const bodyText = (content: DocumentOperation['requestBody'] | Node): string | undefined => {
  const schema = (content as DocumentOperation['requestBody'])?.content?.['application/json']?.schema ?? Object.values((content as DocumentOperation['requestBody'])?.content ?? {})[0]?.schema;
  return schema === undefined ? undefined : schemaText(schema);
};

function modelOf(document: Document): ReferenceModel {
  const resolve = (node: Node): Node => (typeof node.$ref === 'string' ? (node.$ref.slice(2).split('/').reduce<unknown>((at, key) => (at as Node)[key], document) as Node) : node);
  const accessOf = ({ security = [] }: DocumentOperation): string => {
    const ways = security.map((way) => Object.entries(way).map(([scheme, scopes]) => [scheme, ...scopes].join(' ')).join(' and ') || 'nobody');
    return ways.length === 0 ? 'Open to everybody' : `Who calls: ${ways.join(', or ')}`;
  };
  const operations = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).filter(([, value]) => 'operationId' in value).map(([method, operation]) => {
      const model: OperationModel = {
        id: operation.operationId,
        method: method.toUpperCase(),
        path,
        summary: operation.summary ?? '',
        deprecated: operation.deprecated === true,
        access: accessOf(operation),
        limit: operation['x-rate-limit'] ?? 'exempt',
        parameters: [...((item as { readonly parameters?: readonly Node[] }).parameters ?? []), ...(operation.parameters ?? [])].map(resolve).map((one) => ({ name: text(one.name), place: text(one.in), required: one.required === true, type: schemaText(one.schema), description: text(one.description) })),
        body: bodyText(operation.requestBody),
        responses: Object.entries(operation.responses).map(([status, response]) => ({ status, description: text(resolve(response).description), body: bodyText(resolve(response)) })),
      };
      return { tag: operation.tags?.[0] ?? '', model };
    }),
  );
  const described = document.tags ?? [];
  const others = [...new Set(operations.map(({ tag }) => tag))].filter((tag) => !described.some(({ name }) => name === tag)).map((name) => ({ name, description: '' }));
  const sections = [...described, ...others].map(({ name, description }) => ({ name, description: description ?? '', operations: operations.filter(({ tag }) => tag === name).map(({ model }) => model) }));
  const schemas = Object.entries(document.components.schemas).map(([name, schema]) => ({ name, text: schemaText(schema) }));
  return { title: document.info.title, description: document.info.description ?? '', version: document.info.version, sections, schemas };
}

const readOnce = (make: () => string): (() => string) => {
  let made: string | undefined;
  return () => (made ??= make());
};

async function* once(part: string): AsyncGenerator<string> {
  yield part;
}

/** Everybody may read it, and keep it for a while. */
const readable = { 'Cache-Control': 'public, max-age=300' };
const named = (files: ReadonlyMap<string, URL>, name: unknown): URL => {
  const file = files.get(String(name));
  if (file === undefined) throw new AppError('NOT_FOUND', 'No such schema');
  return file;
};
const filesIn = (folder: URL): ReadonlyMap<string, URL> => new Map(readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile()).map(({ name }) => [name, new URL(name, folder)]));

function sendFile(file: URL): ApiAnswer {
  const content = readFileSync(file, 'utf8');
  return file.pathname.endsWith('.json') ? answer(new JsonText(content), 200, readable) : answer(new TextStream('application/yaml', once(content)), 200, readable);
}

/** The contract, for programs and for people. Made when it is first asked for. */
export function referenceRoutes({ contract, schemaFolder, publicUrl, version }: { readonly contract: Contract; readonly schemaFolder: URL; readonly publicUrl: string; readonly version: string }): Routes {
  const published = readOnce(() => JSON.stringify(publishedDocument(contract, { publicUrl, version })));
  const page = readOnce(() => referencePage(modelOf(JSON.parse(published()) as Document)));
  const schemas = filesIn(schemaFolder);
  const events = filesIn(new URL('events/', schemaFolder));
  return {
    getOpenApi: () => answer(new JsonText(published()), 200, readable),
    showReference: () => answer(new TextStream('text/html', once(page())), 200, pageHeaders({ formActions: [] })),
    getSchema: ({ path }) => sendFile(named(schemas, path.file)),
    getEventSchema: ({ path }) => sendFile(named(events, path.file)),
  };
}
