import { answer, principalOf, type Routes } from '../../http/index.ts';
import { isoTime } from '../../kernel/clock.ts';
import type { Appeal } from './suspension-repo.ts';
import type { Suspensions } from './suspensions.ts';

const toWire = ({ id, userId, clientId, message, state, createdAt, decidedAt, decidedBy }: Appeal): object => ({
  appeal_id: id,
  user_id: userId,
  client_id: clientId === '' ? null : clientId,
  message,
  status: state,
  created_at: isoTime(createdAt),
  ...(decidedAt === undefined ? {} : { decided_at: isoTime(decidedAt), decided_by: decidedBy }),
});

/** Appeals against suspensions (specification section 11.4.5). */
export function suspensionRoutes({ suspensions }: { readonly suspensions: Suspensions }): Routes {
  return {
    appealSuspension: async (request) => {
      const { message, client_id: clientId } = request.body as { message: string; client_id?: string };
      return answer(toWire(await suspensions.appeal(principalOf(request, 'matrix').userId, message, clientId)), 201);
    },
    listAppeals: async (request) => answer({ appeals: (await suspensions.appeals(request.query.status as Appeal['state'])).map(toWire) }),
    decideAppeal: async (request) => {
      const { name } = principalOf(request, 'admin');
      const { verdict } = request.body as { verdict: 'lifted' | 'upheld' };
      return answer(toWire(await suspensions.decide(request.path.appeal_id as string, verdict, name)));
    },
    listSuspensions: async () => answer({ suspensions: (await suspensions.list()).map(({ userId, clientId, reason, since, until }) => ({ user_id: userId, client_id: clientId === '' ? null : clientId, reason, since: isoTime(since), suspended_until: isoTime(until) })) }),
  };
}
