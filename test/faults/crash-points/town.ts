import { expect } from 'chai';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { openDatabase, type Database } from '../../../src/database/index.ts';
import { auditGifts } from '../../../src/gifts/index.ts';
import { asUserId, type UserId } from '../../../src/kernel/ids.ts';
import { auditPayments } from '../../../src/payments/index.ts';
import { auditTransfers } from '../../../src/transfers/index.ts';
import { auditLedger, createWallet, createWalletAdministration } from '../../../src/wallet/index.ts';
import { newEcKey, type DeviceKey } from '../../http/mfa/device-key.ts';
import { appToken, newShop, signatureOver, type Shop } from '../../http/payments/support.ts';
import { limits, usd } from '../../wallet/support.ts';
import { call, firstPartyToken, type ApiResponse } from '../../support/api.ts';
import { prepareCrashingServer, type CrashingServer } from '../../support/crashing-server.ts';
import { eventually } from '../../support/eventually.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { tmcpPrints } from '../../support/tmcp.ts';
import { factorOptions, startWalletService, walletApiKey, type WalletService } from '../../support/wallet-service.ts';
import { startBankHomeserver, type BankHomeserver } from '../bank/homeserver.ts';

export const EACH_MINOR = 100_000;
const names = ['ann', 'ben', 'cat'] as const;
const clock = { now: () => Date.now() };
/** The same that the server's own environment has for the embedded ledger. */
const policyOfService = {
  clock,
  levels: [limits, limits, limits] as const,
  needsAcceptance: ({ amountMinor }: { readonly amountMinor: number }) => amountMinor > 5000,
  requireProofs: true,
  factors: { ...factorOptions, policy: { ...factorOptions.policy, requireForNewDevice: false, requireForFirstPayment: false } },
  loweredShare: 1,
};
/** Of all requests that are to have their effect once. */
let serial = 0;
export const newKey = (): string => `crash-${(serial += 1)}`;

/** Somebody with an activated wallet, a device that signs and a session of the shop. */
export interface Customer {
  readonly userId: UserId;
  readonly token: string;
  readonly appToken: string;
  readonly key: DeviceKey;
  readonly deviceId: string;
}

/** What a merchant's server was sent. */
interface Delivered {
  readonly headers: IncomingHttpHeaders;
  readonly body: { readonly event: string; readonly data: Record<string, unknown> };
}

/** What is told of one payment, transfer or gift, in the order in which it came to the room. */
type Told = [type: string, times: number][];

export interface TownOptions {
  readonly databaseUrl: string;
  /** Who keeps the money in place of the embedded ledger: a wallet service in this process, over this database. */
  readonly walletUrl?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** The real server, which can be told where to die, with stand-ins for a homeserver and a merchant's server, and people with money. */
export class Town {
  readonly server: CrashingServer;
  readonly homeserver: BankHomeserver;
  readonly database: Database;
  /** Whose ledger has the money. */
  readonly bank: Database;
  readonly walletService: WalletService | undefined;
  /** What another server has in common with this one. */
  readonly env: Readonly<Record<string, string>>;
  readonly delivered: Delivered[] = [];
  readonly people = new Map<(typeof names)[number], Customer>();
  shop!: Shop;
  readonly #closing: (() => Promise<unknown>)[] = [];

  private constructor(server: CrashingServer, homeserver: BankHomeserver, database: Database, walletService: WalletService | undefined, env: Readonly<Record<string, string>>) {
    this.env = env;
    this.server = server;
    this.homeserver = homeserver;
    this.database = database;
    this.walletService = walletService;
    this.bank = walletService?.database ?? database;
  }

  static async start({ databaseUrl, walletUrl, env = {} }: TownOptions): Promise<Town> {
    const homeserver = await startBankHomeserver(names);
    const walletService = walletUrl === undefined ? undefined : await startWalletService({ ...policyOfService, databaseUrl: walletUrl });
    const shared = {
      TMCP_DATABASE_URL: databaseUrl,
      TMCP_SECURITY_KEY_RING: join(temporaryDirectory('town'), 'key-ring.json'),
      TMCP_HOMESERVER_URL: homeserver.url,
      TMCP_HOMESERVER_DOMAIN: 'example.org',
      TMCP_LOG_LEVEL: 'warn',
      TMCP_JOBS_LEASE_SECONDS: '5',
      TMCP_JOBS_POLL_INTERVAL_MS: '50',
      TMCP_TRANSFERS_RECIPIENT_ACCEPTANCE: 'above',
      TMCP_TRANSFERS_ACCEPTANCE_ABOVE: '50',
      TMCP_MFA_REQUIRE_FOR_FIRST_PAYMENT: 'false',
      TMCP_MFA_REQUIRE_FOR_NEW_DEVICE: 'false',
      TMCP_MFA_LOWERED_LIMITS_PERCENT: '100',
      ...(walletService === undefined ? {} : { TMCP_WALLET_ADAPTER: 'remote', TMCP_WALLET_REMOTE_URL: walletService.url, TMCP_WALLET_REMOTE_API_KEY: walletApiKey, TMCP_WALLET_REMOTE_ANSWER_WAIT_MS: '1000' }),
      ...env,
    };
    const server = await prepareCrashingServer({ env: shared });
    await server.process.start();
    const database = openDatabase({ url: databaseUrl, poolSize: 4, busyTimeoutMs: 10_000, lockTimeoutMs: 10_000 });
    const town = new Town(server, homeserver, database, walletService, shared);
    town.#closing.push(() => server.process.stop(), () => database.close(), () => homeserver.close(), () => walletService?.close() ?? Promise.resolve());
    await town.#settle();
    return town;
  }

