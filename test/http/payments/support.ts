import { expect } from 'chai';
import { isoTime } from '../../../src/kernel/clock.ts';
import { amountText, asCurrency } from '../../../src/kernel/money.ts';
import { call, exchange, type ApiResponse } from '../../support/api.ts';
import type { TestDatabase } from '../../support/databases.ts';
import { queued, type WholeServer } from '../../support/whole-server.ts';
import { newEcKey, signDer, type DeviceKey } from '../mfa/device-key.ts';
import { activate, credit, person, type Person } from '../wallet/support.ts';

/** A mini-app that can be paid. */
export interface Shop {
  readonly id: string;
  /** `Authorization` of its server. */
  readonly basic: Readonly<Record<string, string>>;
  readonly clientId: string;
  readonly secret: string;
}

const scopes = ['user:read', 'wallet:pay', 'wallet:request', 'wallet:history', 'storage:read'];

/** Registers a hybrid app; `approve: false` leaves it to its owners. */
export async function newShop(server: Pick<WholeServer, 'url' | 'adminToken'>, id: string, { approve = true, token = server.adminToken, webhookUrl = 'https://api.shop.example/hook' }: { readonly approve?: boolean; readonly token?: string; readonly webhookUrl?: string } = {}): Promise<Shop> {
  const technical = { entry_url: `https://${id.replaceAll('_', '-')}.example`, redirect_uris: ['https://shop.example/cb'], webhook_url: webhookUrl, scopes_requested: scopes };
  const { status, body } = await call(server.url, 'POST', '/mini-apps/v1/register', { token, body: { ...(token === server.adminToken ? { miniapp_id: id } : {}), name: 'Shopping Assistant', client_type: 'hybrid', technical } });
  expect(status, JSON.stringify(body)).to.equal(201);
  const miniappId = body.miniapp_id as string;
  if (approve) await call(server.url, 'POST', `/admin/v1/mini-apps/${miniappId}/approve`, { token: server.adminToken, body: {} });
  const { client_id: clientId, client_secret: secret } = (body.credentials.confidential_client ?? body.credentials) as { client_id: string; client_secret: string };
  return { id: miniappId, clientId, secret, basic: { authorization: `Basic ${Buffer.from(`${clientId}:${secret}`).toString('base64')}` } };
}

/** An access token of the mini-app for its user, who agrees to what it wants. */
export async function appToken(server: Pick<WholeServer, 'url'>, who: Pick<Person, 'matrixToken'>, shop: Pick<Shop, 'id'>, more: Readonly<Record<string, string>> = {}): Promise<string> {
  const wanted = { client_id: shop.id, scope: 'wallet:pay wallet:request wallet:history', ...more };
  const asked = await exchange(server.url, who.matrixToken, wanted);
  if (asked.status === 200) return asked.body.access_token as string;
  expect(asked.body.error, JSON.stringify(asked.body)).to.equal('consent_required');
  const approved = await call(server.url, 'POST', asked.body.consent_ui_endpoint as string, { token: who.matrixToken, body: { approved_scopes: asked.body.consent_required_scopes as string[] } });
  expect(approved.status, JSON.stringify(approved.body)).to.equal(200);
  return (await exchange(server.url, who.matrixToken, wanted)).body.access_token as string;
}

/** Somebody who can pay: an active wallet, a session of the shop, a device with a key. */
export interface Payer extends Person {
  readonly appToken: string;
  readonly key: DeviceKey;
  readonly deviceId: string;
}

export async function newPayer(server: WholeServer, shop: Pick<Shop, 'id'>, name: string, { amount = '1000.00', currency = 'USD', context }: { readonly amount?: string; readonly currency?: string; readonly context?: object } = {}): Promise<Payer> {
  const who = await person(server, name);
  if (amount !== '0') await credit(server, who, amount, currency);
  await activate(who);
  // While there is no factor yet, agreeing needs none.
  const token = await appToken(server, who, shop, context === undefined ? {} : { miniapp_context: JSON.stringify(context) });
  const [key, deviceId] = [newEcKey(), `device_${name}`];
  expect((await who.post('/wallet/v1/devices/register', { device_id: deviceId, public_key: key.publicKey })).status).to.equal(201);
  return { ...who, appToken: token, key, deviceId };
}

let serial = 0;
export const newKey = (): string => `key-${(serial += 1)}`;
export const error = ({ status, body }: ApiResponse): [number, string | undefined] => [status, (body as { error?: { code?: string } } | undefined)?.error?.code];

