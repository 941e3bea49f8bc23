import { expect } from 'chai';
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { openDatabase, type Database, type Transaction } from '../../src/database/index.ts';
import { auditExternal } from '../../src/external/index.ts';
import { auditGifts } from '../../src/gifts/index.ts';
import { asUserId } from '../../src/kernel/ids.ts';
import { auditPayments } from '../../src/payments/index.ts';
import { auditTransfers } from '../../src/transfers/index.ts';
import { auditLedger, createWallet, createWalletAdministration, totalsOf, type Break } from '../../src/wallet/index.ts';
import { linkProofOf } from '../http/wallet/fake-proofs.ts';
import { newEcKey } from '../http/mfa/device-key.ts';
import { appToken, newShop, type Shop } from '../http/payments/support.ts';
import { limits, usd } from '../wallet/support.ts';
import { call, firstPartyToken } from '../support/api.ts';
import { onBothDatabases } from '../support/databases.ts';
import { eventually } from '../support/eventually.ts';
import { postgresAvailable, startPostgres, type Postgres } from '../support/postgres.ts';
import { prepareServer, type ServerProcess } from '../support/server-process.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { tmcpJson, tmcpPrints } from '../support/tmcp.ts';
import { proofOf } from '../http/wallet/fake-proofs.ts';
import { BankClient, newLedger, type ClientOptions, type Ledger } from './bank/client.ts';
import { startBankHomeserver, type BankHomeserver } from './bank/homeserver.ts';

/** How long the clients go on; for a long run set `TMCP_TEST_BANK_SECONDS`. */
const SECONDS = Number(process.env.TMCP_TEST_BANK_SECONDS ?? 15);
/** A slow machine takes its time to start a server again: then it goes on for longer. */
const LEAST_KILLS = 4;
const PEOPLE = ['ann', 'ben', 'cat', 'dan', 'eva', 'fox', 'gus', 'hal'];
const EACH_MINOR = 100_000;
const SETTLED_WITHIN_MS = 60_000 + SECONDS * 1000;

const userOf = (name: string): string => `@${name}:example.org`;

