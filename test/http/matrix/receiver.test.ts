import { expect } from 'chai';
import { readStored } from '../../../src/matrix/inbox.ts';
import { call, type ApiResponse } from '../../support/api.ts';
import { onBothDatabases } from '../../support/databases.ts';
import { HS_TOKEN } from '../../support/server-process.ts';
import { queued, startWholeServer, type WholeServer } from '../../support/whole-server.ts';

const launch = (id: string, more: object = {}): object => ({ type: 'm.tween.miniapp.launch', event_id: `$${id}`, room_id: '!room:example.org', sender: '@alice:example.org', content: { miniapp_id: 'ma_official_wallet' }, ...more });
const path = '/_matrix/app/v1/transactions';

onBothDatabases('what the homeserver calls', (databases) => {
  let server: WholeServer;
  before(async () => {
    server = await startWholeServer(databases, { TMCP_SERVER_APPSERVICE_BODY_LIMIT_BYTES: '52428800' });
  });
  after(() => server.close());

  const put = (url: string, body: unknown, token: string | undefined = HS_TOKEN): Promise<ApiResponse> => call(server.url, 'PUT', url, { body, ...(token === undefined ? {} : { token }) });
  const bodies = async (): Promise<string> => JSON.stringify((await queued(server.database, 'inbound.received')).map(readStored));

  it('has committed a transaction when it answers', async () => {
    const { status, body } = await put(`${path}/1`, { events: [launch('committed')] });
    expect(status).to.equal(200);
    expect(body).to.deep.equal({});
    expect(await bodies()).to.contain('$committed');
  });

  it('does not keep what concerns nobody here', async () => {
    const message = launch('private', { type: 'm.room.message', content: { body: 'between us' } });
    expect((await put(`${path}/2`, { events: [message], ephemeral: [{ type: 'm.typing', content: {} }], 'de.sorunome.msc2409.ephemeral': [{ type: 'm.receipt', content: {} }] })).status).to.equal(200);
    expect(await bodies()).not.to.contain('between us');
  });

  it('takes what is written with escapes for what it says', async () => {
    const text = JSON.stringify({ events: [launch('escaped')] }).replace('m.tween', '\\u006d.tween');
    expect((await put(`${path}/3`, text)).status).to.equal(200);
    expect(await bodies()).to.contain('$escaped');
  });

  it('listens at the paths of old homeservers too', async () => {
    expect((await put('/transactions/4', { events: [launch('legacy')] })).status).to.equal(200);
    expect(await bodies()).to.contain('$legacy');
    expect((await call(server.url, 'GET', '/users/%40_tmcp_nobody%3Aexample.org', { token: HS_TOKEN })).body.errcode).to.equal('M_NOT_FOUND');
  });

  it('takes a transaction of 50 MB', async () => {
    const events = Array.from({ length: 100 }, (_, n) => launch(`big-${n}`, { unsigned: { filler: 'x'.repeat(500_000) } }));
    expect((await put(`${path}/5`, { events })).status).to.equal(200);
    expect(await bodies()).to.contain('$big-99');
  });

  it('refuses a larger one with a Matrix error', async () => {
    const { status, body } = await put(`${path}/6`, { events: [], filler: 'x'.repeat(52_428_800) });
    expect(status).to.equal(413);
    expect(body.errcode).to.equal('M_TOO_LARGE');
  });

  it('refuses what is no JSON object', async () => {
    for (const body of ['[]', 'no', '{"events":[', '{\u0000}']) {
      const answer = await put(`${path}/6`, body);
      expect(answer.status, body).to.equal(400);
      expect(answer.body.errcode, body).to.equal('M_NOT_JSON');
    }
  });

  it('believes only the hs_token, and only in the header', async () => {
    const none = await fetch(`${server.url}${path}/8?access_token=${HS_TOKEN}`, { method: 'PUT', body: '{"events":[]}' });
    expect(none.status).to.equal(401);
    expect(((await none.json()) as { errcode: string }).errcode).to.equal('M_MISSING_TOKEN');
    for (const [method, url] of [['PUT', `${path}/8`], ['POST', '/_matrix/app/v1/ping'], ['GET', '/_matrix/app/v1/users/%40_tmcp%3Aexample.org'], ['GET', '/_matrix/app/v1/rooms/%23_tmcp_store%3Aexample.org'], ['GET', '/_matrix/app/v1/thirdparty/protocol/tween'], ['PUT', '/transactions/8']] as const) {
      const answer = await call(server.url, method, url, { token: `${HS_TOKEN}x`, ...(method === 'GET' ? {} : { body: {} }) });
      expect(answer.status, url).to.equal(403);
      expect(answer.body.errcode, url).to.equal('M_FORBIDDEN');
    }
  });

  it('asks once for a transaction that the homeserver forgot when it recovered', async () => {
    const restarted = await startWholeServer(databases);
    try {
      const send = async (n: number): Promise<number> => (await call(restarted.url, 'PUT', `${path}/${n}`, { token: HS_TOKEN, body: { events: [launch(`n${n}`)] } })).status;
      expect(await send(47)).to.equal(200);
      expect(await send(49)).to.equal(503);
      expect(await send(48)).to.equal(200);
      expect(await send(49)).to.equal(200);
      expect(await send(60), 'a gap that has another reason').to.equal(200);
      expect(await send(1), 'numbers that start again').to.equal(200);
      expect(JSON.stringify((await queued(restarted.database, 'inbound.received')).map(readStored)).match(/\$n\d+/g)).to.deep.equal(['$n47', '$n48', '$n49', '$n60', '$n1']);
    } finally {
      await restarted.close();
    }
  });

  it('answers a ping', async () => {
    expect(await call(server.url, 'POST', '/_matrix/app/v1/ping', { token: HS_TOKEN, body: { transaction_id: 'p' } })).to.deep.include({ status: 200, body: {} });
  });

  it('knows no other names than its own', async () => {
    for (const name of ['users/%40_tmcp_x%3Aexample.org', 'users/%40ma_nobody%3Aexample.org', 'users/%40_tmcp%3Aelsewhere.org', 'users/nonsense', 'rooms/%23_tmcp_other%3Aexample.org', 'rooms/nonsense']) {
      const answer = await call(server.url, 'GET', `/_matrix/app/v1/${name}`, { token: HS_TOKEN });
      expect(answer.status, name).to.equal(404);
      expect(answer.body.errcode, name).to.equal('M_NOT_FOUND');
    }
  });

  it('looks up third-party users and locations of protocol tween', async () => {
    const lookUp = async (what: string): Promise<unknown> => (await call(server.url, 'GET', `/_matrix/app/v1/thirdparty/${what}`, { token: HS_TOKEN })).body;
    expect(await lookUp('protocol/tween')).to.have.all.keys('user_fields', 'location_fields', 'icon', 'field_types', 'instances');
    expect(await lookUp('protocol/irc')).to.include({ errcode: 'M_NOT_FOUND' });
    expect(await lookUp('user/tween?miniapp_id=ma_official_wallet')).to.deep.equal([{ userid: '@ma_official_wallet:example.org', protocol: 'tween', fields: { miniapp_id: 'ma_official_wallet' } }]);
    expect(await lookUp('user?userid=%40ma_official_wallet%3Aexample.org')).to.have.length(1);
    expect(await lookUp('user/tween?miniapp_id=ma_none')).to.deep.equal([]);
    expect(await lookUp('location/tween')).to.deep.equal([{ alias: '#_tmcp_store:example.org', protocol: 'tween', fields: { alias: '#_tmcp_store:example.org' } }]);
    expect(await lookUp('location?alias=%23other%3Aexample.org')).to.deep.equal([]);
  });
});
