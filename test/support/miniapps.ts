import type { Database } from '../../src/database/index.ts';
import type { MiniAppId } from '../../src/kernel/ids.ts';

/** A row that others may refer to, for suites without the registry. */
export async function insertTestApp(database: Database, miniappId: MiniAppId): Promise<void> {
  const empty = { redirect_uris: '[]', scopes: '[]', developer: '{}', branding: '{}', marketing: '{}' };
  await database.sql('miniapp').insert({ miniapp_id: miniappId, name: miniappId, short_name: miniappId, description: '', category: 'utilities', classification: 'verified', status: 'active', client_type: 'hybrid', version: '1.0.0', entry_point: 'https://a.example', ...empty, install_mode: 'optional', display_order: 0, install_count: 0, registered_by: 'test', created_at: 0, updated_at: 0 });
}
