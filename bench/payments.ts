import { createLocalWakes } from '../src/kernel/wakes.ts';
import { generateKeyPairSync, sign } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate, openDatabase } from '../src/database/index.ts';
import { createJobQueue } from '../src/jobs/index.ts';
import { isoTime, systemClock as clock } from '../src/kernel/clock.ts';
import { asMiniAppId } from '../src/kernel/ids.ts';
import { asCurrency } from '../src/kernel/money.ts';
import { createRoomEvents } from '../src/matrix/index.ts';
import { announceToUser, createMfa } from '../src/mfa/index.ts';
import { createMiniApps } from '../src/miniapps/index.ts';
import { createPayments } from '../src/payments/index.ts';
import { createAuditRecorder } from '../src/security/audit/index.ts';
import { openKeyRing } from '../src/security/key-ring.ts';
import { createWallet, createWalletAdministration } from '../src/wallet/index.ts';
import { createWebhooks } from '../src/webhooks/index.ts';
import { insertTestApp } from '../test/support/miniapps.ts';
import { inTurns, type Measurement } from './support.ts';
import { bareLedger, people, rateOf, user } from './wallet.ts';

const perRound = 400;
const rounds = 5;
const usd = asCurrency('USD');
const shop = asMiniAppId('ma_shop');
const nothing = (): Promise<never> => Promise.reject(new Error('is not part of this'));

