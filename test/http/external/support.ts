import { expect } from 'chai';
import { auditExternal, type PaymentProvider, type ProviderAnswer, type ProviderOrder } from '../../../src/external/index.ts';
import { loadEventSchemas } from '../../../src/http/index.ts';
import type { ApiResponse } from '../../support/api.ts';
import { call } from '../../support/api.ts';
import { queued, type WholeServer } from '../../support/whole-server.ts';
import { linkProofOf, proofOf } from '../wallet/fake-proofs.ts';
import { auditOf, type Person } from '../wallet/support.ts';

/** A provider that answers what the test says, and remembers what it was asked. */
export interface ScriptedProvider extends PaymentProvider {
  readonly asked: (ProviderOrder & { readonly what: 'collect' | 'payOut' })[];
  /** What it answers, by the order's id; a function may take its time or throw. `done` for all others. */
  readonly answers: Map<string, () => Promise<ProviderAnswer>>;
}

export function scriptedProvider(): ScriptedProvider {
  const asked: ScriptedProvider['asked'] = [];
  const answers: ScriptedProvider['answers'] = new Map();
  const move = (what: 'collect' | 'payOut') => (order: ProviderOrder): Promise<ProviderAnswer> => {
    asked.push({ ...order, what });
    return answers.get(order.id)?.() ?? Promise.resolve({ outcome: 'done', reference: `ref_${order.id}` });
  };
  return { name: 'scripted', asked, answers, beginVerification: async ({ id }) => ({ outcome: 'done', reference: id }), verify: async (_account, evidence) => 'code' in evidence, collect: move('collect'), payOut: move('payOut') };
}

let serial = 0;
export const newKey = (): string => `ext-key-${(serial += 1)}`;
export const error = ({ status, body }: ApiResponse): [number, string | undefined] => [status, (body as { error?: { code?: string } } | undefined)?.error?.code];
export const cents = (amount: number): number => Math.round(amount * 100);

export const bankDetails = (number = '1234567890'): object => ({ account_number: number, bank_code: '021000021', holder_name: 'Alice Example' });

export const link = (who: Person, fields: object = {}): Promise<ApiResponse> =>
  who.post('/wallet/v1/external/link', { account_type: 'bank_account', currency: 'USD', account_details: bankDetails(), idempotency_key: newKey(), ...fields });

/** Runs the first queued job of a kind whose body names this id, as the worker does. False when there is none. */
export async function runJob(server: WholeServer, kind: string, id: string, { attempt = 1 } = {}): Promise<boolean> {
  const rows = await server.database.sql<{ id: string; kind: string; state: string; body: string }>('job').where({ kind, state: 'queued' }).orderBy(['created_at', 'stream', 'pos']);
  const row = rows.find(({ body }) => Object.values(JSON.parse(body) as object).includes(id));
  if (row === undefined) return false;
  const recording = await server.app.jobs[kind]!.run({ id: row.id, stream: 's', kind, body: JSON.parse(row.body) as unknown, attempt, createdAt: 0, unsettledSince: undefined });
  await server.database.inTransaction(async (tx) => {
    await recording?.(tx);
    await tx.sql('job').where({ id: row.id }).update({ state: 'done' });
  });
  return true;
}

/** An account whose owner has shown that it is theirs. */
export async function verifiedAccount(server: WholeServer, who: Person, { number = String(1e9 + (serial += 1)), currency = 'USD', deposits = [0.32, 0.45] as readonly (number | string)[] } = {}): Promise<string> {
  const key = newKey();
  const linked = await link(who, { currency, account_details: bankDetails(number), idempotency_key: key, auth_proof: linkProofOf(`${key}:bank_account:${currency}:${number.slice(-4)}`) });
  expect(linked.status, JSON.stringify(linked.body)).to.equal(200);
  const id = linked.body.external_account_id as string;
  expect(await runJob(server, 'external_account.begin', id)).to.equal(true);
  const evidence = linked.body.provider === 'sandbox' ? { micro_deposits: deposits } : undefined;
  if (evidence === undefined) await server.database.sql('external_account').where({ id }).update({ status: 'verified', verified_at: 1, expires_at: null });
  else expect((await who.post('/wallet/v1/external/verify', { external_account_id: id, verification_data: evidence })).status).to.equal(200);
  return id;
}

