import type { IncomingMessage, ServerResponse } from 'node:http';
import { donePage, pageHeaders } from '../../src/web/pages.ts';
import { startServer, type TestServer } from '../support/http-server.ts';

export interface PostedForm {
  readonly fields: readonly (readonly [string, string])[];
  readonly origin: string | undefined;
}

export interface PageSite extends TestServer {
  /** Documents by their path. */
  readonly pages: Map<string, string>;
  readonly posts: PostedForm[];
  /** Paths asked for with GET, and the referrer that came along. */
  readonly visits: { path: string; referrer: string | undefined }[];
  /** Where posted forms are redirected to; without it they are answered with a page. */
  redirectTo: string | undefined;
  formActions: string[];
}

async function readForm(req: IncomingMessage): Promise<PostedForm> {
  let text = '';
  for await (const chunk of req.setEncoding('utf8') as AsyncIterable<string>) text += chunk;
  return { fields: [...new URLSearchParams(text)], origin: req.headers.origin };
}

/** Serves pages with their headers, and remembers what is posted. */
export async function startPageSite(): Promise<PageSite> {
  const site = { pages: new Map<string, string>(), posts: [] as PostedForm[], visits: [] as PageSite['visits'], redirectTo: undefined as string | undefined, formActions: [] as string[] };
  const answer = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const headers = pageHeaders({ formActions: site.formActions });
    if (req.method === 'POST') {
      site.posts.push(await readForm(req));
      if (site.redirectTo === undefined) res.writeHead(200, headers).end(donePage({ title: 'Posted', message: 'Thank you.' }));
      else res.writeHead(303, { location: site.redirectTo }).end();
      return;
    }
    const path = req.url ?? '/';
    site.visits.push({ path, referrer: req.headers.referer });
    const page = site.pages.get(path);
    if (page === undefined) res.writeHead(404).end();
    else res.writeHead(200, headers).end(page);
  };
  const server = await startServer((req, res) => void answer(req, res));
  return Object.assign(site, server);
}
