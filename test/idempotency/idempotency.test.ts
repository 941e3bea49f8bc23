import { expect } from 'chai';
import type { Database } from '../../src/database/index.ts';
import type { JsonText} from '../../src/http/index.ts';
import { answer, type ApiAnswer } from '../../src/http/index.ts';
import { createIdempotency, type Idempotency, type KeyedRequest } from '../../src/idempotency/index.ts';
import { asUserId } from '../../src/kernel/ids.ts';
import { onBothDatabases, openTestDatabase } from '../support/databases.ts';

const hourMs = 3_600_000;
const alice = asUserId('@alice:example.org');
const bob = asUserId('@bob:example.org');

onBothDatabases('idempotency keys', (databases) => {
  let database: Database;
  let time = 1_000_000;
  let serial = 0;
  let first: Idempotency;
  /** Another process over the same database. */
  let second: Idempotency;
  before(async () => {
    database = await openTestDatabase(databases);
    const make = () => createIdempotency({ database, clock: { now: () => time }, keepMs: 24 * hourMs });
    [first, second] = [make(), make()];
    await database.sql.schema.createTable('effect', (table) => void table.text('name'));
  });
  beforeEach(() => {
    serial += 1;
  });
  after(() => database.close());

  const request = (fields: Partial<KeyedRequest> = {}): KeyedRequest => ({ userId: alice, clientId: 'tmcp_p2p', operation: 'initiate', key: `key-${serial}`, body: { amount: 5, to: 'bob' }, ...fields });
  const effects = async (): Promise<number> => (await database.sql<{ name: string }>('effect').where({ name: `effect-${serial}` })).length;
  /** An operation with an effect that can be counted, and an answer that is never the same twice. */
  const once = (with_: Idempotency, keyed = request(), prepare: () => Promise<unknown> = () => Promise.resolve(), status = 200): Promise<ApiAnswer> =>
    with_.run(keyed, {
      prepare,
      async work(tx) {
        await tx.sql('effect').insert({ name: `effect-${serial}` });
        return answer({ id: Math.random() }, status);
      },
    });
  const textOf = ({ body }: ApiAnswer): string => (body as JsonText).text;
  const codeOf = (promise: Promise<unknown>): Promise<string> => promise.then(() => 'done', (error: unknown) => (error as { code?: string }).code ?? String(error));

  it('replays the first answer byte for byte, with its status, and says so', async () => {
    const original = await once(first, request(), undefined, 402);
    const repeated = await once(second, request(), undefined, 402);
    expect(repeated).to.deep.include({ status: 402, headers: { 'Idempotency-Replayed': 'true' } });
    expect(original.headers).to.deep.equal({});
    expect(textOf(repeated)).to.equal(textOf(original));
    expect(await effects()).to.equal(1);
  });

  it('takes the order of fields, and other credentials, for the same request', async () => {
    const original = await once(first, request({ body: { amount: 5, to: 'bob', auth_proof: { pin: '1' }, idempotency_key: 'a' } }));
    expect(textOf(await once(first, request({ body: { to: 'bob', amount: 5, auth_proof: { pin: '2' } } })))).to.equal(textOf(original));
  });

  it('refuses another body under the same key', async () => {
    await once(first);
    for (const body of [{ amount: 6, to: 'bob' }, { amount: 5 }, { amount: 5, to: 'bob', note: '' }]) expect(await codeOf(once(second, request({ body })))).to.equal('DUPLICATE_TRANSACTION');
    expect(await effects()).to.equal(1);
  });

  it('keeps users, clients and operations apart', async () => {
    const others = [request(), request({ userId: bob }), request({ clientId: 'tmcp_wallet' }), request({ operation: 'gift' })];
    const answers = await Promise.all(others.map((keyed) => once(first, keyed)));
    expect(new Set(answers.map(textOf)).size).to.equal(4);
    expect(await effects()).to.equal(4);
  });

  it('executes once, however many come at the same moment, by however many processes', async () => {
    const outcomes = await Promise.all(Array.from({ length: 12 }, (_, n) => once(n % 2 === 0 ? first : second).then(textOf, (error: unknown) => (error as { code: string }).code)));
    const answered = outcomes.filter((text) => text.startsWith('{'));
    expect(new Set(answered).size).to.equal(1);
    expect(outcomes.filter((text) => !text.startsWith('{') && text !== 'REQUEST_IN_PROGRESS')).to.deep.equal([]);
    expect(await effects()).to.equal(1);
    expect(textOf(await once(second))).to.equal(answered[0]);
  });

  it('says that the first one is running, and when to come back', async () => {
    let goOn = (): void => {};
    const waiting = new Promise<void>((resolve) => (goOn = resolve));
    const slow = once(first, request(), () => waiting);
    const error = await once(first).then(() => undefined, (thrown: unknown) => thrown as { code: string; status: number; retryAfterMs: number });
    expect(error).to.include({ code: 'REQUEST_IN_PROGRESS', status: 409, retryAfterMs: 1000 });
    goOn();
    await slow;
    expect(await effects()).to.equal(1);
  });

  it('keeps nothing of a request that failed, so that it can be tried again', async () => {
    expect(await codeOf(once(first, request(), () => Promise.reject(new Error('away'))))).to.equal('Error: away');
    const dying = first.run(request(), { prepare: () => Promise.resolve(), async work(tx) {
      await tx.sql('effect').insert({ name: `effect-${serial}` });
      throw new Error('died');
    } });
    expect(await codeOf(dying)).to.equal('Error: died');
    expect(await effects()).to.equal(0);
    expect((await once(first)).status).to.equal(200);
    expect(await effects()).to.equal(1);
  });

  it('forgets a key after its time and not before', async () => {
    const original = await once(first);
    const purge = () => database.inTransaction((tx) => first.purge(tx, time));
    time += 24 * hourMs;
    await purge();
    expect(textOf(await once(first))).to.equal(textOf(original));
    time += 1;
    await purge();
    expect(textOf(await once(first))).not.to.equal(textOf(original));
  });
});
