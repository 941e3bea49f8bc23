import { expect } from 'chai';
import type { Knex } from 'knex';
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
    await migrate(database);
    const found = await browse(database, { category: 'all', words: ['shop'], sort: 'name', limit: 10, offset: 0 });
    expect(found.apps.map(({ app }) => app.miniappId)).to.deep.equal(['ma_old_shop']);
    expect((await browse(database, { category: 'utilities', sort: 'popular', limit: 10, offset: 0 })).total).to.equal(1);
    expect(await listCategories(database)).to.deep.equal([{ id: 'utilities', apps: 1 }]);
    expect(await database.sql('catalog_entry').where({ mirrored: 1 }).pluck('miniapp_id'), 'the room showed all but drafts').to.deep.equal(['ma_old_shop']);
    await database.close();
  });
});
