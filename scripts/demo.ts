/**
 * `npm run demo`: a real homeserver with this server as its application service, two people, and what to try. Everything lives
 * in a temporary directory and ends with Ctrl-C.
 */
import { join } from 'node:path';
import { call, firstPartyToken } from '../test/support/api.ts';
import { prepareServer, registrationFor, type ServerProcess } from '../test/support/server-process.ts';
import { runShutdown } from '../test/support/shutdown.ts';
import { startSynapse, synapseAvailable } from '../test/support/synapse.ts';
import { freePort } from '../test/support/temporary.ts';
import { tmcpPrints } from '../test/support/tmcp.ts';

const password = 'correct horse';
const pin = '739164';

/** Posts to the homeserver as a person. */
async function matrix<T>(baseUrl: string, accessToken: string, method: string, path: string, body: object): Promise<T> {
  const response = await fetch(`${baseUrl}/_matrix/client/v3${path}`, { method, headers: { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json' }, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as T;
}

/** Money from the administrators, in a wallet that its owner has activated; a PIN to spend it with. */
async function fund(server: ServerProcess, userId: string, matrixToken: string): Promise<void> {
  await tmcpPrints(['wallet', 'credit', userId, '100.00', 'USD'], { env: server.env });
  const token = await firstPartyToken(server.url, matrixToken, 'tmcp_wallet');
  for (const [path, body] of [['activate', { verification_data: { terms_accepted: true, terms_version: '1' } }], ['mfa/pin', { pin }]] as const) {
    const answer = await call(server.url, 'POST', `/wallet/v1/${path}`, { token, body });
    if (answer.status >= 300) throw new Error(`${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  }
}

async function main(): Promise<void> {
  console.log('Looking for Synapse; the first time it is installed into .cache, which takes about half a minute …');
  const missing = await synapseAvailable();
  if (missing !== undefined) throw new Error(`The demonstration needs Synapse: ${missing}`);
  const port = await freePort();
  const synapse = await startSynapse({ registrations: [{ yaml: registrationFor(port) }] });
  const server = await prepareServer({ synapse, port });
  await server.start();
  const [alice, bob] = await Promise.all([synapse.registerUser('alice', password), synapse.registerUser('bob', password)]);
  const { room_id: roomId } = await matrix<{ room_id: string }>(synapse.url, alice.accessToken, 'POST', '/createRoom', { name: 'Demo', preset: 'private_chat', invite: [bob.userId, `@_tmcp:${synapse.serverName}`] });
  await matrix(synapse.url, bob.accessToken, 'POST', `/join/${encodeURIComponent(roomId)}`, {});
  for (const { userId, accessToken } of [alice, bob]) await fund(server, userId, accessToken);

  console.log(`
Homeserver   ${synapse.url} (${synapse.serverName}); people: ${alice.userId} and ${bob.userId}, password "${password}"
This server  ${server.url}, metrics at ${server.metricsUrl}, log in ${server.logFile}
A room       ${roomId} with Alice, Bob and the bot
Money        100.00 USD each; their PIN is ${pin}

Try, in another terminal:

  HS=${synapse.url} TMCP=${server.url} ROOM='${roomId}'
  ALICE=${alice.accessToken}

  # Alice proves who she is, and gets a first-party access token
  TOKEN=$(curl -s $TMCP/oauth2/token -d grant_type=urn:ietf:params:oauth:grant-type:token-exchange \\
    -d subject_token_type=urn:ietf:params:oauth:token-type:access_token -d subject_token=$ALICE -d audience=tmcp_store \\
    | node -pe 'JSON.parse(require("fs").readFileSync(0)).access_token')

  # She looks into the store, removes a mini-app and installs it again, so that the room hears of it
  curl -s $TMCP/api/v1/store/apps
  curl -s -X DELETE $TMCP/api/v1/store/apps/ma_official_gifts/install -H "Authorization: Bearer $TOKEN"
  curl -s $TMCP/api/v1/store/apps/ma_official_gifts/install -H "Authorization: Bearer $TOKEN" -d "room_id=$ROOM"

  # A launch, posted in the room as any bot could; the answer refers to it
  curl -s -X PUT "$HS/_matrix/client/v3/rooms/$ROOM/send/m.tween.miniapp.launch/1" -H "Authorization: Bearer $ALICE" \\
    -d '{"miniapp_id":"ma_official_gifts"}'

  # She sends Bob 12.50, confirmed with her PIN; the room hears of it
  PAY=$(curl -s $TMCP/oauth2/token -d grant_type=urn:ietf:params:oauth:grant-type:token-exchange \\
    -d subject_token_type=urn:ietf:params:oauth:token-type:access_token -d subject_token=$ALICE -d audience=tmcp_p2p \\
    | node -pe 'JSON.parse(require("fs").readFileSync(0)).access_token')
  ID=$(curl -s $TMCP/wallet/v1/p2p/initiate -H "Authorization: Bearer $PAY" -H 'Content-Type: application/json' \\
    -d '{"recipient":"${bob.userId}","amount":12.50,"currency":"USD","note":"Lunch","idempotency_key":"lunch-1","room_id":"'$ROOM'"}' \\
    | node -pe 'JSON.parse(require("fs").readFileSync(0)).transfer_id')
  curl -s $TMCP/wallet/v1/p2p/$ID/confirm -H "Authorization: Bearer $PAY" -H 'Content-Type: application/json' \\
    -d '{"auth_proof":{"method":"pin","proof":{"pin":"${pin}"}}}'

  # What the room has heard
  curl -s "$HS/_matrix/client/v3/rooms/$ROOM/messages?dir=b&limit=3" -H "Authorization: Bearer $ALICE"

  # The administrator's side (the server's own configuration is in these variables)
  ${Object.entries(server.env)
    .filter(([name]) => !name.startsWith('TMCP_RATE_LIMITS_'))
    .map(([name, value]) => `${name}=${value}`)
    .join(' ')} \\
    npm run --silent tmcp -- doctor

Ctrl-C ends it and removes ${join(server.directory)}.`);
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void runShutdown().finally(() => process.exit(0)));
await main();
setInterval(() => {}, 60_000);
