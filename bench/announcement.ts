import { setTimeout as delay } from 'node:timers/promises';
import { newEcKey, signDer } from '../test/http/mfa/device-key.ts';
import { call, firstPartyToken, type ApiResponse } from '../test/support/api.ts';
import { signInUser, type MatrixUser } from '../test/support/matrix-user.ts';
import { prepareServer, registrationFor } from '../test/support/server-process.ts';
import { runShutdown } from '../test/support/shutdown.ts';
import { startSynapse, synapseAvailable } from '../test/support/synapse.ts';
import { freePort } from '../test/support/temporary.ts';
import { tmcpPrints } from '../test/support/tmcp.ts';
import type { Measurement } from './support.ts';

const perSecond = 20;
const transfers = 400;
const goalMs = 1000;
const bot = '@_tmcp:hs.test';

/** A person with an active wallet and money, and a device whose key confirms. */
async function account(url: string, env: Readonly<Record<string, string>>, { userId, accessToken }: MatrixUser) {
  await tmcpPrints(['wallet', 'credit', userId, '100000', 'USD'], { env });
  const token = await firstPartyToken(url, accessToken, 'tmcp_wallet');
  const key = newEcKey();
  const post = async (path: string, body: object): Promise<ApiResponse> => {
    const answer = await call(url, 'POST', `/wallet/v1/${path}`, { token, body });
    if (answer.status >= 300) throw new Error(`${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`);
    return answer;
  };
  await post('activate', { verification_data: { terms_accepted: true } });
  await post('devices/register', { device_id: 'phone', public_key: key.publicKey });
  await tmcpPrints(['wallet', 'verify', userId, '3'], { env });
  return { key, post };
}

const percentile = (sorted: readonly number[], share: number): number => sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)]!;

/** From the moment at which Alice's confirmation is sent to the one at which Bob's client has the event from its sync, on a real Synapse, twenty times a second. */
export async function measureAnnouncement(): Promise<Measurement[]> {
  const missing = await synapseAvailable();
  if (missing !== undefined) throw new Error(`needs Synapse: ${missing}`);
  const port = await freePort();
  const synapse = await startSynapse({ registrations: [{ yaml: registrationFor(port) }] });
  const server = await prepareServer({ synapse, port, env: { TMCP_RATE_LIMITS_ENABLED: 'false', TMCP_MFA_REQUIRE_FOR_NEW_DEVICE: 'false', TMCP_MFA_LOWERED_LIMITS_PERCENT: '100' } });
  await server.start();
  try {
    const [alice, bob] = [await signInUser(synapse, 'alice'), await signInUser(synapse, 'bob')];
    const roomId = await alice.createRoom({ invite: [bob.userId, bot] });
    await bob.join(roomId);
    await alice.waitForEvent(({ type, stateKey, content }) => type === 'm.room.member' && stateKey === bot && content.membership === 'join', { description: 'the bot joins' });
    const { key, post } = await account(server.url, server.env, alice);
    await account(server.url, server.env, bob);
    const tookMs: number[] = [];
    const transfer = async (n: number): Promise<void> => {
      const { body } = await post('p2p/initiate', { recipient: bob.userId, amount: 1, currency: 'USD', room_id: roomId, idempotency_key: `bench-${n}` });
      const id = body.transfer_id as string;
      const timestamp = new Date().toISOString();
      const proof = { signature: signDer(key, `${id}:1.00:USD:${timestamp}`), device_id: 'phone', timestamp };
      const heard = bob.waitForEvent(({ type, content }) => type === 'm.tween.wallet.p2p' && content.transfer_id === id, { description: `transfer ${n}`, timeoutMs: 60_000 });
      const begun = performance.now();
      await post(`p2p/${id}/confirm`, { auth_proof: { method: 'biometric', proof } });
      await heard;
      tookMs.push(performance.now() - begun);
    };
    for (let n = 0; n < perSecond; n += 1) await transfer(-1 - n);
    tookMs.length = 0;
    const begun = performance.now();
    const running: Promise<void>[] = [];
    for (let n = 0; n < transfers; n += 1) {
      await delay(Math.max(0, begun + (n * 1000) / perSecond - performance.now()));
      running.push(transfer(n));
    }
    await Promise.all(running);
    tookMs.sort((a, b) => a - b);
    const [median, p99] = [percentile(tookMs, 0.5), percentile(tookMs, 0.99)];
    return [{ what: `transfer confirmed to event at the other's client, ${perSecond} a second`, ratio: goalMs / p99, atLeast: 1, detail: `p99 ${p99.toFixed(0)} ms, median ${median.toFixed(0)} ms, of ${goalMs} ms; real Synapse, ${transfers} transfers` }];
  } finally {
    await server.stop();
    await runShutdown();
  }
}
