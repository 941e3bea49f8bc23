import { createWorld, exchange } from '../test/http/oauth/support.ts';
import { openDatabase, migrate } from '../src/database/index.ts';
import { temporaryDirectory } from '../test/support/temporary.ts';
import { join } from 'node:path';
import type { Measurement } from './support.ts';

const limitUs = 100;
const sessions = 50;
const rounds = 9;
const perRound = 2000;

const median = (values: number[]): number => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** What each request costs us to know who calls: the token's signature and claims, and whether its session lives. */
export async function measureVerification(): Promise<Measurement[]> {
  const url = `sqlite:${join(temporaryDirectory('bench'), 'tmcp.db')}`;
  const world = await createWorld(async () => {
    const database = openDatabase({ url, poolSize: 1, busyTimeoutMs: 5000, lockTimeoutMs: 5000 });
    await migrate(database);
    return database;
  });
  try {
    const tokens: string[] = [];
    for (let n = 0; n < sessions; n += 1) {
      world.identity.whoami.set(`syt_${n}`, { user_id: `@user${n}:example.org`, device_id: 'D', is_guest: false });
      tokens.push((await exchange(world.first, { client_id: 'ma_game', subject_token: `syt_${n}` })).body.access_token as string);
    }
    const verify = async (count: number, between: () => void): Promise<number> => {
      const start = performance.now();
      for (let n = 0; n < count; n += 1) {
        between();
        await world.first.oauth.verifyAccessToken(tokens[n % sessions]!);
      }
      return ((performance.now() - start) * 1000) / count;
    };
    const within: number[] = [];
    const anew: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      // A second later everything that was looked up is looked up again.
      anew.push(await verify(sessions, () => world.clock.advance(1000)));
      within.push(await verify(perRound, () => undefined));
    }
    const us = median(within);
    return [{ what: 'verification of an access token: the limit against what it takes', ratio: limitUs / us, atLeast: 1, detail: `${us.toFixed(0)} us of ${limitUs} us; ${median(anew).toFixed(0)} us for the first request of a session in a second` }];
  } finally {
    await world.close();
  }
}