export const withdraw = (who: Person, accountId: string, fields: object = {}): Promise<ApiResponse> => who.post('/wallet/v1/withdrawals', { external_account_id: accountId, amount: 10, currency: 'USD', idempotency_key: newKey(), ...fields });
export const fund = (who: Person, accountId: string, fields: object = {}): Promise<ApiResponse> => who.post('/wallet/v1/external/fund', { external_account_id: accountId, amount: 10, currency: 'USD', idempotency_key: newKey(), ...fields });

/** One that waits for its confirmation. */
export async function asked(who: Person, accountId: string, amount: number, make = withdraw): Promise<string> {
  const made = await make(who, accountId, { amount });
  expect(error(made), JSON.stringify(made.body)).to.deep.equal([402, 'MFA_REQUIRED']);
  return (made.body.withdrawal_id ?? made.body.funding_id) as string;
}

let proofs = 0;
export const confirm = (who: Person, id: string, amountMinor: number, accountId: string, what = 'withdrawals'): Promise<ApiResponse> => who.post(`/wallet/v1/${what}/${id}/confirm`, { auth_proof: proofOf({ id, amountMinor, recipient: accountId }, (proofs += 1)) });

/** One that was confirmed. */
export async function confirmed(who: Person, accountId: string, amount: number): Promise<string> {
  const id = await asked(who, accountId, amount);
  const { status, body } = await confirm(who, id, cents(amount), accountId);
  expect(status, JSON.stringify(body)).to.equal(200);
  return id;
}

export const approve = (server: WholeServer, id: string, token = server.adminToken): Promise<ApiResponse> => call(server.url, 'POST', `/wallet/v1/withdrawals/${id}/approve`, { token, body: {} });
export const statusOf = async (who: Person, id: string): Promise<string> => (await who.get(`/wallet/v1/${id.startsWith('fund_') ? 'external/fund' : 'withdrawals'}/${id}`)).body.status as string;
export const balanceOf = async (who: Person): Promise<{ available: number; held: number }> => {
  const { available, held } = (await who.get('/wallet/v1/balance')).body.balance as { available: number; held: number };
  return { available, held };
};

interface EventJob {
  event: { type: string; place: object; speaker: string; remember?: string; relatesTo?: string; content: Record<string, unknown> };
}

const checkContent = loadEventSchemas(new URL('../../../schema/events/', import.meta.url));
const ours = ['m.tween.wallet.withdrawal', 'm.tween.wallet.funding', 'm.tween.wallet.external_account'];

/** Events about this thing, the oldest first. */
export const eventsOf = async (server: WholeServer, id: string): Promise<EventJob['event'][]> =>
  (await queued<EventJob>(server.database, 'matrix.event')).map(({ event }) => event).filter(({ type, content }) => ours.includes(type) && [content.withdrawal_id, content.funding_id, content.external_account_id].includes(id));

/** The books hold, and every event is what its schema says. */
export async function assertInOrder(server: WholeServer): Promise<void> {
  expect([...(await auditOf(server)), ...(await auditExternal(server.database))]).to.deep.equal([]);
  for (const { event } of await queued<EventJob>(server.database, 'matrix.event')) {
    if (ours.includes(event.type)) expect(checkContent(event.type, { ...event.content, delivery_id: 'job_x' }), event.type).to.deep.equal([]);
  }
}

/** Sorted: what is recorded within a millisecond has no order before it is sealed. */
export const auditActions = async (server: WholeServer, id: string): Promise<string[]> => (await server.database.sql<{ target: string; action: string }>('audit_entry').where({ target: id }).pluck<string[]>('action')).sort();
