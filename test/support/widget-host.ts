import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { createRequire } from 'node:module';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { temporaryDirectory } from './temporary.ts';

/** The library with which Element Web hosts widgets, and widgets speak to it; as a script it is the global `mxwidgets` (the minified one exports nothing). */
const library = readFileSync(createRequire(import.meta.url).resolve('matrix-widget-api/dist/api.js'));

/** A site of its own origin, over TLS: `*.localhost` is this machine to Chromium. */
export interface Site {
  readonly origin: string;
  close(): Promise<void>;
}

type Handler = (req: IncomingMessage, res: ServerResponse) => void | Promise<void>;

/** Serves `/mxwidgets.js` and what `handle` serves, at `NAME.localhost`. Its certificate is nobody's: contexts must ignore that. */
export async function startSite(name: string, handle: Handler): Promise<Site> {
  const folder = temporaryDirectory('site');
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', `/CN=${name}.localhost`, '-keyout', key, '-out', cert], { stdio: 'ignore' });
  const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (req, res) => {
    if (req.url === '/mxwidgets.js') res.writeHead(200, { 'content-type': 'text/javascript' }).end(library);
    else void handle(req, res);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `https://${name}.localhost:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export const html = (res: ServerResponse, body: string, policy: string): void => void res.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy }).end(`<!doctype html><meta charset="utf-8"><title>x</title><body>${body}`);

/**
 * What Element Web does with the widgets of a room: reads their state events, takes the sender and the state key for creator and id,
 * fills in the address as the library does, adds its two parameters of before, and shows it in a frame with its flags. A person who
 * is asked for their identity says yes, and the homeserver makes the token.
 */
const clientScript = `
const { Widget, ClientWidgetApi, WidgetDriver, OpenIDRequestState } = mxwidgets;
globalThis.log = [];
async function openWidgets({ homeserver, accessToken, userId, deviceId, roomId }) {
  const api = (method, path, body) => fetch(homeserver + '/_matrix/client/v3' + path, { method, headers: { authorization: 'Bearer ' + accessToken }, body }).then((answer) => answer.json());
  class Driver extends WidgetDriver {
    constructor() { super(); }
    async validateCapabilities(requested) { log.push('asked for ' + [...requested].join(' ')); return new Set(); }
    askOpenID(observer) {
      api('POST', '/user/' + encodeURIComponent(userId) + '/openid/request_token', '{}').then((token) => observer.update({ state: OpenIDRequestState.Allowed, token }));
    }
  }
  const events = (await api('GET', '/rooms/' + encodeURIComponent(roomId) + '/state')).filter(({ type, content }) => type === 'im.vector.modular.widgets' && content.type && content.url);
  for (const event of events) {
    const widget = new Widget({ ...event.content, id: event.state_key, creatorUserId: event.sender, name: event.content.name || event.content.type });
    const url = new URL(widget.getCompleteUrl({ widgetRoomId: roomId, currentUserId: userId, clientId: 'io.element.web', clientTheme: 'light', clientLanguage: 'en', deviceId, baseUrl: homeserver }));
    url.searchParams.set('widgetId', widget.id);
    url.searchParams.set('parentUrl', location.href.split('#', 2)[0]);
    const frame = document.createElement('iframe');
    frame.sandbox = 'allow-forms allow-popups allow-popups-to-escape-sandbox allow-same-origin allow-scripts allow-presentation';
    frame.allow = 'microphone; camera; encrypted-media; autoplay; display-capture; clipboard-write; clipboard-read;';
    frame.title = widget.title;
    frame.name = widget.id;
    frame.src = url.toString().replace(/%24/g, '$');
    document.body.append(frame);
    const messaging = new ClientWidgetApi(widget, frame, new Driver());
    messaging.on('ready', () => log.push('ready ' + widget.id));
  }
  return events.length;
}`;

/** A client that shows widgets, at an origin of its own. Its page has `openWidgets` and `log`. */
export const startWidgetClient = (): Promise<Site> =>
  startSite('element', (req, res) => {
    if (req.url === '/client.js') res.writeHead(200, { 'content-type': 'text/javascript' }).end(clientScript);
    else html(res, '<script src="/mxwidgets.js"></script><script src="/client.js"></script>', "default-src 'self'; connect-src http: https:; frame-src https: http:");
  });
