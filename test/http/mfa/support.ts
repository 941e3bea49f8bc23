import { call, exchange, firstPartyToken, type ApiResponse } from '../../support/api.ts';
import { queued, type WholeServer } from '../../support/whole-server.ts';

export const pin = '739164';
export const otherPin = '850372';
export const minute = 60_000;
export const hour = 60 * minute;

/** A user of a test's own, signed in with the homeserver and here. */
export interface TestUser {
  readonly userId: string;
  readonly matrixToken: string;
  readonly token: string;
  post(path: string, body?: unknown): Promise<ApiResponse>;
  get(path: string): Promise<ApiResponse>;
  remove(path: string, body?: unknown): Promise<ApiResponse>;
  /** The same session on another server. */
  at(other: WholeServer): TestUser;
  /** The same user with a session that began just now, in place of the earlier one. */
  again(on?: WholeServer): Promise<TestUser>;
}

let count = 0;

type Identity = Pick<TestUser, 'userId' | 'matrixToken'> & { readonly audience: 'tmcp_wallet' | 'tmcp_p2p' };

const userWith = (server: WholeServer, identity: Identity, token: string): TestUser => ({
  userId: identity.userId,
  matrixToken: identity.matrixToken,
  token,
  post: (path, body = {}) => call(server.url, 'POST', `/wallet/v1${path}`, { token, body }),
  get: (path) => call(server.url, 'GET', `/wallet/v1${path}`, { token }),
  remove: (path, body) => call(server.url, 'DELETE', `/wallet/v1${path}`, { token, body }),
  at: (other) => userWith(other, identity, token),
  again: (on = server) => signIn(on, identity),
});

async function signIn(server: WholeServer, identity: Identity): Promise<TestUser> {
  server.identity.whoami.set(identity.matrixToken, { user_id: identity.userId, is_guest: false });
  return userWith(server, identity, await firstPartyToken(server.url, identity.matrixToken, identity.audience));
}

export function newUser(server: WholeServer, audience: 'tmcp_wallet' | 'tmcp_p2p' = 'tmcp_wallet'): Promise<TestUser> {
  count += 1;
  return signIn(server, { userId: `@user${count}:example.org`, matrixToken: `syt_user${count}`, audience });
}

/** A user who has a PIN. */
export async function newUserWithPin(server: WholeServer): Promise<TestUser> {
  const user = await newUser(server);
  const answer = await user.post('/mfa/pin', { pin });
  if (answer.status !== 201) throw new Error(`setting the PIN answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  return user;
}

export const pinProof = (given: string): object => ({ method: 'transaction_pin', proof: { pin: given } });

/** Changes the PIN to itself with proof by `given`: the shortest way to have a PIN judged. */
export const tryPin = (user: TestUser, given: string): Promise<ApiResponse> => user.post('/mfa/pin', { pin, auth_proof: pinProof(given) });

export const outcome = ({ status, body }: ApiResponse): [number, string | undefined] => [status, (body as { error?: { code: string } } | undefined)?.error?.code];

interface EventJob {
  event: { type: string; place: { noticesOf?: string }; content: Record<string, unknown> & { body: string; 'm.tween.mfa': Record<string, unknown> } };
}

/** What the user was told in their notice room, oldest first. */
export const noticesTo = async (server: WholeServer, user: TestUser): Promise<EventJob['event'][]> =>
  (await queued<EventJob>(server.database, 'matrix.event')).map(({ event }) => event).filter((event) => event.type === 'm.room.message' && event.place.noticesOf === user.userId);

/** A PIN or code where it stands by itself: times, hashes and trace ids happen to have its digits in them. */
export const byItself = (digits: string): RegExp => new RegExp(`\\b${digits}\\b`);

/** Everything that the database holds, as text. */
export async function dump(server: WholeServer): Promise<string> {
  const { database } = server;
  const tables =
    database.dialect === 'sqlite'
      ? await database.sql('sqlite_master').where({ type: 'table' }).pluck<string[]>('name')
      : await database.sql('information_schema.tables').where({ table_schema: 'public' }).pluck<string[]>('table_name');
  const rows: unknown[] = [];
  for (const table of tables) rows.push(await database.sql(table).select('*'));
  return JSON.stringify(rows);
}

/** A token of the wallet's audience without `wallet:pay`. */
export async function tokenWithoutPay(server: WholeServer, user: TestUser): Promise<string> {
  const { body } = await exchange(server.url, user.matrixToken, { audience: 'tmcp_wallet', scope: 'wallet:balance' });
  return body.access_token as string;
}
