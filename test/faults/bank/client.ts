import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { DeviceKey } from '../../http/mfa/device-key.ts';
import { signatureOver } from '../../http/payments/support.ts';

export interface Reply {
  readonly status: number;
  readonly text: string;
  // Tests look at whatever the body has.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly body: any;
}

/** What the clients were told, to be held against what the books say. */
export interface Ledger {
  /** Every different success that one key was answered with. */
  readonly answers: Map<string, Set<string>>;
  /** Transfers and gifts that were said to be confirmed. */
  readonly confirmed: Set<string>;
  /** Payments that were said to be completed, and refunds that were said to be made. */
  readonly paid: Set<string>;
  readonly refunded: Set<string>;
  /** Shares that were said to be opened: gift and opener. */
  readonly opened: Map<string, number>;
  /** Answers that nobody should ever get. */
  readonly wrong: string[];
  requests: number;
}

export const newLedger = (): Ledger => ({ answers: new Map(), confirmed: new Set(), paid: new Set(), refunded: new Set(), opened: new Map(), wrong: [], requests: 0 });

const chance = (percent: number): boolean => randomInt(100) < percent;
const pick = <T>(list: readonly T[]): T => list[randomInt(list.length)]!;
const cents = (amount: number): number => Math.round(amount * 100);

export interface ClientOptions {
  /** Where the servers are; any of them may be dead just now. */
  readonly urls: readonly string[];
  readonly me: string;
  readonly others: readonly string[];
  readonly token: string;
  readonly roomId: string;
  readonly ledger: Ledger;
  /** Gifts that somebody may open, of everybody. */
  readonly gifts: { readonly id: string; readonly giver: string }[];
  /** Transfers that wait for somebody's acceptance. */
  readonly waiting: { readonly id: string; readonly payer: string; readonly payee: string }[];
  readonly isOver: () => boolean;
  /** This person's account outside, and how an administrator lets large sums go; undefined where a wallet service keeps the money. */
  readonly outside: { readonly account: string; readonly adminToken: string } | undefined;
  /** The `auth_proof` of a confirmation; `n` makes another one over the same terms. */
  readonly prove: (terms: { readonly id: string; readonly amountMinor: number; readonly recipient: string }, n?: number) => object;
  /** How this person pays: a session with the shop, and a registered device. The shop's own credentials are for refunds. */
  readonly till: { readonly appToken: string; readonly key: DeviceKey; readonly deviceId: string; readonly merchant: string };
}

let serial = 0;

/** Somebody who sends, gives, accepts and opens at random, repeats requests, and goes on after every lost answer. */
export class BankClient {
  readonly #options: ClientOptions;
  constructor(options: ClientOptions) {
    this.#options = options;
  }

  async run(): Promise<void> {
    while (!this.#options.isOver()) {
      const what = randomInt(100);
      if (what < 25) await this.#transfer();
      else if (what < 35) await this.#outside();
      else if (what < 50) await this.#give();
      else if (what < 70) await this.#open();
      else if (what < 82) await this.#answer();
      else await this.#pay();
    }
  }

