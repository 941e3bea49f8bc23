import { answer, principalOf, type ApiRequest, type Routes } from '../http/index.ts';
import { AppError } from '../kernel/errors.ts';
import { asMiniAppId } from '../kernel/ids.ts';
import { asHomeserverRefusal, type OwnNames, type Speech } from '../matrix/index.ts';
import type { Messages } from './messages.ts';

export interface ProxyingRoutesDependencies {
  readonly messages: Messages;
  readonly speech: Speech;
  readonly names: OwnNames;
}

/** `/api/v1/matrix/…`: the calls of the Matrix client-server API that are made on a user's behalf (section 4.16, decision D22). */
export function proxyingRoutes({ messages, speech, names }: ProxyingRoutesDependencies): Routes {
  return {
    async sendMatrixMessage(request: ApiRequest) {
      const { userId, audience, context } = principalOf(request, 'session');
      const { roomId, txnId } = request.path as { roomId: string; txnId: string };
      const miniappId = asMiniAppId(audience);
      const { eventId, sentAs } = await messages.send({ userId, miniappId, launchedIn: context?.room_id }, { roomId, txnId, content: request.body as Record<string, unknown> });
      return answer({ event_id: eventId, sent_as: sentAs, sender: sentAs === 'user' ? userId : names.miniappUser(miniappId) });
    },
    async getMatrixProfile(request: ApiRequest) {
      const { userId } = principalOf(request, 'session');
      if (request.path.userId !== userId) throw new AppError('INSUFFICIENT_PERMISSIONS', 'A mini-app reads the profile of the user who uses it, and nobody else\'s');
      const profile = await speech.profileOf(userId).catch((error: unknown) => {
        throw asHomeserverRefusal(error);
      });
      const { displayname, avatar_url: avatarUrl } = profile;
      return answer({ ...(typeof displayname === 'string' ? { displayname } : {}), ...(typeof avatarUrl === 'string' ? { avatar_url: avatarUrl } : {}) });
    },
    getMatrixWhoami: (request: ApiRequest) => answer({ user_id: principalOf(request, 'session').userId, is_guest: false }),
  };
}
