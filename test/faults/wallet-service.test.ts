import { expect } from 'chai';
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { openDatabase, type Database } from '../../src/database/index.ts';
import { auditGifts } from '../../src/gifts/index.ts';
import { asUserId } from '../../src/kernel/ids.ts';
import { auditPayments } from '../../src/payments/index.ts';
import { auditTransfers } from '../../src/transfers/index.ts';
import { auditLedger, createWallet, createWalletAdministration, totalsOf } from '../../src/wallet/index.ts';
import { newEcKey } from '../http/mfa/device-key.ts';
import { appToken, newShop, signatureOver } from '../http/payments/support.ts';
import { limits, usd } from '../wallet/support.ts';
import { call, firstPartyToken } from '../support/api.ts';
import { eventually } from '../support/eventually.ts';
import { prepareServer, type ServerProcess } from '../support/server-process.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { tmcpPrints } from '../support/tmcp.ts';
import { BankClient, newLedger, type ClientOptions } from './bank/client.ts';
import { startBankHomeserver, type BankHomeserver } from './bank/homeserver.ts';

const SECONDS = Number(process.env.TMCP_TEST_BANK_SECONDS ?? 12);
const LEAST_KILLS = 6;
const PATIENCE_MS = 60_000;
const PEOPLE = ['ann', 'ben', 'cat', 'dan', 'eva', 'fox'];
const EACH_MINOR = 100_000;
const SETTLED_WITHIN_MS = 90_000;
const apiKey = 'key-between-two-processes';
const userOf = (name: string): string => `@${name}:example.org`;

