import { answer, principalOf, type ApiRequest, type Routes } from '../http/index.ts';
import { isoTime } from '../kernel/clock.ts';
import type { MiniAppBots } from './bots.ts';
import type { MiniApps } from './miniapps.ts';
import type { Registrar } from './registration.ts';
import type { MiniApp } from './types.ts';

/** `…/{id}/bot`: for who may change the app, by their role as it is now (decision D23). */
export function botRoutes({ bots, miniapps }: { readonly bots: MiniAppBots; readonly miniapps: Pick<MiniApps, 'get' | 'getManaged'> }): Routes {
  const managed = async (request: ApiRequest): Promise<{ app: MiniApp; by: Registrar }> => {
    const id = request.path.miniapp_id as string;
    if (request.principal.kind === 'developer') return { app: await miniapps.getManaged(request.principal.userId, id), by: { developer: request.principal.userId } };
    const { name } = principalOf(request, 'admin');
    return { app: await miniapps.get(id), by: { admin: name } };
  };
  return {
    registerMiniAppBot: async (request) => {
      const { app, by } = await managed(request);
      const { userId, registeredAt } = await bots.register(app, by, (request.body as { matrix_access_token: string }).matrix_access_token);
      return answer({ miniapp_id: app.miniappId, bot_user_id: userId, registered_at: isoTime(registeredAt) });
    },
    removeMiniAppBot: async (request) => {
      const { app, by } = await managed(request);
      await bots.remove(app, by);
      return answer(undefined, 204);
    },
  };
}
