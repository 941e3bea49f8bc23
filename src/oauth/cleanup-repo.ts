import type { Transaction } from '../database/index.ts';

/** Sessions stay for a while after their end, so that what happened can still be looked up. */
const sessionRetentionMs = 30 * 24 * 3_600_000;

/** Deletes what is over: entries, questions, spent tokens, retired keys, old sessions. Returns how many rows went. */
export async function purgeExpired(tx: Transaction, now: number): Promise<number> {
  const over = (table: string, before = now) => tx.sql(table).where('expires_at', '<=', before).delete();
  return (
    (await over('oidc_entry')) +
    (await over('consent_request')) +
    (await over('spent_token')) +
    // Only instances of the version before write these.
    (await over('refresh_rotation')) +
    (await tx.sql('signing_key').where({ state: 'retired' }).andWhere('expires_at', '<=', now).delete()) +
    (await over('client_session')) +
    (await over('browser_session')) +
    (await over('sign_in_attempt')) +
    (await over('device_poll')) +
    (await over('tep_session', now - sessionRetentionMs)) +
    (await tx.sql('tep_session').where('revoked_at', '<=', now - sessionRetentionMs).delete())
  );
}
