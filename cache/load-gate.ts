import type { Clock } from '../core/clock.ts';
import type { KeyFamily } from './family.ts';

/** Loads that may wait for their turn; more are turned away at once. */
const MAX_WAITING = 1000;

type Bucket = { tokens: number; atMs: number };

/**
 * Bounds what a process asks of the sources: how many loads run at once, and for families that name it, how many a
 * second may begin for keys of which nothing is known (a scan of random hosts).
 */
export class LoadGate {
  readonly #clock: Clock;
  readonly #maxRunning: number;
  readonly #buckets = new Map<string, Bucket>();
  readonly #waiting: (() => void)[] = [];
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

  /** Runs `load` when it is its turn; undefined when too many wait already. */
  async run<Value>(load: () => Promise<Value>): Promise<Value | undefined> {
    if (this.#running >= this.#maxRunning) {
      if (this.#waiting.length >= MAX_WAITING) return undefined;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#running += 1;
    try {
      return await load();
    } finally {
      this.#running -= 1;
      this.#waiting.shift()?.();
    }
  }
}
