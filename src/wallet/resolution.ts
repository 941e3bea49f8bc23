import type { Database } from '../database/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import { newId, type RoomId, type UserId } from '../kernel/ids.ts';
import type { RoomProfile, SharedRooms } from '../matrix/port.ts';
import { statusOf, type UserStatus, type Wallet, type WalletRecord } from './port.ts';
import { reserveWalletId } from './repo.ts';

/** Somebody as those who share a room with them may see them (specification section 6.3.2). */
export interface ResolvedUser {
  readonly userId: UserId;
  readonly walletId: string;
  readonly status: UserStatus;
  readonly profile: RoomProfile | undefined;
  /** Undefined while there is no wallet: none is opened by asking (decision D18). */
  readonly createdAt: number | undefined;
}

export interface Resolution {
  /** @throws AppError ROOM_NOT_ALLOWED for everyone whom the caller shares no room with, whether or not they exist; SERVICE_UNAVAILABLE */
  resolve(caller: UserId, userId: UserId, roomId: RoomId | undefined): Promise<ResolvedUser>;
  /** Those of the users that the caller may see; the others are left out. @throws AppError ROOM_NOT_ALLOWED when the caller may not name the room */
  resolveAll(caller: UserId, userIds: readonly UserId[], roomId: RoomId | undefined): Promise<ResolvedUser[]>;
}

export interface ResolutionDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly sharedRooms: SharedRooms;
  readonly wallet: Pick<Wallet, 'findAll'>;
  /** Whether somebody of this name can have a wallet here at all. */
  readonly mayHaveWallet: (userId: UserId) => boolean;
}

type Seen = { readonly userId: UserId; readonly profile: RoomProfile | undefined };

export function createResolution({ database, clock, sharedRooms, wallet, mayHaveWallet }: ResolutionDependencies): Resolution {
  const meet = async (caller: UserId, userId: UserId, roomId: RoomId | undefined): Promise<Seen> => {
    if (!mayHaveWallet(userId)) throw new AppError('ROOM_NOT_ALLOWED', 'This room cannot be used here');
    if (caller === userId && roomId === undefined) return { userId, profile: undefined };
    const { members } = await sharedRooms.requireShared([caller, userId], roomId);
    return { userId, profile: members.get(userId) };
  };

  const describe = async ({ userId, profile }: Seen, wallet: WalletRecord | undefined): Promise<ResolvedUser> => ({
    userId,
    profile,
    walletId: wallet?.walletId ?? (await reserveWalletId(database, userId, newId('tw'), clock.now())),
    status: wallet === undefined ? 'pending' : statusOf(wallet),
    createdAt: wallet?.createdAt,
  });

  return {
    async resolve(caller, userId, roomId) {
      const seen = await meet(caller, userId, roomId);
      return describe(seen, (await wallet.findAll([userId])).get(userId));
    },
    async resolveAll(caller, userIds, roomId) {
      if (roomId !== undefined) await sharedRooms.requireShared([caller], roomId);
      const seen: Seen[] = [];
      for (const userId of new Set(userIds)) {
        const met = await meet(caller, userId, roomId).catch((error: unknown) => {
          if (error instanceof AppError && error.code === 'ROOM_NOT_ALLOWED') return undefined;
          throw error;
        });
        if (met !== undefined) seen.push(met);
      }
      const wallets = await wallet.findAll(seen.map(({ userId }) => userId));
      return Promise.all(seen.map((one) => describe(one, wallets.get(one.userId))));
    },
  };
}
