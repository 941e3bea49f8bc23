import { expect } from 'chai';
import { call } from '../support/api.ts';
import { requireOrSkip } from '../support/availability.ts';
import { eventually } from '../support/eventually.ts';
import { AS_TOKEN, prepareServer, registrationFor, type ServerProcess } from '../support/server-process.ts';
import { startSynapse, SYNAPSE_HOOK_TIMEOUT_MS, synapseAvailable, type Synapse } from '../support/synapse.ts';
import { freePort } from '../support/temporary.ts';

/** Its users are the authentication service's: there are no passwords, and nobody is given an access token by the homeserver. */
describe('on a homeserver that leaves authentication to the Matrix Authentication Service', () => {
  let synapse: Synapse;
  let server: ServerProcess;

  before(async function () {
    this.timeout(SYNAPSE_HOOK_TIMEOUT_MS);
    requireOrSkip(this, await synapseAvailable());
    const port = await freePort();
    const delegated = { matrix_authentication_service: { enabled: true, endpoint: `http://127.0.0.1:${await freePort()}/`, secret: 'between-homeserver-and-service' }, password_config: { enabled: false } };
    synapse = await startSynapse({ registrations: [{ yaml: registrationFor(port) }], more: delegated });
    server = await prepareServer({ synapse, port, env: { TMCP_JOBS_BACKOFF_BASE_MS: '100' } });
    await server.start();
  });
  after(async () => {
    await server?.stop();
    await synapse?.stop();
  });

  const asService = (method: string, path: string, body?: object) => call(synapse.url, method, `/_matrix/client/v3/${path}`, { token: AS_TOKEN, ...(body === undefined ? {} : { body }) });

  it('makes its virtual users, which are given no access token there', async () => {
    for (const [user, name] of [['ma_official_wallet', 'Wallet'], ['_tmcp_payments', 'Payments']]) {
      await eventually(async () => expect((await asService('GET', `profile/%40${user}%3Ahs.test`)).body.displayname).to.equal(name), { description: `the name of ${user}` });
    }
    const withLogin = await asService('POST', 'register', { type: 'm.login.application_service', username: '_tmcp_other' });
    expect(withLogin.body.errcode, 'what asking for one would bring').to.equal('M_APPSERVICE_LOGIN_UNSUPPORTED');
  }).timeout(90_000);

  it('makes the catalogue room and fills it', async () => {
    const roomId = await eventually(async () => {
      const { status, body } = await asService('GET', 'directory/room/%23_tmcp_store%3Ahs.test');
      expect(status).to.equal(200);
      return body.room_id as string;
    }, { description: 'the catalogue' });
    await eventually(async () => expect((await asService('GET', `rooms/${encodeURIComponent(roomId)}/state/m.tween.miniapp.app/ma_official_wallet`)).body).to.include({ status: 'active' }), { description: 'the wallet in the catalogue' });
  }).timeout(90_000);
});
