import type { Database, Transaction } from '../../database/index.ts';
import { isoTime, type Clock } from '../../kernel/clock.ts';
import { AppError } from '../../kernel/errors.ts';
import { newId } from '../../kernel/ids.ts';
import { createLiveCache } from '../../kernel/live-cache.ts';
import type { AuditParty, RecordAudit } from '../audit/index.ts';
import { suspensionReasons, type SuspensionReason } from './reasons.ts';
import { decideAppeal, deleteAppealsBefore, deleteEnded, deleteSuspension, insertAppeal, insertSuspension, listAppeals, listSuspensions, type Appeal, type Suspension } from './suspension-repo.ts';

export interface SuspensionsDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly audit: RecordAudit;
  readonly lifetimeMs: number;
  /** For how long appeals are kept, decided or not. */
  readonly appealMs: number;
  readonly appealUrl: string;
  /** In the transaction of what happened: tells the user. */
  readonly tell: (tx: Transaction, userId: string, text: string) => void;
  readonly onSuspended?: (reason: string) => void;
  /** What has been counted of the two is to be forgotten: else the next of it would suspend them again. */
  readonly onLifted?: (whom: { readonly userId: string; readonly clientId: string }) => Promise<void>;
}

/** A user who may not act through one client for a while; other clients of theirs go on. */
export interface Suspensions {
  find(userId: string, clientId: string): Promise<Pick<Suspension, 'reason' | 'until'> | undefined>;
  /** Does nothing when the two are suspended already. */
  suspend(whom: { readonly userId: string; readonly clientId: string; readonly reason: SuspensionReason }): Promise<void>;
  /** The answer of specification section 11.4.5. */
  refusal(suspension: Pick<Suspension, 'reason' | 'until'>): AppError;
  list(): Promise<Suspension[]>;
  /** @throws AppError NOT_FOUND when the user has no suspension (through this client) */
  appeal(userId: string, message: string, clientId: string | undefined): Promise<Appeal>;
  appeals(state: Appeal['state']): Promise<Appeal[]>;
  /** @throws AppError APPEAL_NOT_FOUND */
  decide(appealId: string, verdict: 'lifted' | 'upheld', by: string): Promise<Appeal>;
  /** A chore: says in the audit log which have ended by themselves, and forgets old appeals. True when there are more. */
  tidyUp(tx: Transaction, now: number): Promise<boolean>;
}

const system: AuditParty = { kind: 'system', id: 'limits' };
const listedAppeals = 200;
const forgottenAtOnce = 5000;
const through = (clientId: string): string => (clientId === '' ? '' : ` through ${clientId}`);

export function createSuspensions(deps: SuspensionsDependencies): Suspensions {
  const { database, clock, audit, lifetimeMs } = deps;
  // There are few, and every request asks: all are read at once, at most each second.
  const current = createLiveCache(clock, async (_all, now) => new Map((await listSuspensions(database, now)).map((one) => [`${one.userId} ${one.clientId}`, one])), { maxEntries: 1 });
  const changed = (tx: Transaction): void => tx.afterCommit(() => current.clear());
  const record = (tx: Transaction, actor: AuditParty, action: string, { userId, clientId, reason, until }: Suspension): Promise<void> =>
    audit(tx, { actor, action, target: { kind: 'user', id: userId }, details: { client_id: clientId, reason, until: isoTime(until) } });

  return {
    async find(userId, clientId) {
      const found = (await current.find('all'))?.get(`${userId} ${clientId}`);
      return found !== undefined && found.until > clock.now() ? found : undefined;
    },
    async suspend({ userId, clientId, reason }) {
      const since = clock.now();
      const suspension = { userId, clientId, reason, since, until: since + lifetimeMs };
      await database.inTransaction(async (tx) => {
        if (!(await insertSuspension(tx, suspension))) return;
        await record(tx, system, 'account.suspended', suspension);
        deps.tell(tx, userId, `Your account is suspended${through(clientId)} until ${isoTime(suspension.until)}: ${suspensionReasons[reason]}. You can appeal: ${deps.appealUrl}`);
        changed(tx);
        tx.afterCommit(() => deps.onSuspended?.(reason));
      });
    },
    refusal: ({ reason, until }) =>
      new AppError('ACCOUNT_SUSPENDED', 'Account temporarily suspended due to abuse', { retryAfterMs: until - clock.now(), fields: { suspended_until: isoTime(until), reason, appeal_url: deps.appealUrl } }),
    list: () => listSuspensions(database, clock.now()),
    async appeal(userId, message, clientId) {
      const own = (await listSuspensions(database, clock.now())).filter((one) => one.userId === userId && (clientId === undefined || one.clientId === clientId));
      const [suspension] = own;
      if (suspension === undefined) throw new AppError('NOT_FOUND', clientId === undefined ? 'You are not suspended' : 'You are not suspended through this client');
      const appeal = { id: newId('apl'), userId, clientId: suspension.clientId, message, createdAt: clock.now() };
      await database.inTransaction(async (tx) => {
        await insertAppeal(tx, appeal);
        await audit(tx, { actor: { kind: 'user', id: userId }, action: 'suspension.appealed', target: { kind: 'appeal', id: appeal.id }, details: { client_id: appeal.clientId } });
      });
      return { ...appeal, state: 'open', decidedAt: undefined, decidedBy: undefined };
    },
    appeals: (state) => listAppeals(database, state, listedAppeals),
    async decide(appealId, verdict, by) {
      const decided = await database.inTransaction(async (tx) => {
        const appeal = await decideAppeal(tx, appealId, verdict, by, clock.now());
        if (appeal === undefined) throw new AppError('APPEAL_NOT_FOUND', 'There is no such open appeal');
        const { userId, clientId } = appeal;
        const actor = { kind: 'administrator', id: by };
        await audit(tx, { actor, action: `suspension.appeal_${verdict}`, target: { kind: 'appeal', id: appealId }, details: { user_id: userId, client_id: clientId } });
        const lifted = verdict === 'lifted' ? await deleteSuspension(tx, userId, clientId) : undefined;
        if (lifted !== undefined) await record(tx, actor, 'account.reinstated', lifted);
        deps.tell(tx, userId, verdict === 'lifted' ? `Your suspension${through(clientId)} was lifted.` : `Your suspension${through(clientId)} stays until its end.`);
        changed(tx);
        return appeal;
      });
      if (verdict === 'lifted') await deps.onLifted?.(decided);
      return decided;
    },
    async tidyUp(tx, now) {
      for (const ended of await deleteEnded(tx, now)) await record(tx, system, 'account.reinstated', ended);
      return (await deleteAppealsBefore(tx, now - deps.appealMs, forgottenAtOnce)) === forgottenAtOnce;
    },
  };
}
