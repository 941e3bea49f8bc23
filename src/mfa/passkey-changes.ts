import type { Database } from '../database/index.ts';
import { AppError } from '../kernel/errors.ts';
import type { UserId } from '../kernel/ids.ts';
import type { CeremonyOptions } from './ceremonies.ts';
import type { Changes } from './changes.ts';
import { deletePasskey, findPasskey, insertPasskey, listPasskeys, type Passkey } from './passkey-repo.ts';
import type { PasskeyRegistrations } from './passkey-registrations.ts';
import type { Evidence, Requester } from './types.ts';

/** A passkey as its owner sees it. */
export type ShownPasskey = Omit<Passkey, 'publicKey' | 'counter'>;

export interface PasskeyChanges {
  /** Throws what `Changes.permit` throws. */
  begin(requester: Requester, evidence: Evidence | undefined): Promise<CeremonyOptions>;
  /** Throws INVALID_MFA_CREDENTIALS, ALREADY_EXISTS, and MFA_REQUIRED when another factor was enrolled meanwhile. */
  finish(requester: Requester, response: unknown, name: string): Promise<{ readonly passkey: ShownPasskey; readonly limitsLoweredUntil: number | undefined }>;
  list(userId: UserId): Promise<readonly ShownPasskey[]>;
  /** Throws NOT_FOUND, and what `Changes.permit` throws. */
  remove(requester: Requester, credentialId: string, evidence: Evidence | undefined): Promise<{ readonly limitsLoweredUntil: number | undefined }>;
}

const maxPasskeys = 20;
const noPasskey = (): AppError => new AppError('NOT_FOUND', 'No passkey of this id is registered');

export function createPasskeyChanges({ database, changes, registrations }: { readonly database: Database; readonly changes: Changes; readonly registrations: PasskeyRegistrations }): PasskeyChanges {
  return {
    async begin(requester, evidence) {
      const { userId } = requester;
      const permission = await changes.permit(requester, { kind: 'action', action: 'mfa.webauthn.register', subject: userId }, evidence);
      const draft = await registrations.draft(userId);
      await database.inTransaction(async (tx) => {
        await permission.use(tx);
        await draft.save(tx, permission.allowedBy);
      });
      return draft;
    },
    async finish({ userId }, response, name) {
      const { passkey, allowedBy, spend } = await registrations.judge(userId, response, name);
      const permission = changes.permitEarlier(userId, allowedBy);
      return database.inTransaction(async (tx) => {
        await permission.use(tx);
        await spend(tx);
        if ((await listPasskeys(tx, userId)).length >= maxPasskeys) throw new AppError('ALREADY_EXISTS', `A user has at most ${maxPasskeys} passkeys: remove one first`);
        if (!(await insertPasskey(tx, userId, passkey))) throw new AppError('ALREADY_EXISTS', 'This passkey is registered already');
        const limitsLoweredUntil = await changes.record(tx, { userId, factor: 'passkey', change: 'added', allowedBy: permission.allowedBy, subject: passkey.credentialId, name });
        return { passkey, limitsLoweredUntil };
      });
    },
    list: (userId) => listPasskeys(database, userId),
    async remove(requester, credentialId, evidence) {
      const { userId } = requester;
      const passkey = await findPasskey(database, userId, credentialId);
      if (passkey === undefined) throw noPasskey();
      const permission = await changes.permit(requester, { kind: 'action', action: 'mfa.webauthn.remove', subject: credentialId }, evidence);
      return database.inTransaction(async (tx) => {
        await permission.use(tx);
        if (!(await deletePasskey(tx, userId, credentialId))) throw noPasskey();
        return { limitsLoweredUntil: await changes.record(tx, { userId, factor: 'passkey', change: 'removed', allowedBy: permission.allowedBy, subject: credentialId, name: passkey.name }) };
      });
    },
  };
}
