import { runSql, type Queryable, type Transaction } from '../database/index.ts';
import { asMiniAppId, asUserId, type MiniAppId } from '../kernel/ids.ts';
import type { MiniAppStatus } from './machine.ts';
import type { Owner } from './ownership.ts';
import type { Classification, ClientType, InstallMode, MiniApp } from './types.ts';

export interface MiniAppRow {
  miniapp_id: string;
  name: string;
  short_name: string | null;
  description: string;
  category: string;
  classification: Classification;
  status: MiniAppStatus;
  client_type: ClientType;
  version: string;
  entry_point: string;
  redirect_uris: string;
  webhook_url: string | null;
  webhook_secret: string | null;
  scopes: string;
  icon_url: string | null;
  developer: string;
  branding: string;
  marketing: string;
  install_mode: InstallMode;
  display_order: number;
  status_reason: string | null;
  install_count: number;
  registered_by: string;
  created_at: number;
  updated_at: number;
  published_at: number | null;
  owner_user_id: string | null;
  owner_org_id: string | null;
  version_code: number;
  bundle_sha256: string | null;
}

const ownerFromRow = (row: Pick<MiniAppRow, 'owner_user_id' | 'owner_org_id'>): Owner | undefined => {
  if (row.owner_user_id !== null) return { userId: asUserId(row.owner_user_id) };
  return row.owner_org_id === null ? undefined : { orgId: row.owner_org_id };
};

const ownerColumns = (owner: Owner | undefined): Pick<MiniAppRow, 'owner_user_id' | 'owner_org_id'> => ({
  owner_user_id: owner !== undefined && 'userId' in owner ? owner.userId : null,
  owner_org_id: owner !== undefined && 'orgId' in owner ? owner.orgId : null,
});

const parsed = <T>(text: string): T => JSON.parse(text) as T;

export const miniappFromRow = (row: MiniAppRow): MiniApp => ({
  miniappId: asMiniAppId(row.miniapp_id),
  name: row.name,
  shortName: row.short_name ?? undefined,
  description: row.description,
  category: row.category,
  classification: row.classification,
  status: row.status,
  clientType: row.client_type,
  version: row.version,
  entryPoint: row.entry_point,
  redirectUris: parsed(row.redirect_uris),
  webhookUrl: row.webhook_url ?? undefined,
  scopes: parsed(row.scopes),
  iconUrl: row.icon_url ?? undefined,
  developer: parsed(row.developer),
  branding: parsed(row.branding),
  marketing: parsed(row.marketing),
  installMode: row.install_mode,
  displayOrder: row.display_order,
  statusReason: row.status_reason ?? undefined,
  installCount: row.install_count,
  registeredBy: row.registered_by,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
  publishedAt: row.published_at ?? undefined,
  owner: ownerFromRow(row),
  versionCode: row.version_code,
  bundleSha256: row.bundle_sha256 ?? undefined,
});

const rowFromMiniapp = (app: MiniApp): Omit<MiniAppRow, 'webhook_secret'> => ({
  miniapp_id: app.miniappId,
  name: app.name,
  short_name: app.shortName ?? null,
  description: app.description,
  category: app.category,
  classification: app.classification,
  status: app.status,
  client_type: app.clientType,
  version: app.version,
  entry_point: app.entryPoint,
  redirect_uris: JSON.stringify(app.redirectUris),
  webhook_url: app.webhookUrl ?? null,
  scopes: JSON.stringify(app.scopes),
  icon_url: app.iconUrl ?? null,
  developer: JSON.stringify(app.developer),
  branding: JSON.stringify(app.branding),
  marketing: JSON.stringify(app.marketing),
  install_mode: app.installMode,
  display_order: app.displayOrder,
  status_reason: app.statusReason ?? null,
  install_count: app.installCount,
  registered_by: app.registeredBy,
  created_at: app.createdAt,
  updated_at: app.updatedAt,
  published_at: app.publishedAt ?? null,
  ...ownerColumns(app.owner),
  version_code: app.versionCode,
  bundle_sha256: app.bundleSha256 ?? null,
});

export async function findMiniApp(db: Queryable, miniappId: string): Promise<MiniApp | undefined> {
  const [row] = await runSql<MiniAppRow>(db, 'SELECT * FROM miniapp WHERE miniapp_id = ?', [miniappId]);
  return row === undefined ? undefined : miniappFromRow(row);
}

/** The row is locked until the transaction ends (on SQLite the whole database is). */
export async function lockMiniApp(db: Queryable, miniappId: string): Promise<MiniApp | undefined> {
  const query = db.sql<MiniAppRow>('miniapp').where({ miniapp_id: miniappId }).first();
  const row = await (db.dialect === 'postgres' ? query.forNoKeyUpdate() : query);
  return row === undefined ? undefined : miniappFromRow(row);
}

/** False when the id is taken. `sealedWebhookSecret` is for the key ring to open. */
export async function insertMiniApp(db: Queryable, app: MiniApp, sealedWebhookSecret: string | null): Promise<boolean> {
  const rows = await db.sql('miniapp').insert({ ...rowFromMiniapp(app), webhook_secret: sealedWebhookSecret }).onConflict('miniapp_id').ignore().returning<object[]>('miniapp_id');
  return rows.length === 1;
}

