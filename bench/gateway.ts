import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { drive, requestBytes } from './load.ts';
import { inTurns, type Measurement } from './support.ts';

const rounds = 7;
const count = 6000;
const inFlight = 16;

/** A trivial route with a token: behind everything that the gateway does, against bare express with the same check of the token. */
export async function measureGateway(): Promise<Measurement[]> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'floor/gateway.ts')], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    const { ours, floor, token } = JSON.parse(line) as { ours: number; floor: number; token: string };
    const request = requestBytes('GET', '/api/v1/client/installed', token);
    const rate = async (port: number): Promise<number> => (await drive(port, count, inFlight, () => request)).perSecond;
    for (const port of [ours, floor]) await rate(port);
    const rates = await inTurns(rounds, () => rate(ours), () => rate(floor));
    return [{ what: `a trivial route with a token behind the gateway, ${inFlight} in flight`, ratio: rates.ours / rates.floor, atLeast: 0.5, detail: `${rates.ours.toFixed(0)}/s, bare express ${rates.floor.toFixed(0)}/s` }];
  } finally {
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
}
