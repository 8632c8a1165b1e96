import type { Clock } from '../core/clock.ts';

const FAILURES_TO_OPEN = 5;
const FIRST_OPEN_MS = 500;
const LONGEST_OPEN_MS = 15_000;

export type BreakerState = 'closed' | 'open' | 'half-open';

/**
 * Keeps calls away from a runner that does not answer. Opens after five failures in a row, then lets one call
 * through as a probe: after 0.5 s first, after twice as long each time the probe fails, at most every 15 s.
 *
 * A failed connection always counts. A time-out counts once for each deployment in a row: a single slow function must not
 * close its runner to everybody else, while a runner that is stuck lets many deployments time out.
 */
export class Breaker {
  readonly #clock: Clock;
  #failures = 0;
  #openMs = FIRST_OPEN_MS;
  #openUntilMs: number | undefined;
  #isProbing = false;
  readonly #timedOut = new Set<string>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get state(): BreakerState {
    if (this.#openUntilMs === undefined) return 'closed';
    return this.#clock.monotonicMs() < this.#openUntilMs ? 'open' : 'half-open';
  }

  /** Whether a call would be let through now. */
  get isPassable(): boolean {
    const state = this.state;
    return state === 'closed' || (state === 'half-open' && !this.#isProbing);
  }

  /** Announces a call that is let through; ends with exactly one of the three methods below. */
  enter(): void {
    if (this.state === 'half-open') this.#isProbing = true;
  }

  /** The runner answered, whatever the status. */
  succeeded(): void {
    this.#failures = 0;
    this.#timedOut.clear();
    this.#openMs = FIRST_OPEN_MS;
    this.#openUntilMs = undefined;
    this.#isProbing = false;
  }

  /** No connection, or no answer in time; `timedOutDeployment` names the deployment in the second case. */
  failed(timedOutDeployment?: string): void {
    if (this.#openUntilMs !== undefined) {
      if (this.#isProbing) this.#reopen();
      return;
    }
    if (timedOutDeployment !== undefined) {
      if (this.#timedOut.has(timedOutDeployment)) return;
      this.#timedOut.add(timedOutDeployment);
    }
    this.#failures += 1;
    if (this.#failures >= FAILURES_TO_OPEN) this.#openUntilMs = this.#clock.monotonicMs() + this.#openMs;
  }

  /** The call ended without saying anything about the runner: the client left. */
  abandoned(): void {
    this.#isProbing = false;
  }

  #reopen(): void {
    this.#isProbing = false;
    this.#openMs = Math.min(this.#openMs * 2, LONGEST_OPEN_MS);
    this.#openUntilMs = this.#clock.monotonicMs() + this.#openMs;
  }
}
