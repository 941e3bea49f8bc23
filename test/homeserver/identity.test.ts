import { expect } from 'chai';
import { databaseKinds, opener } from '../http/oauth/databases.ts';
import { basic, createWorld, exchange, me, openIdTokenType, secrets, type World } from '../http/oauth/support.ts';
import { requireOrSkip } from '../support/availability.ts';
import { signInUser, type MatrixUser } from '../support/matrix-user.ts';
import { startSynapse, SYNAPSE_HOOK_TIMEOUT_MS, synapseAvailable, type Synapse } from '../support/synapse.ts';

const asToken = 'as_token_of_this_test';
const registration = `
id: tmcp
url: http://127.0.0.1:9
as_token: ${asToken}
hs_token: hs_token_of_this_test
sender_localpart: _tmcp
rate_limited: false
namespaces:
  users: [{ exclusive: true, regex: '@_tmcp.*' }, { exclusive: true, regex: '@ma_.*' }]
`;

describe('users of a real homeserver prove who they are', () => {
  let synapse: Synapse;
  let alice: MatrixUser;
  let world: World;

  before(async function () {
    this.timeout(SYNAPSE_HOOK_TIMEOUT_MS);
    requireOrSkip(this, await synapseAvailable());
    synapse = await startSynapse({ registrations: [{ yaml: registration }], serverName: 'hs.test' });
    alice = await signInUser(synapse, 'alice');
    world = await createWorld(opener(await databaseKinds[0]!.create()), { homeserver: { url: synapse.url, domain: 'hs.test' } });
  });
  after(async () => {
    alice?.stop();
    await world?.close();
    await synapse?.stop();
  });

  const refused = { status: 401, error: 'invalid_grant' };
  const outcome = ({ status, body }: Awaited<ReturnType<typeof exchange>>) => ({ status, error: body.error });
  const asBackend = (subject_token: string) => exchange(world.first, { subject_token, subject_token_type: openIdTokenType }, basic('ma_shop_backend', secrets.shop));

  it('with an access token, for the host client and for a mini-app', async () => {
    for (const fields of [{ audience: 'tmcp_store' }, { client_id: 'ma_game' }]) {
      const { status, body } = await exchange(world.first, { ...fields, subject_token: alice.accessToken });
      expect([status, body.user_id]).to.deep.equal([200, alice.userId]);
      expect((await me(world.first, body.access_token)).body).to.include({ provenBy: 'whoami', deviceId: alice.client.getDeviceId() });
    }
  });

  it('with an OpenID token, once', async () => {
    const { access_token: token } = await alice.openIdToken();
    const { status, body } = await asBackend(token);
    expect([status, body.user_id]).to.deep.equal([200, alice.userId]);
    expect(outcome(await asBackend(token))).to.deep.equal(refused);
  });

  it('and not with the other kind of token, an invented one, or the appservice\'s own', async () => {
    const { access_token: openId } = await alice.openIdToken();
    expect(outcome(await exchange(world.first, { client_id: 'ma_game', subject_token: openId }))).to.deep.equal(refused);
    expect(outcome(await asBackend(alice.accessToken))).to.deep.equal(refused);
    for (const token of ['syt_invented', asToken]) expect(outcome(await exchange(world.first, { audience: 'tmcp_wallet', subject_token: token }))).to.deep.equal(refused);
  });

  it('no longer once they signed out', async () => {
    const other = await signInUser(synapse, 'alice');
    expect((await exchange(world.first, { client_id: 'ma_game', subject_token: other.accessToken })).status).to.equal(200);
    await other.client.logout(true);
    expect(outcome(await exchange(world.first, { client_id: 'ma_game', subject_token: other.accessToken }))).to.deep.equal(refused);
    other.stop();
  });

  it('or hear that it can not be known while the homeserver is away', async function () {
    this.timeout(60_000);
    await synapse.stop();
    expect(outcome(await exchange(world.first, { client_id: 'ma_game', subject_token: alice.accessToken }))).to.deep.equal({ status: 503, error: 'temporarily_unavailable' });
    await synapse.restart();
    expect((await exchange(world.first, { client_id: 'ma_game', subject_token: alice.accessToken })).status).to.equal(200);
  });
});
