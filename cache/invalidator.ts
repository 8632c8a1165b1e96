import type { Clock } from '../core/clock.ts';
import type { Announcer } from './announcer.ts';
import type { InvalidateOptions, InvalidationEvent, InvalidationListener } from './cache.ts';
import { encodeMessage, nameOf, type InvalidatedKey } from './bus-message.ts';
import type { CacheKey } from './family.ts';
import type { Invalidation } from './lookup.ts';
import type { Statistics } from './statistics.ts';

/** No other process can have a copy of what was ended. */
export const NOBODY_CONCERNED: unique symbol = Symbol('nobody concerned');

const COMPLETE: Invalidation = { acknowledged: [], expired: [], isComplete: true, durationMs: 0 };

export type InvalidatorOptions = {
  announcer: Announcer;
  clock: Clock;
  statistics: Statistics;
  /** No other process is concerned. */
  isSolo: boolean;
  leaseMs: number;
  /** Ends what this process itself keeps under a name. */
  end: (name: string) => void;
};

/** Ends values everywhere: in the shared cache, here, and at every gateway; tells who listens. */
export class Invalidator {
  readonly #options: InvalidatorOptions;
  readonly #listeners = new Set<InvalidationListener>();

  constructor(options: InvalidatorOptions) {
    this.#options = options;
  }

  listen(listener: InvalidationListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Begins to watch who holds a lease, ahead of the first invalidation. */
  watch(): void {
    if (!this.#options.isSolo) this.#options.announcer.watch();
  }

  /**
   * `endShared` ends the values in the shared cache; where it fails, what is near ends all the same. Where it answers
   * NOBODY_CONCERNED, no other process is told.
   */
  async run(
    wanted: readonly CacheKey<unknown>[],
    options: InvalidateOptions,
    endShared: () => Promise<unknown>,
  ): Promise<Invalidation> {
    const startedAtMs = this.#options.clock.monotonicMs();
    let ended: unknown;
    try {
      ended = await endShared();
    } catch {
      // The state of the connection is logged where it changes; the caller sees that this is not complete.
      for (const key of wanted) this.receive(nameOf(key));
      return this.#incomplete(startedAtMs);
    }
    for (const key of wanted) this.receive(nameOf(key));
    if (ended === NOBODY_CONCERNED) return COMPLETE;
    try {
      return await this.#announce(wanted, options);
    } catch {
      // As above.
      return this.#incomplete(startedAtMs);
    }
  }

  /** An invalidation from anywhere: this process' own, or over the bus. */
  receive(key: InvalidatedKey): void {
    this.#options.end(key.name);
    this.tell({ kind: 'key', ...key });
  }

  tell(event: InvalidationEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  close(): void {
    this.#options.announcer.close();
  }

  async #announce(wanted: readonly CacheKey<unknown>[], options: InvalidateOptions): Promise<Invalidation> {
    const { announcer, statistics, leaseMs, isSolo } = this.#options;
    const announced = wanted.filter((key) => key.family.isAnnounced);
    if (announced.length === 0 || isSolo) return COMPLETE;
    const invalidation = await announcer.announce(encodeMessage('drop', announced.map(nameOf)), {
      waitMs: options.waitMs ?? leaseMs * 2,
      isFirst: options.isFirst ?? false,
    });
    statistics.onAcknowledged(invalidation.durationMs);
    if (!invalidation.isComplete) statistics.unacknowledgedInvalidations += 1;
    return invalidation;
  }

  #incomplete(startedAtMs: number): Invalidation {
    const durationMs = this.#options.clock.monotonicMs() - startedAtMs;
    this.#options.statistics.unacknowledgedInvalidations += 1;
    return { acknowledged: [], expired: [], isComplete: false, durationMs };
  }
}
