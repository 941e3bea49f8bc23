import { expect } from 'chai';
import type { Knex } from 'knex';
import { listDaysOfUse } from '../../src/catalog/activity-repo.ts';
import { browse, listCategories } from '../../src/catalog/listing-repo.ts';
import { migrate, openDatabase } from '../../src/database/index.ts';
import { migrations } from '../../src/database/migrations/index.ts';
import { asMiniAppId } from '../../src/kernel/ids.ts';
import { onBothDatabases } from '../support/databases.ts';
import { insertTestApp } from '../support/miniapps.ts';

onBothDatabases('a database from before the store had an index', (databases) => {
  it('gets one of all that is there', async () => {
    const database = openDatabase({ url: await databases.createUrl(), poolSize: 2, busyTimeoutMs: 5000, lockTimeoutMs: 5000 });
    const before = Object.keys(migrations).filter((name) => name < '0016');
    const source: Knex.MigrationSource<string> = { getMigrations: () => Promise.resolve(before), getMigrationName: (name) => name, getMigration: (name) => Promise.resolve({ down: () => Promise.resolve(), ...migrations[name]! }) };
    await database.sql.migrate.latest({ migrationSource: source, tableName: 'schema_migration' });
    await insertTestApp(database, asMiniAppId('ma_old_shop'));
    await insertTestApp(database, asMiniAppId('ma_old_draft'));
    await database.sql('miniapp').where({ miniapp_id: 'ma_old_draft' }).update({ status: 'draft' });
    const noon = 20_000 * 86_400_000 + 43_200_000;
    const installed = (n: number, state: string, at: number) => ({ user_id: `@u${n}:example.org`, miniapp_id: 'ma_old_shop', install_id: `i${n}`, state, version: '1.0.0', changed_at: at });
    await database.sql('installation').insert([installed(1, 'installed', noon), installed(2, 'installed', noon + 1), installed(3, 'removed', noon), installed(4, 'installed', noon + 86_400_000)]);
    await migrate(database);
    expect((await listDaysOfUse(database, 'ma_old_shop', 0, 30_000)).map(({ day, installations, removals }) => [day, installations, removals])).to.deep.equal([[20_000, 2, 1], [20_001, 1, 0]]);
    const found = await browse(database, { category: 'all', words: ['shop'], sort: 'name', limit: 10, offset: 0 });
    expect(found.apps.map(({ app }) => app.miniappId)).to.deep.equal(['ma_old_shop']);
    expect((await browse(database, { category: 'utilities', sort: 'popular', limit: 10, offset: 0 })).total).to.equal(1);
    expect(await listCategories(database)).to.deep.equal([{ id: 'utilities', apps: 1 }]);
    expect(await database.sql('catalog_entry').where({ mirrored: 1 }).pluck('miniapp_id'), 'the room showed all but drafts').to.deep.equal(['ma_old_shop']);
    await database.close();
  });
});
