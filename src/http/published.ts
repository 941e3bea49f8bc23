import type { Contract, Operation } from './contract.ts';
import { exempt, otherwise } from './limits.ts';
import { protocolVersion } from './versions.ts';

type Node = Record<string, unknown>;

const integer = (description: string): Node => ({ description, schema: { type: 'integer', minimum: 0 } });

/** The headers of specification section 11.4.4, as the document describes them. */
const limitHeaders: Node = {
  'X-RateLimit-Limit': integer('Requests in a window'),
  'X-RateLimit-Remaining': integer('What is left of them'),
  'X-RateLimit-Reset': integer('When all are there again, or with 429 the next one: seconds since the epoch'),
  'X-RateLimit-Reset-After': integer('The same in seconds from now'),
  'X-RateLimit-Burst': integer('Requests beyond the limit that may come at once'),
  'X-RateLimit-Burst-Remaining': integer('What is left of them'),
};

const tooMany = (operation: Operation): Node => ({
  description: 'Too many requests (specification section 11.4)',
  headers: { ...limitHeaders, 'Retry-After': integer('Seconds to wait') },
  content: operation.servedBy === 'oauth' || operation.path.startsWith('/oauth2/') ? { 'application/json': { schema: { type: 'object', required: ['error'], properties: { error: { type: 'string' }, error_description: { type: 'string' } } } }, 'text/html': { schema: { type: 'string' } } } : { 'application/json': { schema: { $ref: '#/components/schemas/ErrorEnvelope' } } },
});

/** The document as clients get it: what holds for every operation is written at each, and where this server is. */
export function publishedDocument({ document, operations }: Contract, { publicUrl, version }: { readonly publicUrl: string; readonly version: string }): Node {
  const published = structuredClone(document) as Node;
  const paths = published.paths as Record<string, Record<string, Node>>;
  for (const operation of operations) {
    const node = paths[operation.path]![operation.method]!;
    const category = operation.rateLimit ?? otherwise;
    node['x-rate-limit'] = category;
    if (operation.servedBy === 'appservice') continue;
    const parameters = (node.parameters ?? []) as Node[];
    node.parameters = [...parameters, { name: 'TMCP-Version', in: 'header', schema: { type: 'string' }, description: `The version that the client speaks; this server speaks 1.0 to ${protocolVersion}` }];
    if (category !== exempt) node.responses = { ...(node.responses as Node), '429': (node.responses as Node)['429'] ?? tooMany(operation) };
  }
  published.info = { ...(published.info as Node), version };
  published.servers = [{ url: publicUrl }];
  delete published['x-rate-limits'];
  return published;
}
