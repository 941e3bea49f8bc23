import { circuitBreaker, CircuitState, handleType, type CircuitBreakerPolicy, type IBreaker } from 'cockatiel';
import type { Clock } from '../../kernel/clock.ts';
import { AppError } from '../../kernel/errors.ts';

/** The service did not answer, or not as a service that works: the one thing that opens a circuit. What it refuses does not. */
export class ServiceFailed extends Error {
  override readonly name = 'ServiceFailed';
}

export interface BreakerOptions {
  /** So many of the last `window` calls failed: the circuit opens. */
  readonly failures: number;
  readonly window: number;
  readonly openMs: number;
  /** While it is half open, one call in so much time. */
  readonly probeMs: number;
}

export type BreakerState = 'CLOSED' | 'OPEN' | 'HALF_OPEN';

/** Specification section 7.7.4. */
export interface BreakerReport {
  readonly state: BreakerState;
  readonly failures_last_10_requests: number;
  readonly total_requests: number;
  readonly success_rate: number;
  readonly last_state_change: number;
}

/** So many failures among the last calls: the library's own count compares shares, and wants a full window first. */
class LastCalls implements IBreaker {
  readonly #failures: number;
  readonly #window: number;
  #last: boolean[] = [];

  constructor({ failures, window }: BreakerOptions) {
    this.#failures = failures;
    this.#window = window;
  }

  get state(): unknown {
    return [...this.#last];
  }

  set state(value: unknown) {
    this.#last = [...(value as boolean[])];
  }

  success(state: CircuitState): void {
    if (state === CircuitState.HalfOpen) this.#last = [];
    this.#note(true);
  }

  failure(state: CircuitState): boolean {
    this.#note(false);
    return state !== CircuitState.Closed || this.failed() >= this.#failures;
  }

  /** How many of the last `count` calls failed. */
  failed(count = this.#window): number {
    return this.#last.slice(-count).filter((succeeded) => !succeeded).length;
  }

  #note(succeeded: boolean): void {
    this.#last = [...this.#last, succeeded].slice(-this.#window);
  }
}

const names: Readonly<Record<CircuitState, BreakerState>> = { [CircuitState.Closed]: 'CLOSED', [CircuitState.Open]: 'OPEN', [CircuitState.HalfOpen]: 'HALF_OPEN', [CircuitState.Isolated]: 'OPEN' };

/** Section 7.7.5. */
export const unavailable = (state: BreakerState, retryAfterMs: number): AppError =>
  new AppError('SERVICE_UNAVAILABLE', 'Payment service temporarily unavailable', { retryAfterMs, fields: { retry_after: Math.ceil(retryAfterMs / 1000), circuit_state: state } });

/**
 * The circuit breaker of one kind of call (section 7.7): cockatiel's states and transitions, with the times by our own clock: the
 * library knows only the machine's, and lets everybody wait for the one probe where we turn them away.
 */
export class CallBreaker {
  readonly #clock: Clock;
  readonly #options: BreakerOptions;
  readonly #calls: LastCalls;
  readonly #policy: CircuitBreakerPolicy;
  #changedAt: number;
  #probedAt = Number.NEGATIVE_INFINITY;
  #total = 0;
  #succeeded = 0;

  constructor(clock: Clock, options: BreakerOptions, onChange: (state: BreakerState) => void = () => {}) {
    this.#clock = clock;
    this.#options = options;
    this.#calls = new LastCalls(options);
    this.#changedAt = clock.now();
    this.#policy = circuitBreaker(handleType(ServiceFailed), { breaker: this.#calls, halfOpenAfter: 0 });
    this.#policy.onStateChange((state) => {
      this.#changedAt = clock.now();
      onChange(names[state]);
    });
  }

  /** @throws AppError SERVICE_UNAVAILABLE where `run` would not let anybody through */
  requireClosed(): void {
    const now = this.#clock.now();
    const { openMs, probeMs } = this.#options;
    const waitMs = { CLOSED: 0, OPEN: Math.max(this.#changedAt + openMs, this.#probedAt + probeMs) - now, HALF_OPEN: Math.max(1000, this.#probedAt + probeMs - now) }[this.state];
    if (waitMs > 0) throw unavailable(this.state, waitMs);
  }

  /** @throws AppError SERVICE_UNAVAILABLE while the circuit is open, ServiceFailed, what `call` throws */
  async run<T>(call: () => Promise<T>): Promise<T> {
    this.requireClosed();
    if (this.state !== 'CLOSED') this.#probedAt = this.#clock.now();
    this.#total += 1;
    const result = await this.#policy.execute(call);
    this.#succeeded += 1;
    return result;
  }

  get state(): BreakerState {
    return names[this.#policy.state];
  }

  report(): BreakerReport {
    return { state: this.state, failures_last_10_requests: this.#calls.failed(10), total_requests: this.#total, success_rate: this.#total === 0 ? 1 : Math.round((this.#succeeded / this.#total) * 1000) / 1000, last_state_change: this.#changedAt };
  }
}
