import { expect } from 'chai';
import { Client } from 'pg';
import { requireOrSkip } from '../support/availability.ts';
import { eventually } from '../support/eventually.ts';
import { startServer } from '../support/http-server.ts';
import { signInUser, type MatrixUser } from '../support/matrix-user.ts';
import { postgresAvailable, startPostgres } from '../support/postgres.ts';
import { startSynapse, SYNAPSE_HOOK_TIMEOUT_MS, synapseAvailable, type Synapse } from '../support/synapse.ts';

describe('test support: Synapse', () => {
  let synapse: Synapse;
  let alice: MatrixUser;
  let bob: MatrixUser;
  let roomId: string;

  before(async function () {
    this.timeout(SYNAPSE_HOOK_TIMEOUT_MS);
    requireOrSkip(this, await synapseAvailable());
    synapse = await startSynapse({ registrations: [{ yaml: registration('http://127.0.0.1:9') }] });
    [alice, bob] = await Promise.all([signInUser(synapse, 'alice'), signInUser(synapse, 'bob')]);
  });

  after(async () => {
    alice?.stop();
    bob?.stop();
    await synapse?.stop();
  });

  it('carries an event from one person to the other', async () => {
    roomId = await alice.createRoom({ name: 'Two people' });
    await alice.invite(roomId, bob.userId);
    const invite = await bob.waitForInvite((candidate) => candidate.roomId === roomId);
    expect(invite.sender).to.equal(alice.userId);
    await bob.join(roomId);

    const eventId = await alice.sendEvent(roomId, 'm.tween.test', { amount: 5 });

    const event = await bob.waitForEvent((candidate) => candidate.eventId === eventId, { description: "alice's event" });
    expect(event).to.include({ type: 'm.tween.test', roomId, sender: alice.userId, stateKey: undefined });
    expect(event.content).to.deep.equal({ amount: 5 });
    expect(await bob.state(roomId, 'm.room.name')).to.deep.equal({ name: 'Two people' });
    expect(await bob.state(roomId, 'm.room.topic')).to.equal(undefined);
  });

  it('says what came instead of the event that did not', async () => {
    const failure = await bob.waitForEvent((event) => event.type === 'm.never', { description: 'never', timeoutMs: 1 }).catch(String);
    expect(failure).to.match(/never: not received within 1 ms\. Received: .*m\.room\.member/);
  });

  it('keeps its data and its people when it is stopped or killed', async () => {
    await synapse.restart();
    const first = await alice.sendEvent(roomId, 'm.tween.test', { amount: 6 });
    await bob.waitForEvent((event) => event.eventId === first, { description: 'the event after the restart' });

    await synapse.kill();
    await synapse.restart();
    const second = await bob.sendEvent(roomId, 'm.tween.test', { amount: 7 });
    await alice.waitForEvent((event) => event.eventId === second, { description: 'the event after the kill' });

    const amounts = (await alice.history(roomId)).filter((event) => event.type === 'm.tween.test').map((event) => event.content.amount);
    expect(amounts).to.deep.equal([5, 6, 7]);
  });

  it('delivers to the appservice whose registration was changed', async () => {
    const delivered: string[] = [];
    const appservice = await startServer((request, response) => {
      delivered.push(request.url ?? '');
      request.resume().on('end', () => response.end('{}'));
    });
    try {
      await synapse.restart(async () => synapse.updateRegistration(registration(appservice.url)));
      const ping = await fetch(`${synapse.url}/_matrix/client/v1/appservice/tmcp-test/ping`, {
        method: 'POST',
        headers: { authorization: 'Bearer as-secret' },
        body: '{}',
      });
      expect(ping.status).to.equal(200);
      expect(delivered).to.include('/_matrix/app/v1/ping');

      await alice.invite(await alice.createRoom(), `@tmcp-test:${synapse.serverName}`);
      await eventually(() => expect(delivered.join()).to.include('/_matrix/app/v1/transactions/'), { description: 'a transaction' });
    } finally {
      await appservice.close();
    }
  });

  it('proves to third parties who a person is', async () => {
    const token = await alice.openIdToken();
    const answer = await fetch(`${synapse.url}/_matrix/federation/v1/openid/userinfo?access_token=${token.access_token}`);
    expect(await answer.json()).to.deep.equal({ sub: alice.userId });
  });
});

describe('test support: PostgreSQL', () => {
  it('keeps what was committed when it is killed', async function () {
    this.timeout(60_000);
    requireOrSkip(this, await postgresAvailable('private'));
    const postgres = await startPostgres();
    const url = await postgres.createDatabase();
    expect(await query(url, 'SELECT 1 AS one')).to.deep.equal([{ one: 1 }]);
    await query(url, "CREATE TABLE kept (what text); INSERT INTO kept VALUES ('this')");

    await postgres.kill();
    await postgres.restart();

    expect(await query(url, 'SELECT what FROM kept')).to.deep.equal([{ what: 'this' }]);
    await postgres.stop();
  });
});

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

function registration(url: string): string {
  return `
id: tmcp-test
url: ${url}
as_token: as-secret
hs_token: hs-secret
sender_localpart: tmcp-test
rate_limited: false
receive_ephemeral: true
io.element.msc4190: true
namespaces:
  users: [{ exclusive: true, regex: '@_tmcp-test\\..*' }]
`;
}
