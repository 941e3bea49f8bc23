import { expect } from 'chai';
import { openDatabase } from '../../src/database/index.ts';
import { migrations } from '../../src/database/migrations/index.ts';
import { onBothDatabases } from '../support/databases.ts';

const retryMigration = '0031-refresh-retries';

onBothDatabases('an upgrade', (databases) => {
  it('keeps what a refresh may be repeated with, which had a table of its own', async () => {
    const database = openDatabase({ url: await databases.createUrl(), poolSize: 2, busyTimeoutMs: 5000, lockTimeoutMs: 5000 });
    try {
      const names = Object.keys(migrations);
      for (const name of names.slice(0, names.indexOf(retryMigration))) await migrations[name]!.up(database.sql);
      for (const hash of ['spent', 'successor']) await database.sql('oidc_entry').insert({ kind: 'RefreshToken', id_hash: hash, payload: '{}', expires_at: 1000 });
      await database.sql('refresh_rotation').insert({ token_hash: 'spent', successor_hash: 'successor', salt: 'salt', request_hash: 'request', expires_at: 500 });
      await migrations[retryMigration]!.up(database.sql);
      const rows = await database.sql('oidc_entry').orderBy('id_hash').select('id_hash', 'successor_hash', 'retry_salt', 'retry_hash', 'retry_until');
      expect(rows).to.deep.equal([
        { id_hash: 'spent', successor_hash: 'successor', retry_salt: 'salt', retry_hash: 'request', retry_until: 500 },
        { id_hash: 'successor', successor_hash: null, retry_salt: null, retry_hash: null, retry_until: null },
      ]);
    } finally {
      await database.close();
    }
  });
});