export const ask = (server: WholeServer, token: string, fields: object = {}, headers: Readonly<Record<string, string>> = {}): Promise<ApiResponse> =>
  call(server.url, 'POST', '/api/v1/payments/request', { token, headers, body: { amount: 10, currency: 'USD', description: 'Order #12345', idempotency_key: newKey(), ...fields } });

export async function asked(server: WholeServer, payer: Payer, fields: object = {}): Promise<string> {
  const { status, body } = await ask(server, payer.appToken, fields);
  expect(status, JSON.stringify(body)).to.equal(200);
  return body.payment_id as string;
}

/** Body of `authorize`: the payer's device signs the terms. */
export function signatureOver(server: { readonly clock: Pick<WholeServer['clock'], 'now'> }, payer: Pick<Payer, 'key' | 'deviceId'>, id: string, amountMinor: number, { currency = 'USD', offMs = 0, amount = undefined as string | undefined } = {}): Record<string, string> {
  const timestamp = isoTime(server.clock.now() + offMs);
  return { signature: signDer(payer.key, `${id}:${amount ?? amountText(amountMinor, asCurrency(currency))}:${currency}:${timestamp}`), device_id: payer.deviceId, timestamp };
}

export const act = (server: WholeServer, token: string, id: string, what: string, body: object = {}): Promise<ApiResponse> => call(server.url, 'POST', `/api/v1/payments/${id}/${what}`, { token, body });
export const asMerchant = (server: WholeServer, shop: Shop, method: string, path: string, body?: object): Promise<ApiResponse> => call(server.url, method, `/api/v1/payments${path}`, { headers: shop.basic, ...(body === undefined ? {} : { body }) });
export const authorize = (server: WholeServer, payer: Payer, id: string, amountMinor: number, token = payer.appToken): Promise<ApiResponse> => act(server, token, id, 'authorize', signatureOver(server, payer, id, amountMinor));
export const refund = (server: WholeServer, shop: Shop, id: string, fields: object = {}): Promise<ApiResponse> => asMerchant(server, shop, 'POST', `/${id}/refund`, { idempotency_key: newKey(), ...fields });

/** A payment that was made. */
export async function paid(server: WholeServer, payer: Payer, amount: number, fields: object = {}): Promise<string> {
  const id = await asked(server, payer, { amount, ...fields });
  const answer = await authorize(server, payer, id, Math.round(amount * 100));
  expect(answer.status, JSON.stringify(answer.body)).to.equal(200);
  return id;
}

export interface EventJob {
  event: { type: string; place: { room?: string; noticesOf?: string }; speaker: string; remember?: string; relatesTo?: string; content: Record<string, unknown> & { payment_id?: string } };
}

export const eventsOf = async (server: WholeServer, id: string): Promise<EventJob['event'][]> => (await queued<EventJob>(server.database, 'matrix.event')).map(({ event }) => event).filter(({ content }) => content.payment_id === id);

export interface Delivery {
  readonly event: string;
  readonly url: string | null;
  readonly data: Record<string, unknown>;
}

/** What the mini-app's server is told of a payment, the oldest first. */
export async function deliveriesOf(server: WholeServer, id: string): Promise<Delivery[]> {
  const rows = await server.database.sql<{ event: string; url: string | null; payload: string; created_at: number }>('webhook_delivery').orderBy('created_at').orderBy('id');
  return rows.map(({ event, url, payload }) => ({ event, url, data: (JSON.parse(payload) as { data: Record<string, unknown> }).data })).filter(({ data }) => data.payment_id === id);
}

export const auditActions = async (server: WholeServer, id: string): Promise<string[]> => server.database.sql<{ target: string; action: string }>('audit_entry').where({ target: id }).orderBy(['at', 'id']).pluck('action');

/** What the worker does when the time of a payment's job has come. */
export async function runJob(server: WholeServer, kind: 'payment.expire' | 'payment.settle' | 'payment.sent', id: string): Promise<void> {
  const [body] = (await queued<{ paymentId: string }>(server.database, kind)).filter(({ paymentId }) => paymentId === id);
  expect(body, `a ${kind} job of ${id}`).to.not.equal(undefined);
  const recording = await server.app.jobs[kind]!.run({ id: 'job', stream: 's', kind, body, attempt: 1, createdAt: 0, unsettledSince: undefined });
  if (recording !== undefined) await server.database.inTransaction(recording);
}

export const balanceOf = async (who: Person): Promise<number> => (await who.get('/wallet/v1/balance')).body.balance.available as number;

/** What the audit trail has of the time between the order to the wallet and its answer. */
export const onTheWay = ({ wallet }: TestDatabase): string[] => (wallet === 'remote' ? ['payment.processing'] : []);
