/**
 * The floor for storage: only what can't be left out. Verifies the RS256 token with a cached key, runs one prepared statement
 * (each PUT its own durable commit), seals or opens with AES-256-GCM, serialises. `server.ts DIRECTORY` prints its port and a token.
 */
import { createCipheriv, createDecipheriv, generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import type { AddressInfo } from 'node:net';
import BetterSqlite3 from 'better-sqlite3';

const directory = process.argv[2]!;
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const exp = Math.floor(Date.now() / 1000) + 3600;
const input = `${encode({ alg: 'RS256', typ: 'JWT', kid: 'floor' })}.${encode({ sub: '@alice:hs.test', aud: 'tmcp_store', scope: 'storage:read storage:write', exp })}`;
const token = `${input}.${sign('RSA-SHA256', Buffer.from(input), privateKey).toString('base64url')}`;

const database = new BetterSqlite3(join(directory, 'floor.db'));
database.pragma('journal_mode = WAL');
database.pragma('synchronous = FULL');
database.exec('CREATE TABLE entry (user_id text, namespace text, key text, updated_at integer, value blob, PRIMARY KEY (user_id, namespace, key))');
const select = database.prepare<[string, string, string], { updated_at: number; value: Buffer }>('SELECT updated_at, value FROM entry WHERE user_id = ? AND namespace = ? AND key = ?');
const upsert = database.prepare('INSERT INTO entry VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET updated_at = excluded.updated_at, value = excluded.value');
const key = randomBytes(32);

function claimsOf(req: IncomingMessage): { sub: string; aud: string } {
  const [header = '', payload = '', signature = ''] = (req.headers.authorization ?? '').slice('Bearer '.length).split('.');
  if (!verify('RSA-SHA256', Buffer.from(`${header}.${payload}`), publicKey, Buffer.from(signature, 'base64url'))) throw new Error('bad token');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as { sub: string; aud: string; exp: number };
  if (claims.exp * 1000 < Date.now()) throw new Error('old token');
  return claims;
}

function open(sealed: Buffer, place: string): string {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12));
  decipher.setAAD(Buffer.from(place));
  decipher.setAuthTag(sealed.subarray(-16));
  return decipher.update(sealed.subarray(12, -16)).toString('utf8') + decipher.final('utf8');
}

function seal(text: string, place: string): Buffer {
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, iv);
  cipher.setAAD(Buffer.from(place));
  return Buffer.concat([iv, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
}

const server = createServer((req, res) => {
  const { sub, aud } = claimsOf(req);
  const name = decodeURIComponent(req.url!.slice('/api/v1/storage/'.length));
  const place = JSON.stringify([sub, aud, name]);
  const send = (body: object): void => {
    const text = JSON.stringify(body);
    res.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }).end(text);
  };
  if (req.method === 'GET') {
    const row = select.get(sub, aud, name)!;
    send({ key: name, value: JSON.parse(open(row.value, place)) as unknown, updated_at: new Date(row.updated_at).toISOString() });
    return;
  }
  const chunks: Buffer[] = [];
  req.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => {
    const { value } = JSON.parse(Buffer.concat(chunks).toString('utf8')) as { value: unknown };
    const now = Date.now();
    upsert.run(sub, aud, name, now, seal(JSON.stringify(value), place));
    send({ key: name, success: true, updated_at: new Date(now).toISOString() });
  });
});
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: (server.address() as AddressInfo).port, token })));
process.on('SIGTERM', () => process.exit(0));