/** Payments as the server makes them: real signatures, real factors, events, webhook rows and audit entries; everything but HTTP and tokens. */
async function realPayments(directory: string) {
  const database = openDatabase({ url: `sqlite:${join(directory, 'real.db')}`, poolSize: 1, busyTimeoutMs: 5000, lockTimeoutMs: 5000 });
  await migrate(database);
  const unlimited = { transaction: 1e9, daily: 1e9, monthly: 1e9 };
  const queue = createJobQueue(clock);
  const events = createRoomEvents(queue);
  const keyRing = await openKeyRing({ path: join(directory, 'ring.json'), clock });
  const audit = createAuditRecorder({ clock, queue });
  const options = { minPinLength: 6, attempts: { maxAttempts: 3, lockMs: 1, maxLockMs: 1 }, freshSignInMs: 1, loweredLimitsMs: 1, pinResetMs: 1, challengeMs: 1, issuerName: 'bench', rpId: 'localhost', origins: [] };
  const mfa = createMfa({ database, clock, keyRing, queue, announce: announceToUser({ events, audit }), audit, options: { ...options, policy: { requireOver: new Map([['USD', '500']]), requireForNewDevice: false, newDeviceMs: 1, requireForFirstPayment: false } } });
  const wallet = createWallet({ database, clock, levels: [unlimited, unlimited, unlimited], defaultCurrency: usd, limitShareOf: async (userId, db) => ((await mfa.loweredLimitsUntil(userId, db)) === undefined ? 1 : 0.2) });
  const administration = createWalletAdministration({ database, clock, wallet, record: () => Promise.resolve() });
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const spki = publicKey.export({ format: 'der', type: 'spki' }).toString('base64');
  for (let n = 0; n < people; n += 1) {
    await administration.credit(user(n), { amountMinor: 1e10, currency: usd }, 'Bench');
    await database.sql('mfa_device').insert({ user_id: user(n), device_id: 'device', name: 'Device', algorithm: 'ES256', public_key: spki, key_hash: `sha256:${n}`, capabilities: '[]', registered_at: 0 });
  }
  await database.sql('wallet').update({ activated_at: clock.now(), level: 3 });
  await insertTestApp(database, shop);
  await database.sql('miniapp').update({ webhook_url: 'https://shop.example/hook', webhook_secret: 'sealed' });
  const ownership = { requireMayRegister: nothing, mayRead: nothing, mayManage: nothing, nameOf: () => Promise.resolve(undefined), organizationExists: nothing, usersOf: () => Promise.resolve([]) };
  const miniapps = createMiniApps({ database, clock, events, seal: () => '', miniappUser: () => user(0), ownership, endSessions: nothing, keepSigningWith: nothing, audit: nothing, tell: nothing, followers: { registered: nothing, moved: (_tx, { app }) => Promise.resolve(app), renewed: (_tx, app) => Promise.resolve(app.versionCode + 1) }, mirror: { show: nothing, list: () => Promise.resolve([]) }, wakes: createLocalWakes() });
  const webhooks = createWebhooks({ database, clock, queue, guardedFetch: { fetch: nothing }, findEndpoint: (id, tx, url) => miniapps.webhookOf(id, tx, url), unseal: () => '', tellDevelopers: nothing, options: { timeoutMs: 1, maxAgeMs: 1, retentionMs: 1, perEndpoint: 1 } });
  const payments = createPayments({
    ...{ database, clock, queue, events, wallet, miniapps, audit },
    sharedRooms: { requireShared: nothing, isKnownEncrypted: () => Promise.resolve(false) },
    factors: mfa,
    mayHaveWallet: () => true,
    notices: { publish: () => {}, publishToApp: () => {} },
    isConfidential: () => Promise.resolve(false),
    tellMerchant: (tx, message) => webhooks.send(tx, message),
    webhookUrlOf: async (tx, id) => (await miniapps.webhookOf(id, tx))?.url,
    onMoved: () => undefined,
    authorizeMs: 3_600_000,
    sentAfterMs: 0,
  });
  const app = (await miniapps.find(shop))!;
  const offer = () =>
    database.inTransaction(async (tx) => {
      const offered = [];
      for (let n = 0; n < perRound; n += 1) {
        const terms = { payer: user(n), amountMinor: 100, currency: usd, description: 'Order', merchantOrderId: undefined, items: [], callbackUrl: undefined, roomId: undefined };
        const { id, payer } = await payments.create(tx, terms, { app, sandbox: false, roomEncrypted: false }, { kind: 'client', id: shop });
        const timestamp = isoTime(clock.now());
        offered.push({ id, payer, signature: { device_id: 'device', timestamp, signature: sign('sha256', Buffer.from(`${id}:1.00:USD:${timestamp}`), privateKey).toString('base64') } });
      }
      return offered;
    });
  type Offer = Awaited<ReturnType<typeof offer>>[number];
  const authorize = async ({ id, payer, signature }: Offer): Promise<void> => {
    const { payment } = await payments.authorize({ kind: 'session', userId: payer, clientId: 'tmcp_wallet', audience: 'tmcp_wallet', provenBy: 'whoami', origin: 'token_exchange' }, id, signature);
    if (payment.status !== 'completed') throw new Error(`the payment is ${payment.status}`);
  };
  return { offer, authorize, close: () => database.close() };
}

/** A payment that is authorized (signature, policy, state, ledger, limits, history, event, webhook and audit entry) against a bare two-row ledger transaction. */
export async function measurePayments(): Promise<Measurement[]> {
  const directory = mkdtempSync(join(tmpdir(), 'tmcp-bench-'));
  const [bare, real] = [bareLedger(directory), await realPayments(directory)];
  const numbers = Array.from({ length: perRound }, (_, n) => n);
  try {
    const measurements: Measurement[] = [];
    for (const inFlight of [1, 16]) {
      await rateOf(await real.offer(), inFlight, real.authorize);
      const rates = await inTurns(
        rounds,
        async () => rateOf(await real.offer(), inFlight, real.authorize),
        () => rateOf(numbers, inFlight, bare.transfer),
      );
      measurements.push({ what: `payment authorized, ${inFlight} in flight`, ratio: rates.ours / rates.floor, atLeast: inFlight === 1 ? 0 : 0.3, detail: `${rates.ours.toFixed(0)}/s, ${rates.floor.toFixed(0)}/s bare two-row transactions` });
    }
    return measurements;
  } finally {
    bare.close();
    await real.close();
    rmSync(directory, { recursive: true, force: true });
  }
}
