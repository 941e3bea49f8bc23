import { AppError } from './errors.ts';

export interface PlaceLimits {
  readonly perSession: number;
  readonly total: number;
  /** For the answer to who is refused. */
  readonly retryAfterMs: number;
}

/** Counts requests that are held open, so that neither one session nor all together take what others need. */
export class OpenPlaces {
  readonly #limits: PlaceLimits;
  readonly #what: string;
  readonly #perSession = new Map<string, number>();
  #taken = 0;

  /** `what` is counted, in the plural. */
  constructor(what: string, limits: PlaceLimits) {
    this.#what = what;
    this.#limits = limits;
  }

  get taken(): number {
    return this.#taken;
  }

  has(sessionId: string): boolean {
    return this.#perSession.has(sessionId);
  }

  /** Takes a place; what is returned gives it back, once. @throws AppError RATE_LIMIT_EXCEEDED, SERVICE_UNAVAILABLE */
  take(sessionId: string): () => void {
    const { perSession, total, retryAfterMs } = this.#limits;
    const ofSession = this.#perSession.get(sessionId) ?? 0;
    if (this.#taken >= total) throw new AppError('SERVICE_UNAVAILABLE', `Too many ${this.#what} are open on this server`, { retryAfterMs });
    if (ofSession >= perSession) throw new AppError('RATE_LIMIT_EXCEEDED', `At most ${perSession} ${this.#what} may be open at once for a session`, { retryAfterMs });
    this.#taken += 1;
    this.#perSession.set(sessionId, ofSession + 1);
    let given = false;
    return () => {
      if (given) return;
      given = true;
      this.#taken -= 1;
      const left = this.#perSession.get(sessionId)! - 1;
      if (left === 0) this.#perSession.delete(sessionId);
      else this.#perSession.set(sessionId, left);
    };
  }
}
