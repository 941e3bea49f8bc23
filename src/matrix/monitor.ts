import type { Clock } from '../kernel/clock.ts';
import { errorText } from '../kernel/errors.ts';
import { newId } from '../kernel/ids.ts';
import type { Log } from '../kernel/log.ts';
import { LoopHealth, type LoopReport } from '../kernel/loop-health.ts';
import { HomeserverError, HomeserverUnreachable, path, type Homeserver } from './homeserver.ts';

export interface MonitorDependencies {
  readonly homeserver: Homeserver;
  readonly appserviceId: string;
  readonly clock: Clock;
  readonly log: Log;
  /** The homeserver can be reached (again): what waited for it can go on. */
  readonly onReachable: () => Promise<void>;
}

export type HomeserverState =
  | { readonly state: 'unknown' }
  | { readonly state: 'connected'; readonly since: number }
  /** We reach it, but it cannot reach us, or does not know us. */
  | { readonly state: 'one_way'; readonly problem: string; readonly since: number }
  | { readonly state: 'unreachable'; readonly problem: string; readonly since: number };

const steadyPauseMs = 30_000;
const firstPauseMs = 500;
const longestPauseMs = 15_000;
const timeoutMs = 5000;
/** Longer than a pause and both requests of a look. */
const silenceMs = 90_000;

/**
 * Keeps asking the homeserver to ping us (Matrix application service API): that proves both directions, and makes a homeserver that has
 * given up on us for a while deliver at once what it holds back. Synapse waits for up to eight minutes after a failed delivery.
 */
export class HomeserverMonitor {
  readonly #deps: MonitorDependencies;
  #state: HomeserverState = { state: 'unknown' };
  #timer: NodeJS.Timeout | undefined;
  #pauseMs = firstPauseMs;
  #stopped = false;
  #running: Promise<void> = Promise.resolve();
  readonly #health: LoopHealth;

  constructor(deps: MonitorDependencies) {
    this.#deps = deps;
    this.#health = new LoopHealth(deps.clock, silenceMs);
  }

  state(): HomeserverState {
    return this.#state;
  }

  /** Of this loop, not of the homeserver: a homeserver that is away is a look that succeeded. */
  health(): LoopReport {
    return this.#health.report();
  }

  /** Looks once, at once, and then goes on by itself. Resolves after the first look. */
  async start(): Promise<void> {
    await this.#turn();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  async #turn(): Promise<void> {
    this.#running = this.#look().then(
      () => this.#health.succeeded(),
      (error: unknown) => {
        this.#health.failed(error);
        this.#deps.log.error({ error: errorText(error) }, 'the homeserver monitor failed');
      },
    );
    await this.#running;
    if (this.#stopped) return;
    this.#pauseMs = this.#state.state === 'connected' ? steadyPauseMs : Math.min(this.#pauseMs * 2, longestPauseMs);
    this.#timer = setTimeout(() => void this.#turn(), this.#pauseMs);
  }

  async #look(): Promise<void> {
    const { onReachable } = this.#deps;
    const before = this.#state.state;
    try {
      await this.#ping();
      if (before === 'connected') return;
      this.#become({ state: 'connected', since: this.#deps.clock.now() });
      this.#pauseMs = firstPauseMs;
      await onReachable();
    } catch (error) {
      if (before === 'connected') this.#pauseMs = firstPauseMs;
      const since = this.#deps.clock.now();
      if (error instanceof HomeserverUnreachable) this.#become({ state: 'unreachable', problem: error.message, since });
      else if (error instanceof HomeserverError) {
        this.#become({ state: 'one_way', problem: error.message, since });
        await onReachable();
      } else throw error;
    }
  }

  async #ping(): Promise<void> {
    const { homeserver, appserviceId } = this.#deps;
    try {
      await homeserver.request('POST', path.ping(appserviceId), { body: { transaction_id: newId('ping') }, timeoutMs });
    } catch (error) {
      // A gateway status here is the homeserver's word that it could not reach us; ask plainly which of the two it was.
      if (!(error instanceof HomeserverUnreachable)) throw error;
      await homeserver.request('GET', path.versions, { timeoutMs });
      throw new HomeserverError(502, 'M_CONNECTION_FAILED', 'the homeserver cannot reach the url of the registration file, or does not know our as_token');
    }
  }

  #become(next: HomeserverState): void {
    const { log } = this.#deps;
    if (next.state !== this.#state.state) {
      if (next.state === 'connected') log.info({}, 'homeserver: connected both ways');
      else log.warn({ problem: 'problem' in next ? next.problem : undefined }, `homeserver: ${next.state}`);
      this.#state = next;
    }
  }
}
