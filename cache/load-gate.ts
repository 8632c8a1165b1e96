import type { Clock } from '../core/clock.ts';
import type { KeyFamily } from './family.ts';

/** Loads that may wait for their turn; more are turned away at once. */
const MAX_WAITING = 1000;

type Bucket = { tokens: number; atMs: number };
type Waiter = { admit(): void };

/**
 * Bounds what a process asks of the sources: how many loads run at once, and for families that name it, how many a
 * second may begin for keys of which nothing is known (a scan of random hosts).
 */
export class LoadGate {
  readonly #clock: Clock;
  readonly #maxRunning: number;
  readonly #buckets = new Map<string, Bucket>();
  readonly #waiting: Waiter[] = [];
  #running = 0;

  constructor(clock: Clock, maxRunning: number) {
    this.#clock = clock;
    this.#maxRunning = maxRunning;
  }

  get running(): number {
    return this.#running;
  }

  /** Whether a load for a key that nothing is known of may begin now. */
  admitCold(family: KeyFamily<unknown>): boolean {
    const perSecond = family.coldLoadsPerSecond;
    if (perSecond === undefined) return true;
    const nowMs = this.#clock.monotonicMs();
    const bucket = this.#buckets.get(family.name) ?? { tokens: perSecond, atMs: nowMs };
    bucket.tokens = Math.min(perSecond, bucket.tokens + ((nowMs - bucket.atMs) / 1000) * perSecond);
    bucket.atMs = nowMs;
    this.#buckets.set(family.name, bucket);
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  /** Runs `load` when it is its turn; undefined when too many wait already, or its turn does not come in time. */
  async run<Value>(load: () => Promise<Value>, maxWaitMs: number): Promise<Value | undefined> {
    if (this.#running < this.#maxRunning) this.#running += 1;
    else if (!(await this.#takeTurn(maxWaitMs))) return undefined;
    try {
      return await load();
    } finally {
      // The place passes straight to whoever waits: nobody can slip in between.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next.admit();
    }
  }

  async #takeTurn(maxWaitMs: number): Promise<boolean> {
    if (this.#waiting.length >= MAX_WAITING) return false;
    const turn = Promise.withResolvers<boolean>();
    const waiter: Waiter = { admit: () => turn.resolve(true) };
    const timer = setTimeout(() => {
      const place = this.#waiting.indexOf(waiter);
      if (place !== -1) this.#waiting.splice(place, 1);
      turn.resolve(false);
    }, maxWaitMs);
    this.#waiting.push(waiter);
    const isAdmitted = await turn.promise;
    clearTimeout(timer);
    return isAdmitted;
  }
}
