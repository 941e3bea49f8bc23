import type { Clock } from './clock.ts';
import { errorText } from './errors.ts';

/** What a background loop reports of itself. */
export interface LoopReport {
  /** When it last completed a round, milliseconds since the epoch. */
  readonly lastRunAt: number;
  /** Why its latest round failed. */
  readonly error: string | undefined;
  readonly healthy: boolean;
}

/** Kept by a background loop: it is healthy while its rounds succeed and none is overdue. */
export class LoopHealth {
  readonly #clock: Clock;
  readonly #silenceMs: number;
  #lastRunAt: number;
  #error: string | undefined;

  /** `silenceMs`: how long no round may complete before the loop counts as stuck. */
  constructor(clock: Clock, silenceMs: number) {
    this.#clock = clock;
    this.#silenceMs = silenceMs;
    this.#lastRunAt = clock.now();
  }

  succeeded(): void {
    this.#lastRunAt = this.#clock.now();
    this.#error = undefined;
  }

  failed(error: unknown): void {
    this.#error = errorText(error);
  }

  report(): LoopReport {
    return { lastRunAt: this.#lastRunAt, error: this.#error, healthy: this.#error === undefined && this.#clock.now() - this.#lastRunAt < this.#silenceMs };
  }
}
