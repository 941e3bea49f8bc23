import { answer, TextStream, type Principal, type Routes } from '../http/index.ts';
import { AppError, invalidField } from '../kernel/errors.ts';
import type { Notices } from './notices.ts';
import type { NewStream } from './stream-set.ts';

export interface NoticeRoutesDependencies {
  readonly notices: Pick<Notices, 'open'>;
  /** Whether the audience is the host client itself (decision D2). */
  readonly isFirstParty: (audience: string) => boolean;
}

/** What keeps proxies from gathering the stream up, or changing it. */
const headers = { 'Cache-Control': 'no-store, no-transform', 'X-Accel-Buffering': 'no' };

/** A user's session hears of what is theirs; a mini-app's server, of what is the app's own (decision D21). */
function earOf(principal: Principal, isFirstParty: NoticeRoutesDependencies['isFirstParty']): Pick<NewStream, 'userId' | 'audience' | 'firstParty' | 'sessionId' | 'holder'> {
  if (principal.kind === 'client') return { userId: principal.miniappId, audience: principal.miniappId, firstParty: false, sessionId: undefined, holder: `client:${principal.clientId}` };
  if (principal.kind !== 'session') throw new AppError('INSUFFICIENT_PERMISSIONS', 'This endpoint does not accept this kind of credential');
  const { userId, audience, sessionId } = principal;
  return { userId, audience, firstParty: isFirstParty(audience), sessionId, holder: sessionId };
}

export const noticeRoutes = ({ notices, isFirstParty }: NoticeRoutesDependencies): Routes => ({
  streamEvents: (request) => {
    const header = request.headers['last-event-id'];
    const given = (request.query as { last_event_id?: number }).last_event_id ?? (header === undefined ? undefined : Number(header));
    if (given !== undefined && !Number.isSafeInteger(given)) throw invalidField('Last-Event-ID', 'is not one that this server gave');
    const { text, cut } = notices.open({ ...earOf(request.principal, isFirstParty), lastEventId: given, checkAccess: request.checkAccess });
    return answer(new TextStream('text/event-stream', text, cut), 200, headers);
  },
});