  async close(): Promise<void> {
    for (const close of this.#closing) await close();
  }

  async #settle(): Promise<void> {
    const { url, env } = this.server.process;
    const adminToken = (await tmcpPrints(['admin', 'token', '--name', 'town'], { env })).trimEnd();
    this.shop = await newShop({ url, adminToken }, 'ma_shop');
    // A stand-in for a merchant's server has no certificate.
    await this.database.sql('miniapp').where({ miniapp_id: this.shop.id }).update({ webhook_url: await this.#startMerchant() });
    const wallet = createWallet({ database: this.bank, clock, levels: [limits, limits, limits], defaultCurrency: usd });
    for (const name of names) {
      const [userId, matrixToken] = [asUserId(`@${name}:example.org`), `syt_${name}`];
      await createWalletAdministration({ database: this.bank, clock, wallet, record: () => Promise.resolve() }).credit(userId, { amountMinor: EACH_MINOR, currency: usd }, 'Start');
      const token = await firstPartyToken(url, matrixToken, 'tmcp_p2p');
      expect((await call(url, 'POST', '/wallet/v1/activate', { token, body: { verification_data: { terms_accepted: true } } })).status).to.equal(200);
      const session = await appToken({ url }, { matrixToken }, this.shop, { miniapp_context: JSON.stringify({ room_id: this.homeserver.roomId }) });
      const [key, deviceId] = [newEcKey(), `device_${name}`];
      expect((await call(url, 'POST', '/wallet/v1/devices/register', { token, body: { device_id: deviceId, public_key: key.publicKey } })).status).to.equal(201);
      this.people.set(name, { userId, token, appToken: session, key, deviceId });
    }
  }

  async #startMerchant(): Promise<string> {
    const merchant = createServer((req, res) => {
      let text = '';
      req.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      req.on('end', () => {
        this.delivered.push({ headers: req.headers, body: JSON.parse(text) as Delivered['body'] });
        res.writeHead(204).end();
      });
    }).listen(0, '127.0.0.1');
    await once(merchant, 'listening');
    this.#closing.push(() => {
      merchant.closeAllConnections();
      merchant.close();
      return Promise.resolve();
    });
    return `http://127.0.0.1:${(merchant.address() as AddressInfo).port}/hook`;
  }

  get ann(): Customer {
    return this.people.get('ann')!;
  }

  get ben(): Customer {
    return this.people.get('ben')!;
  }

  get cat(): Customer {
    return this.people.get('cat')!;
  }

  post(path: string, token: string | Readonly<Record<string, string>>, body: object = {}): Promise<ApiResponse> {
    return call(this.server.process.url, 'POST', path, typeof token === 'string' ? { token, body } : { headers: token, body });
  }

  get(path: string, token: string): Promise<ApiResponse> {
    return call(this.server.process.url, 'GET', path, { token });
  }

  /** Asks, and gets no answer: the server dies meanwhile. Then it is there again. */
  async losing(point: Parameters<CrashingServer['crashAt']>[0], request: () => Promise<ApiResponse>): Promise<void> {
    this.server.crashAt(point);
    const answer = await request().catch(() => undefined);
    expect(answer, 'no answer arrives').to.equal(undefined);
    await this.revive();
  }

  /** Waits until the server has died where it was told to, and starts it again. */
  async revive(): Promise<void> {
    await this.server.crashed();
    await this.startAgain();
  }

  /** Nobody waits for the leases of the one that died: that has a test of its own. */
  async startAgain(): Promise<void> {
    await this.database.sql('job_stream').whereNotNull('lease_until').update({ lease_until: Date.now() - 1 });
    await this.server.process.start();
  }

  signed(who: Customer, id: string, amountMinor: number, offMs = 0): Record<string, string> {
    return signatureOver({ clock }, who, id, amountMinor, { offMs });
  }

  async payment(who: Customer, amountMinor: number): Promise<string> {
    const { status, body } = await this.post('/api/v1/payments/request', who.appToken, { amount: amountMinor / 100, currency: 'USD', room_id: this.homeserver.roomId, idempotency_key: newKey() });
    expect(status, JSON.stringify(body)).to.equal(200);
    return body.payment_id as string;
  }

  authorize(who: Customer, id: string, amountMinor: number): () => Promise<ApiResponse> {
    const signature = this.signed(who, id, amountMinor);
    return () => this.post(`/api/v1/payments/${id}/authorize`, who.appToken, signature);
  }

