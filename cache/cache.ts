import type { CacheKey, ListKey, LockKey } from './keys.ts';
import type { Invalidation, Loaded, Lookup, Resolved, WriteOutcome } from './lookup.ts';
import type { LockAttempt } from './lock.ts';
import type { ListPage } from './list.ts';
import type { ServerInfo } from './server-info.ts';
import type { FamilyCounts } from './statistics.ts';
import type { SweepOptions, SweepReport } from './sweep.ts';
import type { TagVersions } from './tags.ts';

export type FallbackOptions = {
  /** Aborted when the caller no longer wants the answer; the shared load goes on while others wait for it. */
  signal?: AbortSignal | undefined;
};

/** A loader gets a signal that fires at the hard deadline. */
export type Loader<Value> = (signal: AbortSignal) => Promise<Loaded<Value>>;

/**
 * `hard`: what is stored is gone, and no process serves it again. `soft`: it is stale, everywhere at once, and is served
 * for as long as its family's grace while one process refreshes it; where there is no grace (permissions, tokens, "there
 * is no such thing") it is gone. Either ends near copies, refuses fills that began before it, and is acknowledged.
 */
export type PurgeMode = 'soft' | 'hard';

export type InvalidateOptions = {
  /**
   * Default `hard`. A soft purge never undoes a hard one: it marks what it finds, and finds nothing under a tombstone. A
   * mapping of a domain that was softly purged goes on to be answered, `isStale`, while the control API is asked; that is
   * the last one acknowledged, since each flip replaces what stands there, whatever its mark.
   */
  mode?: PurgeMode | undefined;
  /** An entry of at least this revision is newer than the invalidation and stays. */
  rev?: number | undefined;
  /** The same for several keys, in their order: each has a revision of its own. */
  revs?: readonly number[] | undefined;
  /**
   * The key showed nothing before (a domain that was just created), so that no gateway can serve anything older:
   * gateways unknown to a registry that has just begun are not waited for.
   */
  isFirst?: boolean | undefined;
  /** Give up waiting after this long; default twice the lease. */
  waitMs?: number | undefined;
};

/** Told of every invalidation that reaches this process, before it is acknowledged. Must be quick and must not throw. */
export type InvalidationListener = (event: InvalidationEvent) => void;

export type InvalidationEvent =
  | { kind: 'key'; family: string; name: string }
  /** Messages may have been missed: whatever is derived from the cache must be checked before it is used. */
  | { kind: 'all' };

export type CacheSnapshot = {
  state: ReturnType<Cache['state']>;
  instance: string;
  holdsLease: boolean;
  nearEntries: number;
  nearBytes: number;
  families: Readonly<Record<string, FamilyCounts>>;
  /** Gateways in the registry of leases; undefined when it cannot be read. */
  gateways: readonly string[] | undefined;
  /** Undefined when there is no server or it cannot be asked. */
  server: ServerInfo | undefined;
};

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
    value: NoInfer<Value>,
    options?: { ttlMs?: number | undefined; rev?: number | undefined },
  ): Promise<WriteOutcome>;
  del(keys: readonly (CacheKey<unknown> | ListKey<unknown>)[]): Promise<WriteOutcome>;
  exists(key: CacheKey<unknown>): Promise<Lookup<boolean>>;
  /** near memory -> shared cache -> loader, collapsed; stale where that is better than nothing. */
  getWithFallback<Value>(
    key: CacheKey<Value>,
    loader: Loader<NoInfer<Value>>,
    options?: FallbackOptions,
  ): Promise<Resolved<Value>>;
  /**
   * Ends the value everywhere, or makes it stale (`mode`): once this resolves with `isComplete`, no process serves what it
   * replaced, or serves it as fresh.
   */
  invalidate(key: CacheKey<unknown>, options?: InvalidateOptions): Promise<Invalidation>;
  /** The same for several keys, with one announcement. */
  invalidateMany(keys: readonly CacheKey<unknown>[], options?: InvalidateOptions): Promise<Invalidation>;
  /** Calls `listener` for each invalidation that this process hears of; answers how to stop. */
  onInvalidated(listener: InvalidationListener): () => void;

  /**
   * Versions of the tags at this moment, to be stored beside what carries the tags; see tags.ts. `isCurrent`: as the
   * server has them, read in the order given, whatever is near.
   */
  tagVersions(
    project: string,
    tags: readonly string[],
    options?: { isCurrent?: boolean },
  ): Promise<TagVersions>;
  /** The same from memory alone, if that is allowed right now; else undefined. */
  peekTagVersions(project: string, tags: readonly string[]): string[] | undefined;
  /** Ends everything that carries the tag, whatever it is: O(1). `soft` only marks it stale. */
  purgeTag(project: string, tag: string, mode?: PurgeMode): Promise<Invalidation>;

  /**
   * A hard purge of what changes often and is seldom stored (an address that is written to). Gateways are told, and waited
   * for, only where the tag's version was ever read; where it was not, nothing carries it, and what is only about to
   * finds its generation changed. Answers whether the cache server has taken it: if not, it must be said again.
   */
  purgeTagIfRead(project: string, tag: string): Promise<boolean>;

  /** One owner at a time, with a fencing number; see lock.ts. */
  lock(key: LockKey): Promise<LockAttempt>;
  /** Appends to a capped list, oldest first. */
  append<Item>(key: ListKey<Item>, items: readonly NoInfer<Item>[]): Promise<WriteOutcome>;
  /** Items after a position; 0 begins at the oldest that is left. */
  readList<Item>(key: ListKey<Item>, after: number, count?: number): Promise<ListPage<Item>>;

  /** Reads keys into this process' memory, as far as their families allow; answers how many are there now. */
  warm(keys: readonly CacheKey<unknown>[]): Promise<number>;
  /** Asks every gateway to do so: before a flip, with what the new deployment needs. Nobody waits for it. */
  warmEverywhere(keys: readonly CacheKey<unknown>[]): Promise<void>;
  /** Warms what gateways used most of late, bounded; a gateway does so by itself when its first lease begins. */
  warmHot(): Promise<number>;
  /** Removes entries that nothing stands behind any more; see sweep.ts. */
  sweep(options: SweepOptions): Promise<SweepReport>;
  /** Everything that this process and the server count, for people. */
  snapshot(): Promise<CacheSnapshot>;

  /** Whether the cache server can be used right now: `up`, `down` (breaker open), `disabled`, or `memory`. */
  state(): 'up' | 'down' | 'disabled' | 'memory';
  /** Whether this process may use near copies of coherent families right now. */
  holdsLease(): boolean;
};
