import type { Clock } from '../core/clock.ts';
import type { Loader } from './cache.ts';
import type { EntryHead } from './entry.ts';
import type { CacheKey, KeyFamily } from './family.ts';
import { isDueEarly } from './freshness.ts';
import { Generations } from './generations.ts';
import type { Lease } from './lease.ts';
import type { Resolved } from './lookup.ts';
import { NearCopies, type NearEntry, type NearLimits } from './near-copies.ts';
import type { SharedTier } from './shared-tier.ts';
import type { Statistics } from './statistics.ts';

/** A near copy in use is confirmed again after this share of its time, so that it does not run out under load. */
const CONFIRM_AFTER_SHARE = 0.5;
/** Smaller values are read again rather than confirmed by their header: that saves a round trip when they changed. */
const CONFIRM_ABOVE_BYTES = 2048;

/** Which key, by which loader, and since when. */
export type NearAttempt<Value> = {
  key: CacheKey<Value>;
  loader: Loader<Value> | undefined;
  began: number;
  startedAtMs: number;
};

type StoredFacts = Pick<NearEntry, 'stamp' | 'bytes' | 'writtenAtMs' | 'freshUntilMs' | 'loadMs'>;

export type NearOptions = {
  clock: Clock;
  lease: Lease;
  limits: NearLimits;
  nearTtlMs: number;
  shared: SharedTier;
  statistics: Statistics;
  /** Off only where the hammer proves what it is for. */
  hasGenerationCheck: boolean;
  /** Resolves a key anew in the background. */
  refresh: (key: CacheKey<unknown>, loader: Loader<unknown>) => void;
  resolve: (key: CacheKey<unknown>, loader: Loader<unknown>) => void;
};

/** The first tier: what this process keeps, and the rules by which it may use it. */
export class Near {
  readonly copies: NearCopies;
  readonly #options: NearOptions;
  readonly #generations = new Generations();

  constructor(options: NearOptions) {
    this.#options = options;
    this.copies = new NearCopies(options.limits, options.lease, (entry) => {
      options.statistics.family(entry.key.family.name).nearEvictions += 1;
    });
  }

  /** The present moment of the generations: a fill that began at it is kept unless an invalidation came since. */
  begin(): number {
    return this.#generations.begin();
  }

  /** The hot path: synchronous, no allocation. Confirms in the background what is in use. */
  use(key: CacheKey<unknown>): NearEntry | undefined {
    if (key.family.near === 'none') return undefined;
    const nowMs = this.#options.clock.monotonicMs();
    const entry = this.copies.usable(key.name, nowMs);
    if (entry === undefined) return undefined;
    entry.uses += 1;
    this.#confirmInUse(entry, nowMs);
    return entry;
  }