  async paid(who: Customer, amountMinor: number): Promise<string> {
    const id = await this.payment(who, amountMinor);
    const answer = await this.authorize(who, id, amountMinor)();
    expect([answer.status, answer.body.status], JSON.stringify(answer.body)).to.deep.equal([200, 'completed']);
    return id;
  }

  async transfer(from: Customer, to: Customer, amountMinor: number): Promise<string> {
    const { status, body } = await this.post('/wallet/v1/p2p/initiate', from.token, { recipient: to.userId, amount: amountMinor / 100, currency: 'USD', room_id: this.homeserver.roomId, idempotency_key: newKey() });
    expect(status, JSON.stringify(body)).to.equal(200);
    return body.transfer_id as string;
  }

  confirm(who: Customer, id: string, amountMinor: number): () => Promise<ApiResponse> {
    const auth_proof = { method: 'biometric', proof: this.signed(who, id, amountMinor) };
    return () => this.post(`/wallet/v1/p2p/${id}/confirm`, who.token, { auth_proof });
  }

  /** A gift to the room. Each call makes the same request. */
  gift(from: Customer, amountMinor: number, count: number): () => Promise<ApiResponse> {
    const key = newKey();
    const auth_proof = { method: 'biometric', proof: this.signed(from, key, amountMinor) };
    return () => this.post('/wallet/v1/gift/create', from.token, { type: 'group', room_id: this.homeserver.roomId, total_amount: amountMinor / 100, currency: 'USD', count, idempotency_key: key, auth_proof });
  }

  refund(id: string, amountMinor: number): () => Promise<ApiResponse> {
    const body = { amount: amountMinor / 100, idempotency_key: newKey() };
    return () => this.post(`/api/v1/payments/${id}/refund`, this.shop.basic, body);
  }

  /** What can be spent, in minor units. */
  async balance({ token }: Customer): Promise<number> {
    return Math.round(((await this.get('/wallet/v1/balance', token)).body.balance.available as number) * 100);
  }

  /** How many rows of the ledger this has led to, by kind. */
  async booked(ref: string): Promise<Record<string, number>> {
    const kinds = (await this.bank.sql('ledger_transfer').where({ ref }).pluck('kind')) as string[];
    return Object.fromEntries([...new Set(kinds)].sort().map((kind) => [kind, kinds.filter((other) => other === kind).length]));
  }

  /** Once everything queued for the room has gone there: which events tell of it, and how often. */
  async told(id: string): Promise<Told> {
    await eventually(async () => expect(await this.database.sql('job').where({ kind: 'matrix.event', state: 'queued' }).pluck('id')).to.deep.equal([]), { description: 'every event is sent' });
    const types = this.homeserver.sent.filter(({ room_id: roomId, content }) => roomId === this.homeserver.roomId && Object.values(content).includes(id)).map(({ type }) => type.replace('m.tween.', ''));
    return [...new Set(types)].map((type) => [type, types.filter((other) => other === type).length]);
  }

  /** While the server is away, the time of a transfer that waits for its recipient comes to its end. The job that ends it is not due yet. */
  async untilOver(transferId: string): Promise<void> {
    await this.database.sql('p2p_transfer').where({ id: transferId }).whereNotNull('expires_at').update({ expires_at: Date.now() - 1 });
  }

  /** Once the jobs that are to end it have run. */
  async expired(transferId: string): Promise<void> {
    const past = Date.now() - 1;
    const stream = (await this.#expiryOf(transferId).pluck('stream')) as string[];
    await this.#expiryOf(transferId).update({ next_at: past });
    await this.database.sql('job_stream').whereIn('stream', stream).update({ ready_at: past });
    await eventually(async () => expect(await this.#expiryOf(transferId).pluck('id')).to.deep.equal([]), { description: `the deadlines of ${transferId} have been looked at` });
  }

  /** The keys of the instructions to the wallet service that this has led to. */
  async instructionsOf(ref: string): Promise<string[]> {
    return (await this.database.sql('wallet_instruction').where({ ref }).pluck('id')) as string[];
  }

  #expiryOf(transferId: string) {
    return this.database.sql('job').where({ kind: 'transfer.expire', state: 'queued' }).whereLike('body', `%${transferId}%`);
  }

  /** As `tmcp wallet audit`, which must be able to run beside the server too. */
  async assertBooks(): Promise<void> {
    const look = (database: Database) =>
      database.inTransaction(async (tx) => {
        if (database.dialect === 'postgres') await tx.sql.raw('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY');
        return [...(await auditLedger(tx)), ...(await auditTransfers(tx)), ...(await auditGifts(tx)), ...(await auditPayments(tx))];
      });
    expect(await look(this.database)).to.deep.equal([]);
    if (this.bank !== this.database) expect(await this.bank.inTransaction(auditLedger)).to.deep.equal([]);
    expect(await this.database.sql('job').where({ state: 'parked' }).pluck('id')).to.deep.equal([]);
  }
}
