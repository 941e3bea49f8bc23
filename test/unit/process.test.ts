import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'chai';

const run = promisify(execFile);
const program = new URL('../../src/process.ts', import.meta.url).href;

describe('a server process', () => {
  it('is not ended by a promise that nobody waited for, and says which it was', async () => {
    const script = `
      import { surviveStrays } from ${JSON.stringify(program)};
      surviveStrays({ error: (fields, message) => console.log(JSON.stringify({ message, error: fields.error })) });
      void Promise.reject(new Error('nobody waits'));
      setTimeout(() => console.log('still there'), 50);`;
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script]);
    const [line, after] = stdout.trim().split('\n');
    const { message, error } = JSON.parse(line!) as { message: string; error: string };
    expect([message, after]).to.deep.equal(['unhandled rejection', 'still there']);
    expect(error).to.contain('nobody waits');
  });
});