onBothDatabases('the bank under kill -9', (databases) => {
  let homeserver: BankHomeserver;
  /** A cluster of its own, whose postmaster can be killed; undefined on SQLite, and where only somebody else's can be had. */
  let postgres: Postgres | undefined;
  let database: Database;
  let servers: ServerProcess[];
  let shop: Shop;
  let adminToken: string;
  const ledger: Ledger = newLedger();

  before(async function () {
    this.timeout(60_000);
    homeserver = await startBankHomeserver(PEOPLE);
    if (databases.dialect === 'postgres' && (await postgresAvailable('private')) === undefined) postgres = await startPostgres();
    const url = await (postgres?.createDatabase() ?? databases.createUrl());
    const directory = temporaryDirectory('bank');
    // Two servers where two may be: what they must agree on goes through the database.
    const count = databases.dialect === 'postgres' ? 2 : 1;
    servers = [];
    for (let n = 0; n < count; n += 1) {
      servers.push(
        await prepareServer({
          program: join(import.meta.dirname, 'bank/server.ts'),
          databaseUrl: url,
          env: {
            TMCP_SERVER_PUBLIC_URL: 'http://127.0.0.1:20000',
            TMCP_SECURITY_KEY_RING: join(directory, 'key-ring.json'),
            TMCP_HOMESERVER_URL: homeserver.url,
            TMCP_HOMESERVER_DOMAIN: 'example.org',
            TMCP_LOG_LEVEL: 'warn',
            TMCP_JOBS_LEASE_SECONDS: '5',
            TMCP_TRANSFERS_RECIPIENT_ACCEPTANCE: 'above',
            TMCP_TRANSFERS_ACCEPTANCE_ABOVE: '5',
            // So short that much of what waits is overtaken by its deadline.
            TMCP_TRANSFERS_ACCEPTANCE_SECONDS: '3',
            TMCP_GIFTS_LIFETIME_SECONDS: '3',
            TMCP_PAYMENTS_AUTHORIZE_SECONDS: '3',
            TMCP_EXTERNAL_APPROVAL_ABOVE: '5',
            TMCP_EXTERNAL_APPROVALS: '1',
            TMCP_EXTERNAL_ASK_AGAIN_SECONDS: '2',
            TMCP_MFA_REQUIRE_FOR_FIRST_PAYMENT: 'false',
            TMCP_MFA_REQUIRE_FOR_NEW_DEVICE: 'false',
            TMCP_MFA_LOWERED_LIMITS_PERCENT: '100',
          },
        }),
      );
    }
    for (const server of servers) await server.start();
    database = openDatabase({ url, poolSize: 4, busyTimeoutMs: 10_000, lockTimeoutMs: 10_000 });
    const clock = { now: () => Date.now() };
    const wallet = createWallet({ database, clock, levels: [limits, limits, limits], defaultCurrency: usd });
    for (const name of PEOPLE) {
      await createWalletAdministration({ database, clock, wallet, record: () => Promise.resolve() }).credit(asUserId(userOf(name)), { amountMinor: EACH_MINOR, currency: usd }, 'Start');
    }
    await database.sql('wallet').update({ activated_at: Date.now(), level: 3 });
    const [{ url: serverUrl, env }] = servers as [ServerProcess];
    adminToken = (await tmcpPrints(['admin', 'token', '--name', 'bank'], { env })).trimEnd();
    // Nobody answers there, and nobody is asked: the address is one that no webhook may go to.
    shop = await newShop({ url: serverUrl, adminToken }, 'ma_shop', { webhookUrl: 'https://127.0.0.1:9/hook' });
  });
  /** Somebody with a session of the host client and one of the shop, and a device that signs. */
  const customer = async (name: string) => {
    const [{ url: serverUrl }] = servers as [ServerProcess];
    const who = { matrixToken: `syt_${name}` };
    const [token, key, deviceId] = [await firstPartyToken(serverUrl, who.matrixToken, 'tmcp_p2p'), newEcKey(), `device_${name}`];
    const session = await appToken({ url: serverUrl }, who, shop, { miniapp_context: JSON.stringify({ room_id: homeserver.roomId }) });
    expect((await call(serverUrl, 'POST', '/wallet/v1/devices/register', { token, body: { device_id: deviceId, public_key: key.publicKey } })).status).to.equal(201);
    const account = await accountOf(serverUrl, token, name);
    return { token, outside: { account, adminToken }, till: { appToken: session, key, deviceId, merchant: shop.basic.authorization! } };
  };
  /** An account outside, which its owner has shown to be theirs. */
  const accountOf = async (serverUrl: string, token: string, name: string): Promise<string> => {
    const number = `100${PEOPLE.indexOf(name)}`;
    const details = { account_type: 'bank_account', currency: 'USD', account_details: { account_number: number, holder_name: name }, idempotency_key: `link-${name}`, auth_proof: linkProofOf(`link-${name}:bank_account:USD:${number}`) };
    const { status, body } = await call(serverUrl, 'POST', '/wallet/v1/external/link', { token, body: details });
    expect(status, JSON.stringify(body)).to.equal(200);
    const id = body.external_account_id as string;
    await eventually(async () => expect((await call(serverUrl, 'GET', `/wallet/v1/external/${id}`, { token })).body.verification.ready).to.equal(true), { description: 'the provider has begun' });
    expect((await call(serverUrl, 'POST', '/wallet/v1/external/verify', { token, body: { external_account_id: id, verification_data: { micro_deposits: [0.32, 0.45] } } })).status).to.equal(200);
    return id;
  };
  after(async () => {
    for (const server of servers ?? []) await server.stop();
    await database?.close();
    await postgres?.stop();
    await homeserver?.close();
  });

  const count = async (table: string, where: object = {}): Promise<number> => Number((await database.sql(table).where(where).count<{ n: number | string }[]>({ n: '*' }))[0]?.n);
  interface Looked {
    readonly breaks: Break[];
    readonly totals: [string, string][];
    /** What came in from outside less what went out. */
    readonly broughtIn: number;
  }
  const lookAt = async (tx: Transaction): Promise<Looked> => {
    const breaks: Break[] = [];
    for (const audit of [auditLedger, auditTransfers, auditGifts, auditPayments, auditExternal]) breaks.push(...(await audit(tx)));
    const moved = await tx.sql<{ kind: string; status: string; amount: number }>('external_order').where({ status: 'completed' }).select('kind', 'amount');
    return { breaks, totals: (await totalsOf(tx)).map(({ currency, inside }) => [currency, inside]), broughtIn: moved.reduce((sum, { kind, amount }) => sum + (kind === 'funding' ? amount : -amount), 0) };
  };
  const look = (): Promise<Looked> =>
    // One connection, and on PostgreSQL one snapshot: servers may be running.
    database.inTransaction(async (tx) => {
      if (database.dialect === 'postgres') await tx.sql.raw('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY');
      return lookAt(tx);
    });
  const assertBooks = async (): Promise<void> => {
    const { breaks, totals, broughtIn } = await look();
    expect(breaks).to.deep.equal([]);
    expect(totals).to.deep.equal([['USD', String(EACH_MINOR * PEOPLE.length + broughtIn)]]);
  };
  const sentTo = (type: string): Record<string, unknown>[] => homeserver.sent.filter((event) => event.room_id === homeserver.roomId && event.type === type).map(({ content }) => content);
  const tally = (ids: readonly unknown[]): Map<unknown, number> => ids.reduce<Map<unknown, number>>((counts, id) => counts.set(id, (counts.get(id) ?? 0) + 1), new Map<unknown, number>());
  const column = (table: string, name: string, where: object | string): Promise<unknown[]> => (typeof where === 'string' ? database.sql(table).whereRaw(where) : database.sql(table).where(where)).pluck(name);

  it(`keeps every cent through ${SECONDS} s of transfers, gifts, payments, refunds, fundings and withdrawals`, async function () {
    this.timeout(SECONDS * 1000 + 120_000);
    const deadline = Date.now() + SECONDS * 1000;
    let over = false;
    const shared: Pick<ClientOptions, 'urls' | 'roomId' | 'ledger' | 'gifts' | 'waiting' | 'isOver'> = { urls: servers.map(({ url }) => url), roomId: homeserver.roomId, ledger, gifts: [], waiting: [], isOver: () => over };
    const clients = await Promise.all(
      PEOPLE.map(async (name) => new BankClient({ ...shared, prove: proofOf, me: userOf(name), others: PEOPLE.filter((other) => other !== name).map(userOf), ...(await customer(name)) })),
    );
    const running = Promise.all(clients.map((client) => client.run()));
    let kills = 0;
    let postmasters = 0;
    while (Date.now() < deadline || kills < LEAST_KILLS) {
      await delay(randomInt(200, 2500));
      // Crash point "postmaster killed": the servers stay, and lose all their connections in whatever they do.
      if (postgres !== undefined && kills % 3 === 1) {
        await postgres.kill();
        await postgres.restart();
        postmasters += 1;
        await assertBooks();
      }
      const server = servers[randomInt(servers.length)]!;
      await server.kill();
      kills += 1;
      await assertBooks();
      await server.start();
    }
    over = true;
    await running;
    await assertBooks();
    console.log(`      ${kills} kills and ${postmasters} of the postmaster, ${ledger.requests} requests, ${ledger.confirmed.size} confirmed, ${ledger.opened.size} shares opened, ${ledger.paid.size} payments, ${ledger.refunded.size} refunds, ${await count('external_order', { status: 'completed' })} of ${await count('external_order')} fundings and withdrawals`);
    expect(ledger.wrong).to.deep.equal([]);
    if (postgres !== undefined) expect(postmasters).to.be.greaterThan(0);
  });

  it('brought everything to an end, with the money of what expired back where it came from', async function () {
    this.timeout(SETTLED_WITHIN_MS + 5000);
    const open = async (): Promise<number> => (await count('p2p_transfer', { status: 'pending_recipient_acceptance' })) + (await count('gift', { status: 'active' })) + (await count('gift', { status: 'partially_opened' })) + (await count('payment', { status: 'pending_authorization' })) + (await count('external_order', { status: 'processing' })) + (await count('external_order', { status: 'pending_approval' }));
    await eventually(async () => expect(await open()).to.equal(0), { description: 'every deadline is kept', timeoutMs: SETTLED_WITHIN_MS });
    await assertBooks();
    const held = await database.sql('ledger_account').whereNot({ dr_pending: 0 }).orWhereNot({ cr_pending: 0 }).select('id');
    const inEscrow = await database.sql('ledger_account').where({ kind: 'gift_escrow' }).andWhereRaw('cr_posted <> dr_posted').select('id');
    expect([held, inEscrow]).to.deep.equal([[], []]);
    console.log(`      ${await count('p2p_transfer', { status: 'expired' })} transfers and ${await count('gift', { status: 'expired' })} gifts and ${await count('payment', { status: 'expired' })} payments expired`);
  });

  it('executed no key twice, and did all that it had acknowledged', async () => {
    expect([...ledger.answers].filter(([, answers]) => answers.size !== 1)).to.deep.equal([]);
    expect((await count('p2p_transfer')) + (await count('gift')) + (await count('payment')) + (await count('payment_refund')) + (await count('external_order'))).to.equal(ledger.answers.size);
    expect((await count('idempotency_key')) - (await count('external_account'))).to.equal(ledger.answers.size);
    const done = new Set([...(await column('p2p_transfer', 'id', 'txn_id IS NOT NULL')), ...(await column('gift', 'id', `status <> 'pending_authorization'`)), ...(await column('external_order', 'id', 'confirmed_at IS NOT NULL'))]);
    expect([...ledger.confirmed].filter((id) => !done.has(id))).to.deep.equal([]);
    const [made, returned] = [new Set(await column('payment', 'id', 'completed_at IS NOT NULL')), new Set(await column('payment_refund', 'id', {}))];
    expect([[...ledger.paid].filter((id) => !made.has(id)), [...ledger.refunded].filter((id) => !returned.has(id))]).to.deep.equal([[], []]);
    const shares = await database.sql<{ gift_id: string; opened_by: string; amount: number }>('gift_share').whereNotNull('opened_by');
    const amounts = new Map(shares.map(({ gift_id, opened_by, amount }) => [`${gift_id} ${opened_by}`, amount]));
    for (const [who, amount] of ledger.opened) expect(amounts.get(who), who).to.equal(amount);
  });

  it('announced everything exactly once', async function () {
    this.timeout(SETTLED_WITHIN_MS + 5000);
    await eventually(async () => expect(await count('job', { kind: 'matrix.event', state: 'queued' })).to.equal(0), { description: 'every event is sent', timeoutMs: SETTLED_WITHIN_MS });
    expect(await count('job', { state: 'parked' })).to.equal(0);
    const once = (announced: readonly unknown[], expected: readonly unknown[]): void => {
      expect([...tally(announced)].filter(([, times]) => times !== 1)).to.deep.equal([]);
      expect(announced).to.have.members(expected);
    };
    once(sentTo('m.tween.wallet.p2p').map(({ transfer_id: id }) => id), await column('p2p_transfer', 'id', 'txn_id IS NOT NULL'));
    once(sentTo('m.tween.wallet.p2p.status').map(({ transfer_id: id }) => id), await column('p2p_transfer', 'id', `acceptance_required = 1 AND txn_id IS NOT NULL AND status <> 'pending_recipient_acceptance'`));
    once(sentTo('m.tween.gift').map(({ gift_id: id }) => id), await column('gift', 'id', {}));
    once(sentTo('m.tween.gift.expired').map(({ gift_id: id }) => id), await column('gift', 'id', { status: 'expired' }));
    const payments: Readonly<Record<string, object | string>> = { request: {}, completed: 'completed_at IS NOT NULL', cancelled: { status: 'cancelled' }, expired: { status: 'expired' }, failed: { status: 'failed' } };
    for (const [told, where] of Object.entries(payments)) {
      const ids = await column('payment', 'id', where);
      once(sentTo(`m.tween.payment.${told}`).map(({ payment_id: id }) => id), ids);
      if (told !== 'request') once((await database.sql<{ event: string; payload: string }>('webhook_delivery').where({ event: `payment.${told}` }).pluck('payload')).map((payload: string) => (JSON.parse(payload) as { data: { payment_id: string } }).data.payment_id), ids);
    }
    once(sentTo('m.tween.payment.refunded').map(({ refund_id: id }) => id), await column('payment_refund', 'id', {}));
    const ends = homeserver.sent.filter(({ type, content }) => ['m.tween.wallet.withdrawal', 'm.tween.wallet.funding'].includes(type) && !['processing', 'pending_approval'].includes(String(content.status)));
    const orders = await database.sql<{ id: string; status: string }>('external_order').select('id', 'status');
    once(ends.map(({ content }) => `${String(content.withdrawal_id ?? content.funding_id)} ${String(content.status)}`), orders.map(({ id, status }) => `${id} ${status}`));
    const opened = await database.sql<{ gift_id: string; opened_by: string }>('gift_share').whereNotNull('opened_by');
    once(sentTo('m.tween.gift.opened').map(({ gift_id: id, opened_by: by }) => `${String(id)} ${String(by)}`), opened.map(({ gift_id, opened_by }) => `${gift_id} ${opened_by}`));
  });

  it('related each later event to the first of its transfer or gift, across restarts', async () => {
    const first = new Map(homeserver.sent.map(({ event_id: eventId, type, content }) => [type === 'm.tween.gift' ? String(content.gift_id) : type === 'm.tween.wallet.p2p' ? String(content.transfer_id) : type === 'm.tween.payment.request' ? String(content.payment_id) : '', eventId]));
    const later = ['m.tween.wallet.p2p.status', 'm.tween.gift.opened', 'm.tween.gift.expired', ...['completed', 'cancelled', 'expired', 'failed', 'refunded'].map((told) => `m.tween.payment.${told}`)].flatMap(sentTo);
    const wrong = later.filter((content) => (content['m.relates_to'] as { event_id: string } | undefined)?.event_id !== first.get(String(content.transfer_id ?? content.gift_id ?? content.payment_id)));
    expect(wrong).to.deep.equal([]);
  });

  it('passes tmcp wallet audit beside the running server', async function () {
    this.timeout(60_000);
    expect(await tmcpJson(['wallet', 'audit', '--json'], { env: servers[0]!.env })).to.deep.include({ breaks: [] });
  });
});
