import { LRUCache } from 'lru-cache';
import type { CacheKey } from './family.ts';
import type { Lease } from './lease.ts';
import type { Loader } from './cache.ts';

/** Unknown keys fall out of here before they can push out known ones: they have a room of their own. */
const MAX_NEGATIVE = 10_000;

export type NearEntry = {
  key: CacheKey<unknown>;
  /** Undefined for "there is no such thing". */
  value: unknown;
  isAbsent: boolean;
  /** Of the stored entry that it copies; empty when the shared cache has none. */
  stamp: string;
  bytes: number;
  /** Wall clock, for its age. */
  writtenAtMs: number;
  freshUntilMs: number;
  loadMs: number;
  /** Monotonic: when it was last known to be current. */
  confirmedAtMs: number;
  /** Monotonic: until when it may be used without asking, given the lease. */
  usableUntilMs: number;
  /** Generation of the lease under which it was confirmed. */
  leaseGeneration: number;
  isBeingRevalidated: boolean;
  /** Uses since the last count of what is hot. */
  uses: number;
  /** The last loader used for it, for refreshing it while it is in use. */
  loader: Loader<unknown> | undefined;
};

export type NearLimits = { maxEntries: number; maxBytes: number };

/** This process' own copies. What may be used of them, and when, is decided here and by the lease. */
export class NearCopies {
  readonly #values: LRUCache<string, NearEntry>;
  readonly #absences: LRUCache<string, NearEntry>;
  readonly #lease: Lease;

  constructor(limits: NearLimits, lease: Lease, onEvicted: (entry: NearEntry) => void) {
    this.#lease = lease;
    this.#values = new LRUCache({
      max: limits.maxEntries,
      maxSize: limits.maxBytes,
      sizeCalculation: (entry) => Math.max(1, entry.bytes),
      dispose: (entry, _name, reason) => {
        if (reason === 'evict') onEvicted(entry);
      },
    });
    this.#absences = new LRUCache({ max: Math.min(MAX_NEGATIVE, limits.maxEntries) });
  }

  get size(): number {
    return this.#values.size + this.#absences.size;
  }

  get bytes(): number {
    return this.#values.calculatedSize;
  }

  /** The copy if it may be used right now. The hot path: one look-up and three comparisons. */
  usable(name: string, nowMs: number): NearEntry | undefined {
    const entry = this.#values.get(name);
    return entry !== undefined && this.#isUsable(entry, nowMs) ? entry : undefined;
  }

  usableAbsence(name: string, nowMs: number): NearEntry | undefined {
    const entry = this.#absences.get(name);
    return entry !== undefined && this.#isUsable(entry, nowMs) ? entry : undefined;
  }

  /** Whatever is there, usable or not: for confirming it, or as the last known good. */
  find(name: string): NearEntry | undefined {
    return this.#values.peek(name) ?? this.#absences.peek(name);
  }

  lastKnownGood(name: string, nowMs: number): NearEntry | undefined {
    const entry = this.#values.peek(name);
    if (entry === undefined) return undefined;
    return nowMs - entry.confirmedAtMs <= entry.key.family.lastKnownGoodMs ? entry : undefined;
  }

  /** Every copy of a value, the most recently used first. */
  entries(): Iterable<NearEntry> {
    return this.#values.values();
  }

  put(entry: NearEntry): void {
    const { name } = entry.key;
    if (entry.isAbsent) {
      this.#values.delete(name);
      this.#absences.set(name, entry);
      return;
    }
    this.#absences.delete(name);
    this.#values.set(name, entry);
  }

  /** Ends its use without asking; it stays as last known good where the family keeps one. */
  end(name: string): void {
    this.#absences.delete(name);
    const entry = this.#values.peek(name);
    if (entry === undefined) return;
    if (entry.key.family.lastKnownGoodMs === 0) this.#values.delete(name);
    else entry.usableUntilMs = 0;
  }

  /** Removes it altogether: its source said that it is gone. */
  remove(name: string): void {
    this.#absences.delete(name);
    this.#values.delete(name);
  }

  #isUsable(entry: NearEntry, nowMs: number): boolean {
    return (
      nowMs < entry.usableUntilMs &&
      (entry.key.family.near === 'immutable' ||
        (entry.leaseGeneration === this.#lease.generation && nowMs < this.#lease.validUntilMs))
    );
  }
}
