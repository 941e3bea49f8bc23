import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { drive, percentile, requestBytes } from './load.ts';
import { mainThreadOf } from './processor.ts';
import { inTurns, type Measurement } from './support.ts';

const rounds = 7;
const count = 6000;
const inFlight = 16;
/** Until both sides are compiled: a server runs for longer than that. */
const warmUps = 6;

/**
 * Until the returned function is called, this process does not sleep. To wake it costs the server that answers it, a fifth of a
 * request here, and the slower of two servers more, because it lets it sleep more often: that is no work of either.
 */
function stayAwake(): () => void {
  let awake = true;
  const turn = (): void => {
    if (awake) setImmediate(turn);
  };
  turn();
  return () => {
    awake = false;
  };
}

/** A trivial route with a token: behind everything that the gateway does, against bare express with the same check of the token. */
export async function measureGateway(): Promise<Measurement[]> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'floor/gateway.ts')], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    const { ours, floor, token } = JSON.parse(line) as { ours: number; floor: number; token: string };
    const request = requestBytes('GET', '/api/v1/client/installed', token);
    // What a request costs is told by processor time too: a busy machine disturbs it less than the rate.
    const mainThread = mainThreadOf(child.pid!);
    const ranMs = (): number => mainThread?.().ranMs ?? Number.NaN;
    const measure = async (port: number, spent: number[]): Promise<number> => {
      const before = ranMs();
      const sleep = stayAwake();
      const { perSecond } = await drive(port, count, inFlight, () => request).finally(sleep);
      spent.push(((ranMs() - before) * 1000) / count);
      return perSecond;
    };
    for (let warm = 0; warm < warmUps; warm += 1) for (const port of [ours, floor]) await measure(port, []);
    const spentUs = { ours: [] as number[], floor: [] as number[] };
    const rates = await inTurns(rounds, () => measure(ours, spentUs.ours), () => measure(floor, spentUs.floor));
    const detail = `${rates.ours.toFixed(0)}/s, bare express ${rates.floor.toFixed(0)}/s; ${percentile(spentUs.ours, 0.5).toFixed(0)} and ${percentile(spentUs.floor, 0.5).toFixed(0)} us of processor time each`;
    return [{ what: `a trivial route with a token behind the gateway, ${inFlight} in flight`, ratio: rates.ours / rates.floor, atLeast: 0.5, detail }];
  } finally {
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
}