  useAbsence(key: CacheKey<unknown>): NearEntry | undefined {
    if (key.family.near === 'none') return undefined;
    return this.copies.usableAbsence(key.name, this.#options.clock.monotonicMs());
  }

  /**
   * Whether this process hears of an invalidation before it is acknowledged. Only then may a caller share work that
   * began before it came: else that work may have read what was replaced before the caller arrived.
   */
  hearsOfInvalidations(family: KeyFamily<unknown>): boolean {
    if (family.near === 'immutable') return true;
    return family.near === 'coherent' && this.#options.clock.monotonicMs() < this.#options.lease.validUntilMs;
  }

  /** Whether anything at all is known of a key. */
  knows(name: string): boolean {
    return this.copies.find(name) !== undefined;
  }

  /** Uses a copy that ran out, having asked the shared cache whether it is still the same: reads only a header. */
  async confirm<Value>(
    key: CacheKey<Value>,
    attempt: NearAttempt<Value>,
  ): Promise<Resolved<Value> | undefined> {
    const entry = this.copies.find(key.name);
    if (entry === undefined || entry.isAbsent || entry.bytes < CONFIRM_ABOVE_BYTES) return undefined;
    if (entry.stamp === '' || !(await this.#isSame(entry, attempt))) return undefined;
    const nowMs = this.#options.clock.nowMs();
    if (nowMs >= entry.freshUntilMs) return undefined;
    this.#options.statistics.family(key.family.name).sharedHits += 1;
    return {
      kind: 'found',
      value: entry.value as Value,
      source: 'shared',
      ageMs: Math.max(0, nowMs - entry.writtenAtMs),
      isStale: false,
      isLastKnownGood: false,
    };
  }

  keepValue<Value>(attempt: NearAttempt<Value>, value: Value, facts: StoredFacts): void {
    if (!this.#isKeepable(attempt)) return this.keepAsLastKnownGood(attempt, value, facts);
    this.#keep(attempt, { value, isAbsent: false, ...pickFacts(facts) });
  }

  /**
   * Something that must not be used, since it was purged while it came: kept for when nobody can be asked, and only
   * where nothing else is known. It was answered once, so the key is known from now on.
   */
  keepAsLastKnownGood<Value>(attempt: NearAttempt<Value>, value: Value, facts: StoredFacts): void {
    const { key, loader, startedAtMs } = attempt;
    if (key.family.lastKnownGoodMs === 0 || this.copies.find(key.name) !== undefined) return;
    this.copies.put({
      key,
      value,
      isAbsent: false,
      ...pickFacts(facts),
      stamp: '',
      confirmedAtMs: startedAtMs,
      usableUntilMs: 0,
      leaseGeneration: this.#options.lease.generation,
      isBeingRevalidated: false,
      uses: 0,
      loader,
    });
  }

  keepAbsence(
    attempt: NearAttempt<unknown>,
    facts: Pick<EntryHead, 'stamp' | 'writtenAtMs' | 'freshUntilMs'>,
    loadMs: number,
  ): void {
    const { stamp, writtenAtMs, freshUntilMs } = facts;
    this.#keep(attempt, {
      value: undefined,
      isAbsent: true,
      stamp,
      writtenAtMs,
      freshUntilMs,
      bytes: 0,
      loadMs,
    });
  }

  /** The source said that it is gone: not even a last known good stays, unless something newer came in since. */
  forget(attempt: NearAttempt<unknown>): void {
    if (this.#isKeepable(attempt)) this.copies.remove(attempt.key.name);
  }

  end(name: string): void {
    this.#generations.end(name, this.#options.clock.monotonicMs());
    this.copies.end(name);
  }

  /** Every copy must be confirmed before it is used again; the lease's new generation sees to those. */
  endAll(): void {
    this.#generations.endAll();
  }

  lastKnownGood<Value>(key: CacheKey<Value>): Resolved<Value> | undefined {
    const { clock, statistics } = this.#options;
    const entry = this.copies.lastKnownGood(key.name, clock.monotonicMs());
    if (entry === undefined) return undefined;
    statistics.family(key.family.name).lastKnownGoodServed += 1;
    return {
      kind: 'found',
      value: entry.value as Value,
      source: 'near',
      ageMs: Math.max(0, clock.nowMs() - entry.writtenAtMs),
      isStale: true,
      isLastKnownGood: true,
    };
  }

  #confirmInUse(entry: NearEntry, nowMs: number): void {
    if (entry.isBeingRevalidated || entry.key.family.near === 'immutable') return;
    if (nowMs - entry.confirmedAtMs < this.#options.nearTtlMs * CONFIRM_AFTER_SHARE) return;
    entry.isBeingRevalidated = true;
    void this.#confirmInBackground(entry).finally(() => {
      entry.isBeingRevalidated = false;
    });
  }

  async #confirmInBackground(entry: NearEntry): Promise<void> {
    const { clock, refresh, resolve } = this.#options;
    const attempt = {
      key: entry.key,
      loader: entry.loader,
      began: this.begin(),
      startedAtMs: clock.monotonicMs(),
    };
    if (entry.stamp !== '' && (await this.#isSame(entry, attempt))) {
      const isDue = isDueEarly({ ...entry, nowMs: clock.nowMs(), random: Math.random() });
      if (isDue && entry.loader !== undefined) refresh(entry.key, entry.loader);
      return;
    }
    if (entry.loader !== undefined) resolve(entry.key, entry.loader);
  }

  /** Asks for the header; on the same entry extends the copy's use, on another one ends it. */
  async #isSame(entry: NearEntry, attempt: NearAttempt<unknown>): Promise<boolean> {
    const { clock, shared, lease } = this.#options;
    try {
      const head = await shared.findHead(entry.key);
      if (!this.#isKeepable(attempt)) return false;
      if (head?.stamp !== entry.stamp) {
        // Written, purged or deleted by somebody whose message we did not get: at most L1_TTL behind.
        this.copies.end(entry.key.name);
        return false;
      }
      entry.confirmedAtMs = attempt.startedAtMs;
      entry.usableUntilMs = this.#usableUntilMs(entry.key.family, entry.freshUntilMs, attempt.startedAtMs);
      entry.leaseGeneration = lease.generation;
      return clock.nowMs() < entry.freshUntilMs;
    } catch {
      // The cache cannot be asked: the copy runs out by itself.
      return false;
    }
  }

  #keep(attempt: NearAttempt<unknown>, facts: StoredFacts & Pick<NearEntry, 'value' | 'isAbsent'>): void {
    const { key, loader, startedAtMs } = attempt;
    if (key.family.near === 'none' || !this.#isKeepable(attempt)) return;
    this.copies.put({
      key,
      ...facts,
      confirmedAtMs: startedAtMs,
      usableUntilMs: this.#usableUntilMs(key.family, facts.freshUntilMs, startedAtMs),
      leaseGeneration: this.#options.lease.generation,
      isBeingRevalidated: false,
      uses: 0,
      loader,
    });
  }

  #isKeepable(attempt: NearAttempt<unknown>): boolean {
    if (!this.#options.hasGenerationCheck) return true;
    return this.#generations.isCurrent(attempt.key.name, attempt.began);
  }

  #usableUntilMs(family: KeyFamily<unknown>, freshUntilMs: number, startedAtMs: number): number {
    const { clock, nearTtlMs } = this.#options;
    const freshForMs = clock.monotonicMs() + freshUntilMs - clock.nowMs();
    return family.near === 'immutable' ? freshForMs : Math.min(startedAtMs + nearTtlMs, freshForMs);
  }
}

function pickFacts({ stamp, bytes, writtenAtMs, freshUntilMs, loadMs }: StoredFacts): StoredFacts {
  return { stamp, bytes, writtenAtMs, freshUntilMs, loadMs };
}
