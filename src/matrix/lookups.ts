import type { MiniAppId, RoomAlias, UserId } from '../kernel/ids.ts';
import { isMiniAppId, isUserId, localpartOf } from '../kernel/ids.ts';
import type { Homeserver } from './homeserver.ts';
import type { OwnNames } from './identity.ts';
import type { OwnRooms } from './rooms.ts';

/** What the homeserver may ask about names in our namespaces: known ones exist, all others do not (decision D11). */
export interface Lookups {
  provisionUser(userId: UserId): Promise<boolean>;
  provisionAlias(alias: RoomAlias): Promise<boolean>;
  protocol(name: string): object | undefined;
  thirdPartyUsers(protocol: string | undefined, userId: string | undefined, miniappId: string | undefined): Promise<object[]>;
  thirdPartyLocations(protocol: string | undefined, alias: string | undefined): object[];
}

export interface LookupDependencies {
  readonly homeserver: Homeserver;
  readonly names: OwnNames;
  readonly rooms: OwnRooms;
  /** The name of a mini-app that has a virtual user. */
  readonly miniappName: (miniappId: MiniAppId) => Promise<string | undefined>;
  readonly botDisplayName: string;
  readonly paymentsDisplayName: string;
}

const protocolName = 'tween';
const textField = { regexp: '.+', placeholder: '' };

export function createLookups(deps: LookupDependencies): Lookups {
  const { homeserver, names, rooms, miniappName } = deps;

  const nameOf = async (userId: UserId): Promise<string | undefined> => {
    if (!names.isOurs(userId)) return undefined;
    if (userId === names.bot) return deps.botDisplayName;
    if (userId === names.payments) return deps.paymentsDisplayName;
    const localpart = localpartOf(userId);
    return isMiniAppId(localpart) ? miniappName(localpart) : undefined;
  };
  const asThirdParty = (userId: UserId, miniappId: string) => ({ userid: userId, protocol: protocolName, fields: { miniapp_id: miniappId } });

  return {
    async provisionUser(userId) {
      if ((await nameOf(userId)) === undefined) return false;
      await homeserver.ensureRegistered(userId);
      return true;
    },
    async provisionAlias(alias) {
      if (alias !== names.catalogueAlias) return false;
      await rooms.catalogue();
      return true;
    },
    protocol(name) {
      if (name !== protocolName) return undefined;
      return {
        user_fields: ['miniapp_id'],
        location_fields: ['alias'],
        icon: '',
        field_types: { miniapp_id: { ...textField, placeholder: 'ma_shop_001' }, alias: { ...textField, placeholder: names.catalogueAlias } },
        instances: [{ network_id: protocolName, desc: 'Mini-apps', icon: '', fields: {} }],
      };
    },
    async thirdPartyUsers(protocol, userId, miniappId) {
      if (protocol !== undefined && protocol !== protocolName) return [];
      const asked = userId !== undefined && isUserId(userId) ? userId : miniappId !== undefined && isMiniAppId(miniappId) ? names.miniappUser(miniappId) : undefined;
      if (asked === undefined || !isMiniAppId(localpartOf(asked)) || (await nameOf(asked)) === undefined) return [];
      return [asThirdParty(asked, localpartOf(asked))];
    },
    thirdPartyLocations(protocol, alias) {
      if (protocol !== undefined && protocol !== protocolName) return [];
      if (alias !== undefined && alias !== names.catalogueAlias) return [];
      return [{ alias: names.catalogueAlias, protocol: protocolName, fields: { alias: names.catalogueAlias } }];
    },
  };
}
