import type { AsyncLocalStorage } from 'node:async_hooks';
import { errors, Provider, type Adapter, type AdapterFactory, type AdapterPayload } from 'oidc-provider';
import { runSql, type Database, type Queryable, type Transaction } from '../database/index.ts';
import { unixSeconds, type Clock } from '../kernel/clock.ts';
import { sha256Hex } from '../kernel/ids.ts';
import type { KeyRing } from '../security/key-ring.ts';
import type { OAuthDeps } from './deps.ts';
import { deleteBrowserSession, findBrowserSession, saveBrowserSession, type BrowserSession } from './browser-session-repo.ts';
import type { ClientDirectory } from './clients.ts';
import { clientMetadata } from './client-metadata.ts';
import type { LiveCache } from '../kernel/live-cache.ts';
import { markRevoked, type Session } from './session-repo.ts';

export interface AdapterOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly keyRing: KeyRing;
  readonly clients: ClientDirectory;
  readonly sessions: LiveCache<Session>;
  /** The transaction in which the caller wants entries to be written, where there is one. */
  readonly ambient: AsyncLocalStorage<Transaction>;
  readonly drafts: WeakMap<object, Omit<Session, 'walletId'>>;
  readonly audit?: OAuthDeps['audit'];
  readonly openDraft: (tx: Transaction, draft: Omit<Session, 'walletId'>) => Promise<void>;
}

interface EntryRow {
  id_hash: string;
  payload: string;
  consumed_at: number | null;
}

export const refreshTokenPrefix = 'rt_';

/** The one resource that access tokens are for: our API. */
export const apiResource = 'urn:tmcp:api';

const sealPurpose = 'oidc-entry';
/** Kinds that are found by something else than their id and then saved again: they must know their id. */
const kindsThatKeepTheirId: ReadonlySet<string> = new Set(['DeviceCode']);

/** Kinds whose content would open what their id opens: the values of cookies are in it. */
const sealedKinds: ReadonlySet<string> = new Set(['Interaction']);

const optionalHash = (text: string | undefined): string | null => (text === undefined ? null : sha256Hex(text));

const entryColumns = ['payload', 'grant_id', 'user_code_hash', 'uid_hash', 'account_id', 'client_id', 'expires_at'];
const upsertEntry = `INSERT INTO oidc_entry (kind, id_hash, ${entryColumns.join(', ')}) VALUES (?, ?, ${entryColumns.map(() => '?').join(', ')})
  ON CONFLICT (kind, id_hash) DO UPDATE SET ${entryColumns.map((column) => `${column} = excluded.${column}`).join(', ')}`;

/**
 * oidc-provider's store. Identifiers are bearer secrets, so rows hold their hashes only; and what is consumed is consumed by
 * compare-and-set: with the documented read-then-write, parallel refreshes on PostgreSQL all succeed.
 */
function createEntryAdapter(kind: string, options: AdapterOptions): Adapter {
  const { database, clock, keyRing, ambient } = options;
  const db = (): Queryable => ambient.getStore() ?? database;
  const entry = (id: string) => db().sql('oidc_entry').where({ kind, id_hash: sha256Hex(id) });

  const toPayload = (row: EntryRow | undefined, id?: string): AdapterPayload | undefined => {
    if (row === undefined) return undefined;
    const payload = JSON.parse(sealedKinds.has(kind) ? keyRing.open(sealPurpose, row.payload, row.id_hash) : row.payload) as AdapterPayload & { sealedJti?: string };
    const { sealedJti, ...rest } = payload;
    const jti = id ?? (sealedJti === undefined ? undefined : keyRing.open(sealPurpose, sealedJti, row.id_hash));
    return { ...rest, ...(jti === undefined ? {} : { jti }), ...(row.consumed_at === null ? {} : { consumed: unixSeconds(row.consumed_at) }) };
  };
  const findOne = async (column: 'id_hash' | 'uid_hash' | 'user_code_hash', value: string): Promise<EntryRow | undefined> => {
    const [row] = await runSql<EntryRow>(db(), `SELECT id_hash, payload, consumed_at FROM oidc_entry WHERE kind = ? AND ${column} = ? AND (expires_at IS NULL OR expires_at > ?)`, [kind, value, clock.now()]);
    return row;
  };

  return {
    async upsert(id, payload, expiresIn) {
      const { jti, ...rest } = payload;
      const idHash = sha256Hex(id);
      const kept = kindsThatKeepTheirId.has(kind) && typeof jti === 'string' ? { sealedJti: keyRing.seal(sealPurpose, jti, idHash) } : {};
      await runSql(db(), upsertEntry, [
        kind,
        idHash,
        sealedKinds.has(kind) ? keyRing.seal(sealPurpose, JSON.stringify(rest), idHash) : JSON.stringify({ ...rest, ...kept }),
        payload.grantId ?? null,
        optionalHash(payload.userCode),
        optionalHash(payload.uid),
        payload.accountId ?? null,
        payload.clientId ?? null,
        expiresIn === undefined ? null : clock.now() + expiresIn * 1000,
      ]);
    },
    async find(id) {
      return toPayload(await findOne('id_hash', sha256Hex(id)), id);
    },
    async findByUid(uid) {
      return toPayload(await findOne('uid_hash', sha256Hex(uid)));
    },
    async findByUserCode(userCode) {
      return toPayload(await findOne('user_code_hash', sha256Hex(userCode)));
    },
    async consume(id) {
      const consumed = await entry(id).whereNull('consumed_at').update({ consumed_at: clock.now() });
      if (consumed === 1) return;
      // Two had the same code: whoever came second may be its owner, so that nobody keeps what it gave.
      const row = await entry(id).first<{ grant_id: string | null } | undefined>('grant_id');
      if (typeof row?.grant_id === 'string') options.sessions.forget(await markRevoked(db(), { id: row.grant_id }, clock.now()));
      throw new errors.InvalidGrant('used by another request at the same moment');
    },
    async destroy(id) {
      await entry(id).delete();
    },
    async revokeByGrantId(grantId) {
      await db().sql('oidc_entry').where({ kind, grant_id: grantId }).delete();
    },
  };
}

