import { expect } from 'chai';
import { requireOrSkip } from '../support/availability.ts';
import { eventually } from '../support/eventually.ts';
import { signInUser, type MatrixUser } from '../support/matrix-user.ts';
import { prepareServer, registrationFor, type ServerProcess } from '../support/server-process.ts';
import { startSynapse, SYNAPSE_HOOK_TIMEOUT_MS, synapseAvailable, type Synapse } from '../support/synapse.ts';
import { freePort } from '../support/temporary.ts';
import { tmcp, tmcpJson, tmcpPrints, type Answer } from '../support/tmcp.ts';

interface ListedJob {
  id: string;
  kind: string;
  stream: string;
  state: string;
  attempts: number;
  last_error: string | null;
}

const bot = '@_tmcp:hs.test';

describe('tmcp queue, with jobs that a homeserver refuses', function () {
  this.timeout(60_000);
  let synapse: Synapse;
  let server: ServerProcess;
  let alice: MatrixUser;
  let roomId: string;
  let parked: ListedJob;

  before(async function () {
    this.timeout(SYNAPSE_HOOK_TIMEOUT_MS);
    requireOrSkip(this, await synapseAvailable());
    const port = await freePort();
    synapse = await startSynapse({ registrations: [{ yaml: registrationFor(port) }] });
    server = await prepareServer({ synapse, port });
    await server.start();
    alice = await signInUser(synapse, 'alice');
    // Nobody but alice may post the answer to a launch here.
    roomId = await alice.createRoom({ power_level_content_override: { events: { 'm.tween.miniapp.launched': 100 } } });
    await alice.invite(roomId, bot);
    await alice.waitForEvent((event) => event.roomId === roomId && event.stateKey === bot && event.content.membership === 'join', { description: 'the bot joins' });
  });

  after(async () => {
    alice?.stop();
    await server?.stop();
    await synapse?.stop();
  });

  const run = (...args: string[]): Promise<Answer> => tmcp(['queue', ...args], { env: server.env });
  const json = (...args: string[]): Promise<unknown> => tmcpJson(['queue', ...args, '--json'], { env: server.env });
  const listed = async (...args: string[]): Promise<ListedJob[]> => ((await json('list', ...args)) as { jobs: ListedJob[] }).jobs;

  /** Launches the wallet, and waits until the answers to so many launches are parked. */
  const launchUntilParked = async (session: string, count: number): Promise<ListedJob[]> => {
    await alice.sendEvent(roomId, 'm.tween.miniapp.launch', { miniapp_id: 'ma_official_wallet', session_id: session });
    return eventually(
      async () => {
        const jobs = await listed();
        expect(jobs).to.have.length(count);
        return jobs;
      },
      { description: `${count} parked jobs` },
    );
  };
  const allowAnswers = (power: number): Promise<string> =>
    alice.state(roomId, 'm.room.power_levels').then((levels) => alice.sendState(roomId, 'm.room.power_levels', '', { ...levels, events: { ...(levels?.events as object), 'm.tween.miniapp.launched': power } }));
  const answerTo = (session: string) =>
    alice.waitForEvent((event) => event.type === 'm.tween.miniapp.launched' && event.content.session_id === session, { description: `the answer to ${session}` });

  it('lists a job that was parked, and why', async () => {
    [parked] = (await launchUntilParked('session-first', 1)) as [ListedJob];
    expect(parked).to.include({ kind: 'matrix.event', stream: `room:${roomId}`, state: 'parked', attempts: 1 });
    expect(parked.last_error).to.contain('403 M_FORBIDDEN');
    const { stdout } = await run('list');
    expect(stdout).to.match(/^ID +KIND +STREAM +ATTEMPTS +CREATED +LAST ERROR\n/).and.to.contain(parked.id);
    expect(await tmcpPrints(['queue', 'list', '--state', 'queued'], { env: server.env })).not.to.contain(parked.id);
  });

  it('makes the doctor warn', async () => {
    const { code, stdout } = await tmcp(['doctor', '--json'], { env: server.env });
    const { status, checks } = JSON.parse(stdout) as { status: string; checks: { name: string; status: string; mend?: string }[] };
    expect({ code, status }).to.deep.equal({ code: 0, status: 'warning' });
    expect(checks.filter((check) => check.status !== 'ok').map(({ name }) => name)).to.deep.equal(['queue']);
    expect(checks.find(({ name }) => name === 'queue')?.mend).to.contain('tmcp queue replay');
  });

  it('shows the body only when it is asked for', async () => {
    const without = await run('show', parked.id);
    expect(without.code).to.equal(0);
    expect(without.stdout).to.contain(parked.id).and.not.to.contain('session_id');
    expect(await json('show', parked.id)).not.to.have.property('body');

    const { body } = (await json('show', parked.id, '--body')) as { body: { event: { content: Record<string, unknown> } } };
    expect(body.event.content.session_id).to.equal('session-first');
    expect((await run('show', parked.id, '--body')).stdout).to.contain('"session_id": "session-first"');
  });

  it('replays a job: it runs again, and the event arrives', async () => {
    await allowAnswers(0);

    const { code, stdout, stderr } = await run('replay', parked.id);

    expect({ code, stdout, stderr }).to.deep.equal({ code: 0, stdout: '', stderr: 'queued 1 job again\n' });
    expect((await answerTo('session-first')).sender).to.equal(bot);
    expect(await listed()).to.deep.equal([]);
  });

  it('replays all of them, in their order', async () => {
    await allowAnswers(100);
    await launchUntilParked('session-second', 1);
    const [second, third] = await launchUntilParked('session-third', 2);
    expect(await listed('--limit', '1')).to.deep.equal([second]);
    await allowAnswers(0);

    expect((await run('replay', '--all')).stderr).to.equal('queued 2 jobs again\n');

    await answerTo('session-third');
    const sessions = (await alice.history(roomId)).filter(({ type }) => type === 'm.tween.miniapp.launched').map(({ content }) => content.session_id);
    expect(sessions).to.deep.equal(['session-first', 'session-second', 'session-third']);
    expect(third?.stream).to.equal(second?.stream);
  });

  it('changes all that are named or none', async () => {
    await allowAnswers(100);
    const [job] = (await launchUntilParked('session-fourth', 1)) as [ListedJob];
    for (const command of ['replay', 'discard']) {
      const { code, stderr } = await run(command, job.id, 'job_none');
      expect({ code, stderr }).to.deep.equal({ code: 1, stderr: 'tmcp: job job_none is not parked; nothing was changed\n' });
    }
    expect(await listed()).to.deep.equal([job]);
  });

  it('discards a job for good', async () => {
    const [job] = (await listed()) as [ListedJob];
    expect((await run('discard', job.id)).stderr).to.equal('discarded 1 job\n');
    expect(await listed()).to.deep.equal([]);
    expect(((await json('show', job.id)) as ListedJob).state).to.equal('discarded');
    for (const command of ['replay', 'discard']) expect((await run(command, job.id)).code, command).to.equal(1);
    await allowAnswers(0);
    await alice.sendEvent(roomId, 'm.tween.miniapp.launch', { miniapp_id: 'ma_official_wallet', session_id: 'session-fifth' });
    await answerTo('session-fifth');
    const sessions = (await alice.history(roomId)).filter(({ type }) => type === 'm.tween.miniapp.launched').map(({ content }) => content.session_id);
    expect(sessions).to.deep.equal(['session-first', 'session-second', 'session-third', 'session-fifth']);
  });

  it('knows nothing of a job that is not there', async () => {
    const { code, stdout, stderr } = await run('show', 'job_none');
    expect({ code, stdout, stderr }).to.deep.equal({ code: 1, stdout: '', stderr: 'tmcp: there is no job job_none\n' });
  });
});
