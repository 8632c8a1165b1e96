import type { Clock } from '../core/clock.ts';
import type { KeyFamily } from './family.ts';

/** Allowance that may gather while nothing is asked: half a second's. */
const BURST_SECONDS = 0.5;
/** A key that waits for its turn, waits so long, and no more than so many wait. */
const WAIT_MS = 100;
const LOOK_MS = 10;
const MAX_WAITING = 32;

type Bucket = { tokens: number; atMs: number };

/**
 * Bounds how many loads a second may begin for keys of which nothing is known, for families that name a rate. What
 * turns out to exist gives its allowance back: a scan of random hosts is held to the rate, the first requests
 * for thousands of real ones after a cold start are not.
 */
export class ColdBudget {
  readonly #clock: Clock;
  readonly #buckets = new Map<string, Bucket>();
  #waiting = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async admit(family: KeyFamily<unknown>): Promise<boolean> {
    const perSecond = family.coldLoadsPerSecond;
    if (perSecond === undefined || this.#take(family.name, perSecond)) return true;
    if (this.#waiting >= MAX_WAITING) return false;
    this.#waiting += 1;
    try {
      const endMs = performance.now() + WAIT_MS;
      while (performance.now() < endMs) {
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
        if (this.#take(family.name, perSecond)) return true;
      }
      return false;
    } finally {
      this.#waiting -= 1;
    }
  }

  /** The key exists: its load does not count. */
  giveBack(family: KeyFamily<unknown>): void {
    const bucket = this.#buckets.get(family.name);
    if (bucket !== undefined) bucket.tokens += 1;
  }

  #take(name: string, perSecond: number): boolean {
    const nowMs = this.#clock.monotonicMs();
    const burst = perSecond * BURST_SECONDS;
    const bucket = this.#buckets.get(name) ?? { tokens: burst, atMs: nowMs };
    bucket.tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.atMs) / 1000) * perSecond);
    bucket.atMs = nowMs;
    this.#buckets.set(name, bucket);
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }
}
