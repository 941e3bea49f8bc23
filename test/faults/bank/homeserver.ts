import type { IncomingMessage } from 'node:http';
import { startServer, type TestServer } from '../../support/http-server.ts';

interface SentEvent {
  readonly event_id: string;
  readonly room_id: string;
  readonly type: string;
  readonly txnId: string;
  readonly content: Record<string, unknown>;
  readonly origin_server_ts: number;
}

/** As much of a homeserver as money needs: who people are, who is in the room, and a room that keeps what it is sent. */
export interface BankHomeserver extends TestServer {
  readonly roomId: string;
  readonly sent: readonly SentEvent[];
  /** As a restart: which transaction ids it has seen is not known any more. */
  forgetTransactions(): void;
}

async function bodyOf(req: IncomingMessage): Promise<Record<string, unknown>> {
  let text = '';
  for await (const chunk of req as AsyncIterable<Buffer>) text += chunk.toString();
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
}

/** `people` are localparts; the Matrix token of one is `syt_` and the localpart. Transaction ids are remembered, as by Synapse. */
export async function startBankHomeserver(people: readonly string[]): Promise<BankHomeserver> {
  const roomId = '!bank:example.org';
  const sent: SentEvent[] = [];
  const byTxnId = new Map<string, string>();
  let rooms = 0;

  const answer = async (req: IncomingMessage): Promise<[number, object]> => {
    const { pathname } = new URL(req.url ?? '/', 'http://x');
    const path = decodeURIComponent(pathname.replace('/_matrix/client', ''));
    if (path === '/versions') return [200, { versions: ['v1.11'] }];
    if (path === '/v3/account/whoami') {
      const name = people.find((person) => req.headers.authorization === `Bearer syt_${person}`);
      return name === undefined ? [401, { errcode: 'M_UNKNOWN_TOKEN', error: 'Unknown' }] : [200, { user_id: `@${name}:example.org`, is_guest: false }];
    }
    if (path === '/v3/joined_rooms') return [200, { joined_rooms: [roomId] }];
    if (path === `/v3/rooms/${roomId}/joined_members`) return [200, { joined: Object.fromEntries(people.map((name) => [`@${name}:example.org`, { display_name: name }])) }];
    if (path === `/v3/rooms/${roomId}/state/m.room.join_rules/`) return [200, { join_rule: 'invite' }];
    if (path.endsWith('/messages')) return [200, { chunk: sent.filter((event) => path === `/v3/rooms/${event.room_id}/messages`).reverse() }];
    const [, room, type, txnId] = /^\/v3\/rooms\/([^/]+)\/send\/([^/]+)\/([^/]+)$/.exec(path) ?? [];
    if (room !== undefined && type !== undefined && txnId !== undefined) {
      const content = await bodyOf(req);
      const known = byTxnId.get(txnId);
      if (known !== undefined) return [200, { event_id: known }];
      const eventId = `$event${sent.length}`;
      byTxnId.set(txnId, eventId);
      sent.push({ event_id: eventId, room_id: room, type, txnId, content, origin_server_ts: Date.now() });
      return [200, { event_id: eventId }];
    }
    if (path === '/v3/createRoom') return [200, { room_id: `!made${(rooms += 1)}:example.org` }];
    return req.method === 'GET' ? [404, { errcode: 'M_NOT_FOUND', error: 'Not found' }] : [200, {}];
  };

  const server = await startServer((req, res) => {
    void answer(req).then(([status, body]) => res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body)));
  });
  return { ...server, roomId, sent, forgetTransactions: () => byTxnId.clear() };
}
