import { expect } from 'chai';
import { requireOrSkip } from '../support/availability.ts';
import { eventually } from '../support/eventually.ts';
import { signInUser, type MatrixUser } from '../support/matrix-user.ts';
import { prepareServer, registrationFor, type ServerProcess } from '../support/server-process.ts';
import { startSynapse, SYNAPSE_HOOK_TIMEOUT_MS, synapseAvailable, type Synapse } from '../support/synapse.ts';
import { freePort } from '../support/temporary.ts';

describe('on a real homeserver', () => {
  let synapse: Synapse;
  let server: ServerProcess;
  let alice: MatrixUser;
  let roomId: string;

  before(async function () {
    this.timeout(SYNAPSE_HOOK_TIMEOUT_MS);
    requireOrSkip(this, await synapseAvailable());
    const port = await freePort();
    synapse = await startSynapse({ registrations: [{ yaml: registrationFor(port) }] });
    server = await prepareServer({ synapse, port });
    await server.start();
    alice = await signInUser(synapse, 'alice');
  });

  after(async () => {
    alice?.stop();
    await server?.stop();
    await synapse?.stop();
  });

  it('shows every official mini-app in the catalogue room', async () => {
    const catalogue = await eventually(() => alice.join('#_tmcp_store:hs.test'), { description: 'the catalogue room is open' });
    const wallet = await alice.waitForEvent((event) => event.roomId === catalogue && event.type === 'm.tween.miniapp.app' && event.stateKey === 'ma_official_wallet' && event.content.status === 'active', {
      description: 'the wallet in the catalogue',
    });
    expect(wallet.sender).to.equal('@_tmcp:hs.test');
    expect(wallet.content).to.include({ miniapp_id: 'ma_official_wallet', name: 'Wallet', classification: 'official', entry_point: 'tween-internal://wallet' });
  });

  it('joins a room that a local user invites it to, and answers a launch there', async () => {
    roomId = await alice.createRoom({ name: 'Shop' });
    await alice.invite(roomId, '@_tmcp:hs.test');
    await alice.waitForEvent((event) => event.roomId === roomId && event.type === 'm.room.member' && event.stateKey === '@_tmcp:hs.test' && event.content.membership === 'join', { description: 'the bot joins' });

    const launch = await alice.sendEvent(roomId, 'm.tween.miniapp.launch', { miniapp_id: 'ma_official_wallet', launch_source: 'chat_bubble' });

    const launched = await alice.waitForEvent((event) => event.roomId === roomId && event.type === 'm.tween.miniapp.launched', { description: 'the answer to the launch' });
    expect(launched.sender).to.equal('@_tmcp:hs.test');
    expect(launched.content['m.relates_to']).to.deep.equal({ rel_type: 'm.reference', event_id: launch });
    expect(launched.content).to.include({ miniapp_id: 'ma_official_wallet', sender: alice.userId, launch_source: 'chat_bubble' });
  });

  it('answers a launch of an unknown mini-app with an error that refers to it', async () => {
    const launch = await alice.sendEvent(roomId, 'm.tween.miniapp.launch', { miniapp_id: 'ma_no_such_app' });

    const error = await alice.waitForEvent((event) => event.type === 'm.tween.error' && (event.content['m.relates_to'] as { event_id?: string }).event_id === launch, { description: 'the error' });
    expect(error.content).to.include({ code: 'APP_NOT_FOUND', message: 'No such mini-app' });
  });
});
