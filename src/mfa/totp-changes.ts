import type { Database } from '../database/index.ts';
import { AppError } from '../kernel/errors.ts';
import type { Changes } from './changes.ts';
import { deleteTotp, findTotp, replaceRecoveryCodes } from './totp-repo.ts';
import type { TotpEnrolment, Totps } from './totps.ts';
import type { Evidence, Requester } from './types.ts';

export interface TotpChanges {
  /** Begins an enrolment; the authenticator that is there, if any, counts until the new one is confirmed. Throws what `Changes.permit` throws. */
  enrol(requester: Requester, evidence: Evidence | undefined): Promise<TotpEnrolment>;
  /** Ends it with a code that the authenticator shows. Returns the recovery codes, which are shown this once. */
  confirm(requester: Requester, code: string): Promise<{ readonly recoveryCodes: readonly string[]; readonly limitsLoweredUntil: number | undefined }>;
  /** Throws NOT_FOUND when there is none, and what `Changes.permit` throws. */
  remove(requester: Requester, evidence: Evidence | undefined): Promise<{ readonly limitsLoweredUntil: number | undefined }>;
}

const noAuthenticator = (): AppError => new AppError('NOT_FOUND', 'This user has no authenticator');

export function createTotpChanges({ database, changes, totps }: { readonly database: Database; readonly changes: Changes; readonly totps: Totps }): TotpChanges {
  return {
    async enrol(requester, evidence) {
      const { userId } = requester;
      const permission = await changes.permit(requester, { kind: 'action', action: 'mfa.totp.enroll', subject: userId }, evidence);
      const draft = await totps.draft(userId);
      await database.inTransaction(async (tx) => {
        await permission.use(tx);
        await draft.save(tx, permission.allowedBy);
      });
      return draft.enrolment;
    },
    async confirm({ userId }, code) {
      const confirmation = await totps.confirmation(userId, code);
      const permission = changes.permitEarlier(userId, confirmation.allowedBy);
      return database.inTransaction(async (tx) => {
        await permission.use(tx);
        const isNew = (await findTotp(tx, userId, 'active')) === undefined;
        const recoveryCodes = await confirmation.activate(tx);
        const limitsLoweredUntil = await changes.record(tx, { userId, factor: 'totp', change: isNew ? 'added' : 'changed', allowedBy: permission.allowedBy });
        return { recoveryCodes, limitsLoweredUntil };
      });
    },
    async remove(requester, evidence) {
      const { userId } = requester;
      if ((await findTotp(database, userId, 'active')) === undefined) throw noAuthenticator();
      const permission = await changes.permit(requester, { kind: 'action', action: 'mfa.totp.remove', subject: userId }, evidence);
      return database.inTransaction(async (tx) => {
        await permission.use(tx);
        if (!(await deleteTotp(tx, userId))) throw noAuthenticator();
        await replaceRecoveryCodes(tx, userId, []);
        return { limitsLoweredUntil: await changes.record(tx, { userId, factor: 'totp', change: 'removed', allowedBy: permission.allowedBy }) };
      });
    },
  };
}