  /** One request, until there is an answer: the same again after a lost one, however often. */
  async #post(path: string, body: object, authorization = `Bearer ${this.#options.token}`): Promise<Reply> {
    for (;;) {
      const reply = await this.#once(path, body, authorization);
      if (reply !== undefined && reply.status < 500 && reply.body.error?.code !== 'REQUEST_IN_PROGRESS') return reply;
      await delay(randomInt(5, 60));
    }
  }

  async #once(path: string, body: object, authorization: string): Promise<Reply | undefined> {
    const { urls, ledger } = this.#options;
    ledger.requests += 1;
    try {
      // A connection of its own each: one that dies with the server must not be tried again beneath us.
      const response = await fetch(`${pick(urls)}${path}`, { method: 'POST', headers: { authorization, 'content-type': 'application/json', connection: 'close' }, body: JSON.stringify(body), signal: AbortSignal.timeout(10_000) });
      const text = await response.text();
      if (response.status >= 500 && response.status !== 503) ledger.wrong.push(`${path} ${response.status} ${text}`);
      return { status: response.status, text, body: JSON.parse(text) };
    } catch {
      return undefined;
    }
  }

  /** A request with a key: sometimes twice at once, sometimes again later. All that succeed must say the same. */
  async #keyed(path: string, key: string, body: object, authorization?: string): Promise<Reply> {
    const request = { ...body, idempotency_key: key };
    const replies = await Promise.all(Array.from({ length: chance(25) ? 2 : 1 }, () => this.#post(path, request, authorization)));
    if (chance(15)) replies.push(await this.#post(path, request, authorization));
    const { answers } = this.#options.ledger;
    const known = answers.get(key) ?? new Set<string>();
    for (const { status, text } of replies) if (status === 200) known.add(text);
    if (known.size > 0) answers.set(key, known);
    return replies.find(({ status }) => status === 200) ?? replies[0]!;
  }

  async #transfer(): Promise<void> {
    const { others, roomId, ledger, waiting, me } = this.#options;
    const payee = pick(others);
    const amountMinor = randomInt(1, 900);
    const { status, body } = await this.#keyed('/wallet/v1/p2p/initiate', `t${(serial += 1)}`, { recipient: payee, amount: amountMinor / 100, currency: 'USD', room_id: roomId });
    if (status !== 200) return;
    const id = body.transfer_id as string;
    const confirmations = await Promise.all(Array.from({ length: chance(20) ? 2 : 1 }, (_, n) => this.#post(`/wallet/v1/p2p/${id}/confirm`, { auth_proof: this.#options.prove({ id, amountMinor, recipient: payee }, n) })));
    for (const reply of confirmations) if (reply.status === 200) ledger.confirmed.add(id);
    if (confirmations.some((reply) => reply.body.status === 'pending_recipient_acceptance')) waiting.push({ id, payer: me, payee });
  }

  async #give(): Promise<void> {
    const { roomId, ledger, gifts, me } = this.#options;
    const [key, count] = [`g${(serial += 1)}`, randomInt(1, 6)];
    const amountMinor = randomInt(count, 600);
    const { status, body } = await this.#keyed('/wallet/v1/gift/create', key, {
      type: 'group',
      room_id: roomId,
      total_amount: amountMinor / 100,
      currency: 'USD',
      count,
      distribution: pick(['random', 'equal']),
      auth_proof: this.#options.prove({ id: key, amountMinor, recipient: roomId }),
    });
    if (status !== 200) return;
    ledger.confirmed.add(body.gift_id as string);
    gifts.push({ id: body.gift_id as string, giver: me });
  }

  async #open(): Promise<void> {
    const { gifts, ledger, me } = this.#options;
    const gift = gifts.length === 0 ? undefined : pick(gifts.slice(-12));
    if (gift === undefined) return this.#transfer();
    const replies = await Promise.all(Array.from({ length: chance(25) ? 2 : 1 }, () => this.#post(`/wallet/v1/gift/${gift.id}/open`, {})));
    for (const { status, body } of replies) if (status === 200) ledger.opened.set(`${gift.id} ${me}`, cents(body.amount_received as number));
  }

  async #answer(): Promise<void> {
    const { waiting, me } = this.#options;
    const mine = waiting.findIndex(({ payer, payee }) => payer === me || payee === me);
    if (mine < 0) return this.#transfer();
    const [transfer] = waiting.splice(mine, 1);
    const what = transfer!.payee === me ? pick(['accept', 'accept', 'reject']) : 'cancel';
    await this.#post(`/wallet/v1/p2p/${transfer!.id}/${what}`, {});
  }

  /** Money in or out. Some of it the provider refuses or answers later, and some needs an administrator, who may come too late. */
  async #outside(): Promise<void> {
    const { ledger, outside, prove } = this.#options;
    if (outside === undefined) return this.#transfer();
    const { account, adminToken } = outside;
    const [key, amountMinor] = [`x${(serial += 1)}`, chance(25) ? pick([2001, 2002]) : randomInt(1, 900)];
    const order = { external_account_id: account, amount: amountMinor / 100, currency: 'USD', auth_proof: prove({ id: key, amountMinor, recipient: account }) };
    const isFunding = chance(50);
    const { status, body } = await this.#keyed(isFunding ? '/wallet/v1/external/fund' : '/wallet/v1/withdrawals', key, order);
    if (status !== 200) return;
    ledger.confirmed.add((body.funding_id ?? body.withdrawal_id) as string);
    if (body.status !== 'pending_approval') return;
    const path = `/wallet/v1/withdrawals/${body.withdrawal_id}`;
    const cancel = () => this.#post(`${path}/cancel`, {});
    await Promise.all([...(chance(70) ? [this.#post(`${path}/approve`, {}, `Bearer ${adminToken}`)] : []), ...(chance(40) ? [cancel()] : [])]);
    await cancel();
  }

  /** Asks, authorizes or cancels or lets it expire, and has the shop refund some of it. */
  async #pay(): Promise<void> {
    const { roomId, ledger, till } = this.#options;
    const app = `Bearer ${till.appToken}`;
    const amountMinor = randomInt(1, 900);
    const { status, body } = await this.#keyed('/api/v1/payments/request', `p${(serial += 1)}`, { amount: amountMinor / 100, currency: 'USD', room_id: roomId }, app);
    if (status !== 200 || chance(8)) return;
    const id = body.payment_id as string;
    const path = `/api/v1/payments/${id}`;
    // Each with a signature of its own: a time that is another.
    const signed = (n: number): object => signatureOver({ clock: { now: () => Date.now() } }, till, id, amountMinor, { offMs: -n * 1000 });
    const steps = [...Array.from({ length: chance(25) ? 2 : 1 }, (_, n) => this.#post(`${path}/authorize`, signed(n), app)), ...(chance(12) ? [this.#post(`${path}/cancel`, {}, app)] : [])];
    for (const reply of await Promise.all(steps)) if (reply.status === 200 && reply.body.status === 'completed') ledger.paid.add(id);
    for (let n = 0; ledger.paid.has(id) && n < randomInt(3); n += 1) {
      const refund = await this.#keyed(`${path}/refund`, `r${(serial += 1)}`, chance(30) ? {} : { amount: randomInt(1, amountMinor + 1) / 100 }, till.merchant);
      if (refund.status === 200) ledger.refunded.add(refund.body.refund_id as string);
    }
  }
}
