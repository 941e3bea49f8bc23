import { asUserId, type UserId } from '../../../src/kernel/ids.ts';
import { asCurrency, readAmount } from '../../../src/kernel/money.ts';
import { auditLedger, createWallet, createWalletAdministration } from '../../../src/wallet/index.ts';
import { call, firstPartyToken, type ApiResponse } from '../../support/api.ts';
import type { WholeServer } from '../../support/whole-server.ts';

/** Somebody whom the homeserver of the test knows. */
export interface Person {
  readonly userId: UserId;
  readonly matrixToken: string;
  /** A `tmcp_p2p` access token. */
  readonly token: string;
  get(path: string): Promise<ApiResponse>;
  post(path: string, body?: object, headers?: Record<string, string>): Promise<ApiResponse>;
}

export async function person(server: WholeServer, name: string): Promise<Person> {
  const userId = asUserId(`@${name}:example.org`);
  const matrixToken = `syt_${name}`;
  server.identity.whoami.set(matrixToken, { user_id: userId, is_guest: false });
  const token = await firstPartyToken(server.url, matrixToken, 'tmcp_p2p');
  return {
    userId,
    matrixToken,
    token,
    get: (path) => call(server.url, 'GET', path, { token }),
    post: (path, body = {}, headers = {}) => call(server.url, 'POST', path, { token, body, headers }),
  };
}

/** Makes a room of the homeserver in which our bot is. */
export function room(server: WholeServer, name: string, people: readonly Pick<Person, 'userId'>[], options: { readonly joinRule?: string; readonly encrypted?: boolean } = {}): string {
  const roomId = `!${name}:example.org`;
  server.identity.rooms.set(roomId, { members: new Set(['@_tmcp:example.org', ...people.map(({ userId }) => userId)]), ...options });
  return roomId;
}

export function administration({ bank: database, clock }: Pick<WholeServer, 'bank' | 'clock'>) {
  const limits = { transaction: 10_000, daily: 20_000, monthly: 100_000 };
  const wallet = createWallet({ database, clock, levels: [limits, limits, limits], defaultCurrency: asCurrency('USD') });
  return createWalletAdministration({ database, clock, wallet, record: () => Promise.resolve() });
}

/** As `tmcp wallet credit`. */
export async function credit(server: WholeServer, { userId }: Pick<Person, 'userId'>, amount: string, currencyCode = 'USD'): Promise<void> {
  const currency = asCurrency(currencyCode);
  await administration(server).credit(userId, { amountMinor: readAmount(amount, currency, 'amount'), currency }, 'Welcome');
}

export const activate = (who: Person): Promise<ApiResponse> => who.post('/wallet/v1/activate', { verification_data: { terms_accepted: true, terms_version: '1.5.0' } });

/** Somebody with an active wallet and money in it. */
export async function funded(server: WholeServer, name: string, amount = '1000.00', currencyCode = 'USD'): Promise<Person> {
  const who = await person(server, name);
  await credit(server, who, amount, currencyCode);
  await activate(who);
  return who;
}

/** The answer's own text of a number: a double would hide its decimals. */
export async function textOf(server: WholeServer, who: Person, path: string): Promise<string> {
  return (await fetch(`${server.url}${path}`, { headers: { authorization: `Bearer ${who.token}` } })).text();
}

export const auditOf = ({ bank }: WholeServer) => auditLedger(bank);
