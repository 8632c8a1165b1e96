import type { CacheKey } from './keys.ts';
import type { Invalidation, Loaded, Lookup, Resolved, WriteOutcome } from './lookup.ts';

export type FallbackOptions = {
  /** Aborted when the caller no longer wants the answer; the shared load goes on while others wait for it. */
  signal?: AbortSignal | undefined;
};

/** A loader gets a signal that fires at the hard deadline. */
export type Loader<Value> = (signal: AbortSignal) => Promise<Loaded<Value>>;

/**
 * The cache that every service shares. Whatever happens to the cache server, no method throws and none takes
 * longer than its deadline: look-ups answer `error`, writes say that they failed.
 */
export type Cache = {
  /** Begins to connect and resolves when connected or when the first attempt failed; never throws. */
  connect(): Promise<void>;
  close(): Promise<void>;
  /** The near copy if it may be used right now without asking anyone. Synchronous: for the hot path. */
  peek<Value>(key: CacheKey<Value>): Value | undefined;
  get<Value>(key: CacheKey<Value>): Promise<Lookup<Value>>;
  /** Look-ups in the order of the keys, in one round trip. */
  getMany<Value>(keys: readonly CacheKey<Value>[]): Promise<Lookup<Value>[]>;
  set<Value>(
    key: CacheKey<Value>,
    value: Value,
    options?: { ttlMs?: number; rev?: number },
  ): Promise<WriteOutcome>;
  del(keys: readonly CacheKey<unknown>[]): Promise<WriteOutcome>;
  exists(key: CacheKey<unknown>): Promise<Lookup<boolean>>;
  /** near memory -> shared cache -> loader, collapsed; stale where that is better than nothing. */
  getWithFallback<Value>(
    key: CacheKey<Value>,
    loader: Loader<Value>,
    options?: FallbackOptions,
  ): Promise<Resolved<Value>>;
  /** Ends the value everywhere: no process serves what it replaced once this resolves with `isComplete`. */
  invalidate(key: CacheKey<unknown>, options?: { rev?: number }): Promise<Invalidation>;
  /** Whether the cache server can be used right now: `up`, `down` (breaker open), `disabled`, or `memory`. */
  state(): 'up' | 'down' | 'disabled' | 'memory';
};
