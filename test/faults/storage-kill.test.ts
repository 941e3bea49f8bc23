import { expect } from 'chai';
import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { openDatabase } from '../../src/database/index.ts';
import { call } from '../support/api.ts';
import { onBothDatabases } from '../support/databases.ts';
import { startStorageProcess, type StorageProcess } from '../support/storage-process.ts';
import { recount } from '../http/storage/support.ts';

const WRITERS = 8;
const KEYS_EACH = 6;
/** A slow machine goes on until so much has been written, but not for ever. */
const LEAST_KILLS = 8;
const LEAST_WRITES = 100;
const LIMIT_MS = 240_000;
const KILLING_MS = 120_000;

/** What one writer knows of a key of its own. */
interface Known {
  /** The last value that was acknowledged; undefined: none is there. */
  value: string | undefined;
  /** Sent, and not answered: it may or may not hold. */
  doubtful: string | null | undefined;
}

onBothDatabases('stored entries under kill -9', (databases) => {
  let world: StorageProcess;
  let databaseUrl: string;
  before(async function () {
    this.timeout(60_000);
    databaseUrl = await databases.createUrl();
    world = await startStorageProcess({ databaseUrl });
  });
  after(() => world?.close());

  it(`keeps every acknowledged write over ${LEAST_KILLS} kills and more, and its counters equal a recount`, async function () {
    this.timeout(LIMIT_MS);
    const { server } = world;
    const token = await world.token();
    const known = new Map<string, Known>();
    let ended = false;
    let acknowledged = 0;
    let lost = 0;

    /** Writes until it is answered: a repeat has the same mutation_id, so that it is one write. */
    const write = async (key: string, value: string | undefined, mutationId: string): Promise<void> => {
      const state = known.get(key)!;
      state.doubtful = value ?? null;
      for (;;) {
        try {
          const answer = value === undefined ? await call(server.url, 'DELETE', `/api/v1/storage/${key}`, { token, body: { mutation_id: mutationId } }) : await call(server.url, 'PUT', `/api/v1/storage/${key}`, { token, body: { value, mutation_id: mutationId } });
          if (answer.status !== 200) throw new Error(`${key} ${String(value)}: ${answer.status} ${JSON.stringify(answer.body)}`);
          state.value = value;
          state.doubtful = undefined;
          acknowledged += 1;
          return;
        } catch (error) {
          if (!(error instanceof TypeError)) throw error;
          lost += 1;
          if (ended) return;
          await delay(20);
        }
      }
    };
    const writer = async (name: number): Promise<void> => {
      for (let n = 0; !ended; n += 1) {
        const key = `w${name}-${n % KEYS_EACH}`;
        if (!known.has(key)) known.set(key, { value: undefined, doubtful: undefined });
        const there = known.get(key)!.value !== undefined;
        await write(key, there && n % 5 === 0 ? undefined : `${n} ${'x'.repeat(randomInt(2000))}`, `w${name}-${n}`);
      }
    };
    const writers = Array.from({ length: WRITERS }, (_, name) => writer(name));
    const deadline = Date.now() + KILLING_MS;
    for (let kills = 0; kills < LEAST_KILLS || (acknowledged <= LEAST_WRITES && Date.now() < deadline); kills += 1) {
      await Promise.race([delay(randomInt(200, 1500)), Promise.all(writers)]);
      await server.kill();
      await server.start();
    }
    ended = true;
    await Promise.all(writers);

    for (const [key, { value, doubtful }] of known) {
      const { status, body } = await call(server.url, 'GET', `/api/v1/storage/${key}`, { token });
      const found = status === 200 ? (body.value as string) : undefined;
      if (doubtful !== undefined && found === (doubtful ?? undefined)) continue;
      expect(found, key).to.equal(value);
    }
    await server.stop();
    const database = openDatabase({ url: databaseUrl, poolSize: 1, busyTimeoutMs: 5000, lockTimeoutMs: 5000 });
    const counts = await recount({ database });
    const revisions = await database.sql('storage_entry').max<{ last: number }[]>({ last: 'rev' });
    const spaces = await database.sql<{ rev: number }>('storage_space').pluck('rev');
    await database.close();
    console.log(`      ${acknowledged} writes acknowledged, ${lost} answers lost`);
    expect(counts).to.have.length(1);
    expect(counts[0]).to.include({ bytes: counts[0]!.counted_bytes, keys: counts[0]!.counted_keys });
    expect(spaces).to.deep.equal([revisions[0]?.last]);
    expect(acknowledged).to.be.greaterThan(LEAST_WRITES);
    expect(lost).to.be.greaterThan(0);
  });
});
