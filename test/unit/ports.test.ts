import { execFileSync } from 'node:child_process';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { expect } from 'chai';

const script = `import { freePort } from ${JSON.stringify(new URL('../support/temporary.ts', import.meta.url).href)};
const ports = [];
try { for (;;) ports.push(...(await Promise.all([freePort(), freePort()]))); } catch (error) { console.log(JSON.stringify({ ports, message: error.message })); }`;

/** Takes ports until there are none. */
const takeAll = (range: string): { readonly ports: number[]; readonly message: string } =>
  JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8', env: { PATH: process.env.PATH, TMCP_TEST_PORTS: range } })) as { ports: number[]; message: string };

describe('ports of tests', () => {
  it('are those of the process\'s own range, none twice, also when asked for at once', () => {
    const { ports, message } = takeAll('19100-19119');
    expect(new Set(ports).size).to.equal(ports.length);
    expect(ports).to.have.length.within(18, 20);
    for (const port of ports) expect(port).to.be.within(19_100, 19_119);
    expect(message).to.contain('19100 to 19119');
  });

  it('are not those that somebody has taken', async () => {
    const taken = createServer().listen(19_131, '127.0.0.1');
    await once(taken, 'listening');
    expect(takeAll('19130-19133').ports).not.to.include(19_131);
    taken.close();
  });
});
