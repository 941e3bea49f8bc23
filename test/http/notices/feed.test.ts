import { expect } from 'chai';
import type { Database } from '../../../src/database/index.ts';
import { asUserId } from '../../../src/kernel/ids.ts';
import { createLocalWakes } from '../../../src/kernel/wakes.ts';
import { createNotices, type Notices } from '../../../src/notices/index.ts';
import { onBothDatabases, openTestDatabase } from '../../support/databases.ts';
import { recordingLog, TestClock } from '../oauth/support.ts';

const alice = asUserId('@alice:example.org');
const bob = asUserId('@bob:example.org');
const options = { retentionMs: 3_600_000, heartbeatMs: 20_000, slowReaderMs: 5000, pollIntervalMs: 50, maxPerSession: 4, maxStreams: 100 };

/** Positions of a stream's next events. */
async function* idsOf(text: AsyncIterable<string>): AsyncGenerator<{ readonly id: number; readonly event: string }> {
  for await (const part of text) for (const [, id, event] of part.matchAll(/^id: (\d+)\nevent: (\S+)$/gm)) yield { id: Number(id), event: event! };
}

onBothDatabases('the feed of notices', (databases) => {
  let here: Database;
  let there: Database;
  let clock: TestClock;
  let notices: Notices;
  let elsewhere: Notices;
  const made = (database: Database): Notices => createNotices({ database, clock, log: recordingLog(), wakes: createLocalWakes(), listLiveSessions: (ids) => Promise.resolve(new Set(ids)), options });
  before(async () => {
    const url = await databases.createUrl();
    here = await openTestDatabase(databases, url);
    // Two connections of one process to an SQLite file would wait for each other without ever letting the other go on.
    there = databases.dialect === 'sqlite' ? here : await openTestDatabase(databases, url);
    clock = new TestClock();
    [notices, elsewhere] = [made(here), made(there)];
  });
  after(async () => {
    for (const one of [notices, elsewhere]) one.release();
    await here.close();
    if (there !== here) await there.close();
  });

  const open = (lastEventId?: number, audience = 'ma_a') => notices.open({ userId: alice, audience, firstParty: audience === 'tmcp_store', sessionId: 's', holder: 's', lastEventId, checkAccess: () => Promise.resolve() });

  it('is told in the order of commits and without gaps, whoever writes', async () => {
    const { text } = open();
    const seen = idsOf(text);
    expect((await seen.next()).value.event).to.equal('ready');
    const writers = Array.from({ length: 8 }, async (_, writer) => {
      for (let n = 0; n < 15; n += 1) {
        const [database, one] = writer % 2 === 0 ? [here, notices] : [there, elsewhere];
        // Both users' feeds, in either order: nobody may wait for each other in a circle.
        const users = n % 2 === 0 ? [alice, bob] : [bob, alice];
        await database.inTransaction(async (tx) => {
          for (const userId of users) one.publish(tx, { userId, kind: 'storage.changed', audience: 'ma_a', forHost: false, body: { writer, n } });
          await Promise.resolve();
        });
      }
    });
    const ids: number[] = [];
    while (ids.length < 120) ids.push((await seen.next()).value.id as number);
    await Promise.all(writers);
    expect(ids).to.deep.equal(Array.from({ length: 120 }, (_, n) => n + 1));
    await seen.return(undefined);
    expect(notices.count()).to.equal(0);
  });

  it('is not told of what is rolled back', async () => {
    const before = await here.sql('notice').count<{ n: number | string }[]>({ n: '*' });
    await here
      .inTransaction((tx) => {
        notices.publish(tx, { userId: alice, kind: 'storage.changed', audience: 'ma_a', body: {} });
        return Promise.reject(new Error('not this one'));
      })
      .catch(() => undefined);
    expect(await here.sql('notice').count<{ n: number | string }[]>({ n: '*' })).to.deep.equal(before);
  });

  it("keeps a mini-app's chatter from costing others their notices", async () => {
    const since = Number((await here.sql('notice_feed').where({ user_id: alice }).first<{ last_pos: number }>())?.last_pos ?? 0);
    await here.inTransaction((tx) => Promise.resolve(notices.publish(tx, { userId: alice, kind: 'transfer.updated', body: {} })));
    for (let n = 0; n < 12; n += 1) {
      await here.inTransaction((tx) => {
        for (let m = 0; m < 100; m += 1) notices.publish(tx, { userId: alice, kind: 'storage.changed', audience: 'ma_chatty', forHost: false, body: {} });
        return Promise.resolve();
      });
    }
    const kept = await here.sql('notice').where({ user_id: alice, audience: 'ma_chatty' }).count<{ n: number | string }[]>({ n: '*' });
    expect(Number(kept[0]!.n)).to.be.within(1000, 1100);
    const first = async (audience: string): Promise<unknown> => {
      const seen = idsOf(open(since, audience).text);
      const events = [(await seen.next()).value, ...(audience === 'tmcp_store' ? [(await seen.next()).value] : [])];
      await seen.return(undefined);
      return events.map(({ event }: { event: string }) => event);
    };
    expect(await first('tmcp_store')).to.deep.equal(['ready', 'transfer.updated']);
    expect(await first('ma_a')).to.deep.equal(['ready']);
    expect(await first('ma_chatty')).to.deep.equal(['resync']);
  });

  it('cuts who does not read what it was sent', async () => {
    const { text, cut } = open();
    const reader = text[Symbol.asyncIterator]();
    await reader.next();
    // It has been given something and does not come for more.
    clock.advance(options.slowReaderMs + 1);
    if (!cut.aborted) await new Promise((resolve) => cut.addEventListener('abort', resolve, { once: true }));
    await reader.return!();
    expect(notices.count()).to.equal(0);
  });

  it('lets go of a client that is gone before its stream began, or while it waits', async () => {
    const early = open();
    await early.text[Symbol.asyncIterator]().return!();
    expect(notices.count()).to.equal(0);
    const waiting = open().text[Symbol.asyncIterator]();
    await waiting.next();
    const next = waiting.next();
    await waiting.return!();
    expect(notices.count()).to.equal(0);
    await next;
  });
});
