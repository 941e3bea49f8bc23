import { expect } from 'chai';
import { call, type ApiResponse } from '../../support/api.ts';
import { onBothDatabases } from '../../support/databases.ts';
import { recount, startStorageServer, type Client, type StorageServer } from './support.ts';

const quota = 10_485_760;
const maxValue = 1_048_576;

onBothDatabases('the quota of stored entries', function (databases) {
  let server: StorageServer;
  let client: Client;
  before(async () => {
    server = await startStorageServer(databases);
  });
  beforeEach(async () => {
    client = await server.client('alice', await server.newApp());
  });
  afterEach(async () => {
    for (const { bytes, keys, counted_bytes, counted_keys } of await recount(server)) expect({ bytes, keys }).to.deep.equal({ bytes: counted_bytes, keys: counted_keys });
  });
  after(() => server.close());

  const usage = async (): Promise<{ current_usage_bytes: number; current_keys: number }> => (await client.get('/info')).body as { current_usage_bytes: number; current_keys: number };
  /** Fills the space up to `left` bytes. */
  const fillUpTo = async (left: number): Promise<void> => {
    for (let n = 0; n < 9; n += 1) expect((await client.put(`fill${n}`, { value: 'x'.repeat(maxValue) })).status).to.equal(200);
    const used = (await usage()).current_usage_bytes;
    expect((await client.put('fill9', { value: 'x'.repeat(quota - used - left - 5) })).status).to.equal(200);
    expect((await usage()).current_usage_bytes).to.equal(quota - left);
  };

  it('takes a value of 1 MiB however it is escaped, and not a byte more', async () => {
    expect((await client.put('plain', { value: 'x'.repeat(maxValue) })).status).to.equal(200);
    expect((await client.put('accents', { value: 'é'.repeat(maxValue / 2) })).status).to.equal(200);
    expect((await client.put('escaped', `{"value":"${'\\u0001'.repeat(maxValue)}"}`)).status).to.equal(200);
    expect((await client.get('/escaped')).body.metadata.size_bytes).to.equal(maxValue);
    expect((await client.put('json', `{"value":[${'1,'.repeat(maxValue / 2 - 2)}12]}`)).status).to.equal(200);
    for (const value of ['x'.repeat(maxValue + 1), `é${'x'.repeat(maxValue - 1)}`]) {
      const { status, body } = await client.put('more', { value });
      expect(status).to.equal(413);
      expect(body.error.code).to.equal('STORAGE_QUOTA_EXCEEDED');
      expect(body.error.details).to.include({ field: 'value', value_bytes: maxValue + 1, max_value_bytes: maxValue });
    }
    expect((await client.put('huge', `{"value":"${'x'.repeat(6 * maxValue + 65_536)}"}`)).body.error.code).to.equal('PAYLOAD_TOO_LARGE');
  });

  it('counts keys and values to the byte, and says how full it is', async () => {
    await fillUpTo(10);
    const over = await client.put('0123456789', { value: '1' });
    expect(over.status).to.equal(413);
    expect(over.body.error).to.include({ code: 'STORAGE_QUOTA_EXCEEDED', message: 'Storage quota exceeded' });
    expect(over.body.error.details).to.include({ current_usage_bytes: quota - 10, quota_bytes: quota });
    expect((await client.put('0123456', { value: 'abc' })).status).to.equal(200);
    expect((await client.put('a', { value: '' })).status).to.equal(413);
    // What gets no larger is always welcome.
    expect((await client.put('0123456', { value: 'xyz' })).status).to.equal(200);
    expect((await client.put('0123456', { value: 'é1' })).status).to.equal(200);
    expect((await client.put('0123456', { value: 'éé' })).status).to.equal(413);
    expect((await client.delete('0123456')).status).to.equal(200);
    expect((await client.put('é', { value: 12345678 })).status).to.equal(200);
  });

  it('holds 1,000 keys, and does not count what has expired', async () => {
    const items = (from: number, count: number, ttl?: number): object[] => Array.from({ length: count }, (_, n) => ({ key: `k${from + n}`, value: 0, ...(ttl === undefined ? {} : { ttl }) }));
    for (let n = 0; n < 10; n += 1) expect((await client.post('/batch/set', { items: items(n * 100, 100, n === 0 ? 60 : undefined) })).body.success).to.equal(true);
    const over = await client.put('one more', { value: 0 });
    expect(over.body.error.details).to.include({ current_keys: 1000, max_keys: 1000 });
    expect((await client.put('k500', { value: 1 })).status).to.equal(200);
    server.clock.advance(60_000);
    expect(await usage()).to.include({ current_keys: 900 });
    expect((await client.put('one more', { value: 0 })).status).to.equal(200);
    expect(await usage()).to.include({ current_keys: 901 });
  });

  it('gives back at once what has expired, to the byte', async () => {
    await client.put('brief', { value: 'x'.repeat(1000), ttl: 60 });
    await fillUpTo(0);
    expect((await client.put('n', { value: 'x'.repeat(1004) })).status).to.equal(413);
    server.clock.advance(60_000);
    expect((await client.put('n', { value: 'x'.repeat(1005) })).status).to.equal(413);
    expect((await client.put('n', { value: 'x'.repeat(1004) })).status).to.equal(200);
    expect((await usage()).current_usage_bytes).to.equal(quota);
  });

  it('is never passed by 50 writers at once, and none is refused that fits', async () => {
    await fillUpTo(5 * 100 + 20);
    const writers = Array.from({ length: 50 }, (_, n) => client.put(`writer-${String(n).padStart(2, '0')}-`, { value: 'x'.repeat(90) }));
    const answers = await Promise.all(writers);
    const statuses = (status: number): ApiResponse[] => answers.filter((answer) => answer.status === status);
    expect([statuses(200).length, statuses(413).length]).to.deep.equal([5, 45]);
    expect(await usage()).to.include({ current_usage_bytes: quota - 20, current_keys: 15 });
  });

  it('lets 50 writers of one key through one after another, each with a revision of its own', async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => client.put('same', { value: `${n}` })));
    expect(answers.map(({ body }) => body.rev as number).sort((a, b) => a - b)).to.deep.equal(Array.from({ length: 50 }, (_, n) => n + 1));
    expect(await usage()).to.include({ current_keys: 1 });
    const { body } = await client.get('/same');
    expect(answers[Number(body.value)]?.body.rev).to.equal(50);
  });

  it('is per user and app: a full one leaves others alone', async () => {
    await fillUpTo(0);
    const other = await server.client('bob', 'ma_official_store');
    expect((await other.put('k', { value: 1 })).status).to.equal(200);
    expect((await call(server.url, 'GET', '/api/v1/storage/info', { token: other.token })).body.current_usage_bytes).to.equal(2);
  });
});