/** Refresh tokens can be told from others by their beginning: an introspection of anything else need not look for one. */
function createRefreshTokenAdapter(kind: string, options: AdapterOptions): Adapter {
  const entries = createEntryAdapter(kind, options);
  return { ...entries, find: (id) => (id.startsWith(refreshTokenPrefix) ? entries.find(id) : nothing()) };
}

/** A browser's session: listed and ended by its user, so it has a table of its own. */
function createSessionAdapter(options: AdapterOptions): Adapter {
  const { database, clock, keyRing } = options;
  const toPayload = (row: BrowserSession | undefined, id?: string): AdapterPayload | undefined => {
    if (row === undefined) return undefined;
    const { sealedJti, ...payload } = JSON.parse(row.payload) as AdapterPayload & { sealedJti: string };
    return { ...payload, jti: id ?? keyRing.open(sealPurpose, sealedJti, row.idHash) };
  };
  return {
    ...readOnly,
    async upsert(id, payload, expiresIn = 1) {
      const { jti: _jti, ...rest } = payload;
      const idHash = sha256Hex(id);
      const now = clock.now();
      await saveBrowserSession(database, {
        idHash,
        uidHash: sha256Hex(payload.uid!),
        userId: payload.accountId,
        payload: JSON.stringify({ ...rest, sealedJti: keyRing.seal(sealPurpose, id, idHash) }),
        createdAt: payload.loginTs === undefined ? now : payload.loginTs * 1000,
        lastSeenAt: now,
        expiresAt: now + expiresIn * 1000,
      });
    },
    async find(id) {
      return toPayload(await findBrowserSession(database, { id_hash: sha256Hex(id) }, clock.now()), id);
    },
    async findByUid(uid) {
      return toPayload(await findBrowserSession(database, { uid_hash: sha256Hex(uid) }, clock.now()));
    },
    destroy: (id) => deleteBrowserSession(database, sha256Hex(id)),
  };
}

/** A code opens the session that it stands for, in one transaction with itself. */
function createCodeAdapter(kind: string, options: AdapterOptions): Adapter {
  const entries = createEntryAdapter(kind, options);
  const { database, ambient, drafts, openDraft } = options;
  return {
    ...entries,
    async upsert(id, payload, expiresIn) {
      const draft = Provider.ctx === undefined ? undefined : drafts.get(Provider.ctx);
      if (draft === undefined || draft.id !== payload.grantId) throw new TypeError('a code without a session');
      await database.inTransaction(async (tx) => {
        await openDraft(tx, draft);
        await ambient.run(tx, () => entries.upsert(id, payload, expiresIn));
      });
    },
  };
}

const nothing = (): Promise<undefined> => Promise.resolve(undefined);
const readOnly: Adapter = { upsert: nothing, find: nothing, findByUid: nothing, findByUserCode: nothing, consume: nothing, destroy: nothing, revokeByGrantId: nothing };

/** A grant is a session of ours, opened by our use cases; ending the grant ends the session and all its tokens. */
function createGrantAdapter(options: AdapterOptions): Adapter {
  const { database, clock, sessions, audit } = options;
  return {
    ...readOnly,
    upsert: () => Promise.reject(new TypeError('sessions are opened by their use cases')),
    async find(id) {
      // What an introspection says may be as old as what any request is told; where tokens are made, only the database counts.
      const session = await (Provider.ctx?.oidc.route === 'introspection' ? sessions.find(id) : sessions.findFresh(id));
      if (session === undefined) return undefined;
      return {
        kind: 'Grant',
        jti: id,
        accountId: session.userId,
        clientId: session.clientId,
        iat: unixSeconds(session.createdAt),
        exp: unixSeconds(session.expiresAt),
        resources: { [apiResource]: session.scopes.join(' ') },
      };
    },
    async destroy(id) {
      const session = await sessions.findFresh(id);
      const ended = await database.inTransaction(async (tx) => {
        const ids = await markRevoked(tx, { id }, clock.now());
        if (session !== undefined && ids.length > 0) await audit?.(tx, { action: 'session.ended', userId: session.userId, sessionId: id, reason: 'token_revoked' });
        return ids;
      });
      sessions.forget(ended);
    },
  };
}

const createClientAdapter = (options: AdapterOptions): Adapter => ({ ...readOnly, find: async (id) => clientMetadata(id, await options.clients.findClient(id)) });

export function createAdapterFactory(options: AdapterOptions): AdapterFactory {
  return (kind) => {
    switch (kind) {
      case 'Client':
        return createClientAdapter(options);
      case 'Grant':
        return createGrantAdapter(options);
      case 'Session':
        return createSessionAdapter(options);
      case 'RefreshToken':
        return createRefreshTokenAdapter(kind, options);
      case 'AuthorizationCode':
        return createCodeAdapter(kind, options);
      // These are their signature and their session: nothing of them is stored.
      case 'AccessToken':
      case 'ClientCredentials':
        return readOnly;
      default:
        return createEntryAdapter(kind, options);
    }
  };
}
