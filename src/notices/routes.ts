import { answer, principalOf, TextStream, type Routes } from '../http/index.ts';
import { invalidField } from '../kernel/errors.ts';
import type { Notices } from './notices.ts';

export interface NoticeRoutesDependencies {
  readonly notices: Pick<Notices, 'open'>;
  /** Whether the audience is the host client itself (decision D2). */
  readonly isFirstParty: (audience: string) => boolean;
}

/** What keeps proxies from gathering the stream up, or changing it. */
const headers = { 'Cache-Control': 'no-store, no-transform', 'X-Accel-Buffering': 'no' };

export const noticeRoutes = ({ notices, isFirstParty }: NoticeRoutesDependencies): Routes => ({
  streamEvents: (request) => {
    const { userId, audience, sessionId } = principalOf(request, 'session');
    const header = request.headers['last-event-id'];
    const given = (request.query as { last_event_id?: number }).last_event_id ?? (header === undefined ? undefined : Number(header));
    if (given !== undefined && !Number.isSafeInteger(given)) throw invalidField('Last-Event-ID', 'is not one that this server gave');
    const { text, cut } = notices.open({ userId, audience, firstParty: isFirstParty(audience), sessionId, lastEventId: given, checkAccess: request.checkAccess });
    return answer(new TextStream('text/event-stream', text, cut), 200, headers);
  },
});