/** Writes what a manifest, an edit or a release may change; counters and the life cycle have their own ways. */
export async function updateMiniAppDetails(db: Queryable, app: MiniApp): Promise<void> {
  const { miniapp_id, install_count: _count, created_at: _created, status: _status, published_at: _published, ...details } = rowFromMiniapp(app);
  await db.sql('miniapp').where({ miniapp_id }).update(details);
}

/** False when the app is no longer in state `from`: somebody was faster. */
export async function moveMiniApp(db: Queryable, miniappId: MiniAppId, from: MiniAppStatus, to: MiniAppStatus, change: { now: number; reason?: string | undefined; published: boolean }): Promise<boolean> {
  const changed = await db
    .sql('miniapp')
    .where({ miniapp_id: miniappId, status: from })
    .update({ status: to, status_reason: change.reason ?? null, updated_at: change.now, ...(change.published ? { published_at: change.now } : {}) });
  return changed === 1;
}

export async function setClassification(db: Queryable, miniappId: MiniAppId, classification: Classification, now: number): Promise<void> {
  await db.sql('miniapp').where({ miniapp_id: miniappId }).update({ classification, updated_at: now });
}

/** Ids of what this owner has in one of these states. */
export async function listOwned(db: Queryable, owner: Owner, states: readonly MiniAppStatus[]): Promise<string[]> {
  const column = 'userId' in owner ? { owner_user_id: owner.userId } : { owner_org_id: owner.orgId };
  return db.sql<MiniAppRow>('miniapp').where(column).whereIn('status', [...states]).pluck('miniapp_id');
}

export interface ClientRow {
  readonly clientId: string;
  readonly miniappId: MiniAppId;
  readonly kind: 'public' | 'confidential';
}

export async function insertClient(db: Queryable, client: ClientRow, now: number): Promise<void> {
  await db.sql('oauth_client').insert({ client_id: client.clientId, miniapp_id: client.miniappId, kind: client.kind, created_at: now });
}

export async function insertClientSecret(db: Queryable, clientId: string, hash: string, now: number): Promise<void> {
  await db.sql('client_secret').insert({ hash, client_id: clientId, created_at: now, expires_at: null });
}

export async function findClient(db: Queryable, clientId: string): Promise<ClientRow | undefined> {
  const row = await db.sql<{ client_id: string; miniapp_id: string; kind: 'public' | 'confidential' }>('oauth_client').where({ client_id: clientId }).first();
  return row === undefined ? undefined : { clientId: row.client_id, miniappId: asMiniAppId(row.miniapp_id), kind: row.kind };
}

/** Hashes of the secrets that are good at `now`. */
export async function listSecretHashes(db: Queryable, clientId: string, now: number): Promise<string[]> {
  return db
    .sql<{ hash: string; client_id: string; expires_at: number | null }>('client_secret')
    .where({ client_id: clientId })
    .andWhere((q) => void q.whereNull('expires_at').orWhere('expires_at', '>', now))
    .pluck('hash');
}

/** Secrets that are good now end at `at` at the latest. */
export async function expireClientSecrets(tx: Transaction, clientId: string, at: number): Promise<void> {
  await tx
    .sql('client_secret')
    .where({ client_id: clientId })
    .andWhere((q) => void q.whereNull('expires_at').orWhere('expires_at', '>', at))
    .update({ expires_at: at });
}

export async function findConfidentialClient(db: Queryable, miniappId: string): Promise<string | undefined> {
  return (await db.sql('oauth_client').where({ miniapp_id: miniappId, kind: 'confidential' }).first<{ client_id: string } | undefined>('client_id'))?.client_id;
}

/** Sealed. */
export async function findWebhookSecret(db: Queryable, miniappId: string): Promise<string | undefined> {
  return (await db.sql('miniapp').where({ miniapp_id: miniappId }).first<{ webhook_secret: string | null } | undefined>('webhook_secret'))?.webhook_secret ?? undefined;
}

/** Where the app's server listens, with its sealed secret. */
export async function findWebhook(db: Queryable, miniappId: string): Promise<{ readonly status: MiniAppStatus; readonly updatedAt: number; readonly url: string | undefined; readonly sealedSecret: string | undefined } | undefined> {
  const [row] = await runSql<Pick<MiniAppRow, 'status' | 'updated_at' | 'webhook_url' | 'webhook_secret'>>(db, 'SELECT status, updated_at, webhook_url, webhook_secret FROM miniapp WHERE miniapp_id = ?', [miniappId]);
  return row === undefined ? undefined : { status: row.status, updatedAt: row.updated_at, url: row.webhook_url ?? undefined, sealedSecret: row.webhook_secret ?? undefined };
}

export async function setWebhookSecret(tx: Transaction, miniappId: string, sealed: string, now: number): Promise<void> {
  await tx.sql('miniapp').where({ miniapp_id: miniappId }).update({ webhook_secret: sealed, updated_at: now });
}
