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

const oauthRefusal: Node = { type: 'object', required: ['error'], properties: { error: { type: 'string' }, error_description: { type: 'string' } } };

const tooMany = (operation: Operation): Node => ({
  description: 'Too many requests (specification section 11.4)',
  headers: { ...limitHeaders, 'Retry-After': integer('Seconds to wait') },
  content: operation.servedBy === 'oauth' || operation.path.startsWith('/oauth2/') ? { 'application/json': { schema: oauthRefusal }, 'text/html': { schema: { type: 'string' } } } : { 'application/json': { schema: { $ref: '#/components/schemas/ErrorEnvelope' } } },
});

const refused = (operation: Operation): Node => ({ 'application/json': { schema: operation.path.startsWith('/oauth2/') ? oauthRefusal : { $ref: '#/components/schemas/ErrorEnvelope' } } });

/** What may be answered by any operation of ours, beside what it says of itself: pages too are then answered for programs. */
function withRefusal(responses: Node, status: string, description: string, operation: Operation): Node {
  const own = responses[status] as Node | undefined;
  if (own === undefined && responses.default !== undefined) return responses;
  return { ...responses, [status]: own === undefined ? { description, content: refused(operation) } : '$ref' in own ? own : { ...own, content: { ...refused(operation), ...(own.content as Node | undefined) } } };
}

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
    node.parameters = [...parameters, { name: 'TMCP-Version', in: 'header', schema: { type: 'string', pattern: '^1(\\.[0-9](\\.[0-9]{1,3})?)?$' }, description: `The version that the client speaks; this server speaks 1.0 to ${protocolVersion}` }];
    node.responses = withRefusal(node.responses as Node, '400', 'A version of the protocol that is not spoken here', operation);
    if (operation.servedBy === 'oauth' && operation.path.includes('{')) node.responses = withRefusal(node.responses as Node, '404', 'No such page', operation);
    if (category !== exempt) node.responses = { ...(node.responses as Node), '429': (node.responses as Node)['429'] ?? tooMany(operation) };
  }
  published.info = { ...(published.info as Node), version };
  published.servers = [{ url: publicUrl }];
  delete published['x-rate-limits'];
  return published;
}
