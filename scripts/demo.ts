/**
 * `npm run demo`: a real homeserver with this server as its application service, two people, and what to try. Everything lives
 * in a temporary directory and ends with Ctrl-C.
 */
import { join } from 'node:path';
import { prepareServer, registrationFor } from '../test/support/server-process.ts';
import { runShutdown } from '../test/support/shutdown.ts';
import { startSynapse, synapseAvailable } from '../test/support/synapse.ts';
import { freePort } from '../test/support/temporary.ts';

const password = 'correct horse';

/** Posts to the homeserver as a person. */
async function matrix<T>(baseUrl: string, accessToken: string, method: string, path: string, body: object): Promise<T> {
  const response = await fetch(`${baseUrl}/_matrix/client/v3${path}`, { method, headers: { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json' }, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as T;
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

  console.log(`
Homeserver   ${synapse.url} (${synapse.serverName}); people: ${alice.userId} and ${bob.userId}, password "${password}"
This server  ${server.url}, metrics at ${server.metricsUrl}, log in ${server.logFile}
A room       ${roomId} with Alice, Bob and the bot

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

  # What the room has heard
  curl -s "$HS/_matrix/client/v3/rooms/$ROOM/messages?dir=b&limit=3" -H "Authorization: Bearer $ALICE"

  # The administrator's side (the server's own configuration is in these variables)
  ${Object.entries(server.env)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ')} \\
    npm run --silent tmcp -- doctor

Ctrl-C ends it and removes ${join(server.directory)}.`);
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void runShutdown().finally(() => process.exit(0)));
await main();
setInterval(() => {}, 60_000);
