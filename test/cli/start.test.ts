import { connect } from 'node:net';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { eventually } from '../support/eventually.ts';
import { prepareServer, type ServerProcess } from '../support/server-process.ts';

describe('a running server that is told to stop', () => {
  let server: ServerProcess;
  beforeEach(async () => {
    server = await prepareServer({ env: { TMCP_SERVER_SHUTDOWN_GRACE_SECONDS: '600' } });
    await server.start();
  });
  afterEach(() => server.kill());

  /** A request that does not end by itself. */
  async function openRequest(): Promise<ReturnType<typeof connect>> {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    socket.on('error', () => {});
    await once(socket, 'connect');
    socket.write('POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{');
    // Another request that is answered on a later connection: the server has surely taken the first.
    await fetch(`${server.url}/health/live`, { headers: { connection: 'close' } });
    return socket;
  }
  const saysStopping = () => eventually(() => expect(readFileSync(server.logFile, 'utf8')).to.contain('stopping: a second signal ends at once'), { description: 'it says that it stops' });

  it('lets a running request finish, takes no other, and then ends well', async () => {
    const socket = await openRequest();
    server.signal('SIGTERM');
    await saysStopping();
    await eventually(() => fetch(`${server.url}/health/live`).then(() => expect.fail('it still listens'), () => undefined), { description: 'it takes no new connection' });
    const answer = once(socket, 'data');
    socket.write('}');
    expect(String((await answer)[0])).to.match(/^HTTP\/1.1 400 /);
    expect(await server.ended()).to.equal('exit code 0');
  });

  it('ends at once at the second signal', async () => {
    const socket = await openRequest();
    server.signal('SIGTERM');
    await saysStopping();
    server.signal('SIGINT');
    expect(await server.ended()).to.equal('exit code 130');
    socket.destroy();
  });
});

describe('a server that starts for the first time', () => {
  let server: ServerProcess;
  before(async () => {
    server = await prepareServer();
  });
  after(() => server.kill());

  /** The answer to the first connection that is taken. */
  const firstAnswer = (path: string): Promise<{ status: number; text: string }> =>
    eventually(async () => {
      const answer = await fetch(`${server.url}${path}`);
      return { status: answer.status, text: await answer.text() };
    }, { description: 'it listens' });

  it('has its keys and its official mini-apps when it begins to listen', async () => {
    const [, keys, apps] = await Promise.all([server.start(), firstAnswer('/.well-known/jwks.json'), firstAnswer('/api/v1/store/apps')]);
    expect([keys.status, (JSON.parse(keys.text) as { keys: object[] }).keys.length > 0]).to.deep.equal([200, true]);
    expect(apps.status).to.equal(200);
    expect(apps.text).to.contain('ma_official_wallet');
  });
});