describe('the server and a wallet service, each under kill -9', () => {
  let homeserver: BankHomeserver;
  let server: ServerProcess;
  let service: ServerProcess;
  let here: Database;
  let bank: Database;
  const ledger = newLedger();

  const open = (url: string): Database => openDatabase({ url, poolSize: 4, busyTimeoutMs: 10_000, lockTimeoutMs: 10_000 });
  const policy = { TMCP_TRANSFERS_RECIPIENT_ACCEPTANCE: 'above', TMCP_TRANSFERS_ACCEPTANCE_ABOVE: '5', TMCP_MFA_REQUIRE_FOR_FIRST_PAYMENT: 'false', TMCP_MFA_REQUIRE_FOR_NEW_DEVICE: 'false', TMCP_MFA_LOWERED_LIMITS_PERCENT: '100' };

  before(async function () {
    this.timeout(60_000);
    homeserver = await startBankHomeserver(PEOPLE);
    const directory = temporaryDirectory('wallet-service');
    const [serverUrl, bankUrl] = [`sqlite:${join(directory, 'server.db')}`, `sqlite:${join(directory, 'bank.db')}`];
    service = await prepareServer({ databaseUrl: bankUrl, command: (port) => ['wallet', 'serve', '--port', String(port)], env: { TMCP_WALLET_REMOTE_URL: 'http://127.0.0.1:9', TMCP_WALLET_REMOTE_API_KEY: apiKey, TMCP_HOMESERVER_DOMAIN: 'example.org', TMCP_LOG_LEVEL: 'warn', ...policy } });
    server = await prepareServer({
      program: join(import.meta.dirname, 'bank/server.ts'),
      databaseUrl: serverUrl,
      env: {
        TMCP_SECURITY_KEY_RING: join(directory, 'key-ring.json'),
        TMCP_HOMESERVER_URL: homeserver.url,
        TMCP_HOMESERVER_DOMAIN: 'example.org',
        TMCP_LOG_LEVEL: 'warn',
        TMCP_JOBS_LEASE_SECONDS: '5',
        TMCP_TRANSFERS_ACCEPTANCE_SECONDS: '3',
        TMCP_GIFTS_LIFETIME_SECONDS: '3',
        TMCP_PAYMENTS_AUTHORIZE_SECONDS: '3',
        TMCP_WALLET_ADAPTER: 'remote',
        TMCP_WALLET_REMOTE_URL: service.url,
        TMCP_WALLET_REMOTE_API_KEY: apiKey,
        TMCP_WALLET_REMOTE_TIMEOUT_MS: '1500',
        TMCP_WALLET_REMOTE_ANSWER_WAIT_MS: '2000',
        TMCP_WALLET_REMOTE_BREAKER_OPEN_SECONDS: '1',
        TMCP_WALLET_REMOTE_BREAKER_PROBE_SECONDS: '1',
        ...policy,
      },
    });
    await Promise.all([service.start(), server.start()]);
    [here, bank] = [open(serverUrl), open(bankUrl)];
    const clock = { now: () => Date.now() };
    const wallet = createWallet({ database: bank, clock, levels: [limits, limits, limits], defaultCurrency: usd });
    for (const name of PEOPLE) await createWalletAdministration({ database: bank, clock, wallet, record: () => Promise.resolve() }).credit(asUserId(userOf(name)), { amountMinor: EACH_MINOR, currency: usd }, 'Start');
    await bank.sql('wallet').update({ activated_at: Date.now(), level: 3 });
  });
  after(async () => {
    await server?.stop();
    await service?.stop();
    await Promise.all([here?.close(), bank?.close(), homeserver?.close()]);
  });

  const assertBooks = async (): Promise<void> => {
    expect(await bank.inTransaction(auditLedger)).to.deep.equal([]);
    expect(await here.inTransaction(async (tx) => [...(await auditTransfers(tx)), ...(await auditGifts(tx)), ...(await auditPayments(tx))])).to.deep.equal([]);
    expect((await totalsOf(bank)).map(({ currency, inside }) => [currency, inside])).to.deep.equal([['USD', String(EACH_MINOR * PEOPLE.length)]]);
  };
  const count = async (table: string, where: string): Promise<number> => Number((await here.sql(table).whereRaw(where).count<{ n: number | string }[]>({ n: '*' }))[0]?.n);

  it(`keep every cent through ${SECONDS} s of transfers, gifts, payments and refunds`, async function () {
    this.timeout(SECONDS * 1000 + 120_000);
    const adminToken = (await tmcpPrints(['admin', 'token', '--name', 'bank'], { env: server.env })).trimEnd();
    const shop = await newShop({ url: server.url, adminToken }, 'ma_shop', { webhookUrl: 'https://127.0.0.1:9/hook' });
    const deadline = Date.now() + SECONDS * 1000;
    let over = false;
    const shared: Pick<ClientOptions, 'urls' | 'roomId' | 'ledger' | 'gifts' | 'waiting' | 'isOver'> = { urls: [server.url], roomId: homeserver.roomId, ledger, gifts: [], waiting: [], isOver: () => over };
    const clients: BankClient[] = [];
    for (const name of PEOPLE) {
      const who = { matrixToken: `syt_${name}` };
      const [token, key, deviceId] = [await firstPartyToken(server.url, who.matrixToken, 'tmcp_p2p'), newEcKey(), `device_${name}`];
      const session = await appToken(server, who, shop, { miniapp_context: JSON.stringify({ room_id: homeserver.roomId }) });
      expect((await call(server.url, 'POST', '/wallet/v1/devices/register', { token, body: { device_id: deviceId, public_key: key.publicKey } })).status).to.equal(201);
      const prove: ClientOptions['prove'] = ({ id, amountMinor }, n = 0) => ({ method: 'biometric', proof: signatureOver({ clock: { now: () => Date.now() } }, { key, deviceId }, id, amountMinor, { offMs: -n * 1000 }) });
      clients.push(new BankClient({ ...shared, prove, me: userOf(name), others: PEOPLE.filter((other) => other !== name).map(userOf), token, outside: undefined, till: { appToken: session, key, deviceId, merchant: shop.basic.authorization! } }));
    }
    const running = Promise.all(clients.map((client) => client.run()));
    const kills = { server: 0, service: 0 };
    // A slow machine goes on until there is something to look at, but not for ever.
    const isNothing = (): boolean => (ledger.confirmed.size === 0 || ledger.paid.size === 0) && Date.now() < deadline + PATIENCE_MS;
    while (Date.now() < deadline || kills.server + kills.service < LEAST_KILLS || isNothing()) {
      await delay(randomInt(200, 2000));
      const victim = (kills.server + kills.service) % 2 === 0 ? 'service' : 'server';
      const process = victim === 'service' ? service : server;
      await process.kill();
      kills[victim] += 1;
      await assertBooks();
      // The other one goes on alone for a while, and meets nobody.
      await delay(randomInt(0, 700));
      await process.start();
    }
    over = true;
    await running;
    await assertBooks();
    console.log(`      ${kills.server} kills of the server and ${kills.service} of the service, ${ledger.requests} requests, ${ledger.confirmed.size} confirmed, ${ledger.opened.size} shares opened, ${ledger.paid.size} payments, ${ledger.refunded.size} refunds`);
    expect(ledger.wrong).to.deep.equal([]);
    expect(ledger.confirmed.size).to.be.greaterThan(0);
    expect(ledger.paid.size).to.be.greaterThan(0);
  });

  it('bring everything to its end', async function () {
    this.timeout(SETTLED_WITHIN_MS + 5000);
    const unfinished = async (): Promise<number[]> => [
      await count('wallet_instruction', `state = 'open'`),
      await count('p2p_transfer', `status IN ('pending_recipient_acceptance', 'processing')`),
      await count('gift', `status IN ('processing', 'active', 'partially_opened')`),
      await count('payment', `status IN ('pending_authorization', 'processing') OR refunding > 0`),
    ];
    await eventually(async () => expect(await unfinished()).to.deep.equal([0, 0, 0, 0]), { description: 'everything ends', timeoutMs: SETTLED_WITHIN_MS });
    await assertBooks();
    expect(await count('job', `state = 'parked'`)).to.equal(0);
    const held = await bank.sql('ledger_account').whereNot({ dr_pending: 0 }).orWhereNot({ cr_pending: 0 }).orWhereRaw(`kind = 'gift_escrow' AND cr_posted <> dr_posted`).select('id');
    expect(held).to.deep.equal([]);
  });

  it('executed each instruction once, and both sides say the same of it', async () => {
    const ordered = await here.sql<{ id: string; state: string; txn_id: string | null }>('wallet_instruction').orderBy('id').select('id', 'state', 'txn_id');
    const known = await bank.sql<{ key: string; status: string; txn_id: string | null }>('service_movement').orderBy('key').select('key', 'status', 'txn_id');
    expect(ordered.length).to.be.greaterThan(0);
    expect(known.map(({ key, status, txn_id }) => [key, status, txn_id])).to.deep.equal(ordered.map(({ id, state, txn_id }) => [id, state, txn_id]));
    const booked = Number((await bank.sql('ledger_transfer').whereNot({ code: 'deposit' }).count<{ n: number }[]>({ n: '*' }))[0]!.n);
    expect(booked).to.equal(known.filter(({ status }) => status === 'done').length);
  });

  it('did all that was acknowledged, once for each key, and announced it once', async function () {
    this.timeout(SETTLED_WITHIN_MS + 5000);
    await eventually(async () => expect(await count('job', `kind = 'matrix.event' AND state = 'queued'`)).to.equal(0), { description: 'every event is sent', timeoutMs: SETTLED_WITHIN_MS });
    const ids = (table: string, where: string): Promise<string[]> => here.sql(table).whereRaw(where).pluck('id') as Promise<string[]>;
    const done = new Set([...(await ids('p2p_transfer', 'service_txn_id IS NOT NULL')), ...(await ids('gift', `status NOT IN ('pending_authorization', 'failed')`)), ...(await ids('payment', 'completed_at IS NOT NULL')), ...(await ids('payment_refund', `status = 'completed'`))]);
    // A request may have been told of something that was still processing, and refused later.
    const failed = new Set([...(await ids('p2p_transfer', `status = 'failed'`)), ...(await ids('gift', `status = 'failed'`)), ...(await ids('payment_refund', `status = 'failed'`))]);
    expect([...ledger.confirmed, ...ledger.paid, ...ledger.refunded].filter((id) => !done.has(id) && !failed.has(id))).to.deep.equal([]);
    const named = [...ledger.answers.values()].map((texts) => new Set([...texts].map((text) => { const body = JSON.parse(text) as Record<string, string>; return body.refund_id ?? body.payment_id ?? body.transfer_id ?? body.gift_id; })).size);
    expect(named.filter((size) => size !== 1)).to.deep.equal([]);
    const told = (type: string, name: string): string[] => homeserver.sent.filter((event) => event.room_id === homeserver.roomId && event.type === type).map(({ content }) => content[name] as string);
    expect(told('m.tween.payment.completed', 'payment_id').sort()).to.deep.equal((await ids('payment', 'completed_at IS NOT NULL')).sort());
    expect(told('m.tween.payment.refunded', 'refund_id').sort()).to.deep.equal((await ids('payment_refund', `status = 'completed'`)).sort());
    expect(told('m.tween.wallet.p2p', 'transfer_id').sort()).to.deep.equal((await ids('p2p_transfer', 'service_txn_id IS NOT NULL')).sort());
  });
});
