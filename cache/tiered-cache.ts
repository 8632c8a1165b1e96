import type { Clock } from '../core/clock.ts';
import { EdgeError, toEdgeError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { Announcer } from './announcer.ts';
import type { Backend } from './backend.ts';
import type {
  Cache,
  FallbackOptions,
  InvalidateOptions,
  InvalidationEvent,
  InvalidationListener,
  Loader,
} from './cache.ts';
import type { CacheConfig } from './config.ts';
import { EntryWriter } from './entry-writer.ts';
import type { CacheKey, ListKey, LockKey } from './family.ts';
import { decodeInvalidation, encodeInvalidation, type InvalidatedKey } from './invalidation-message.ts';
import { HeldLease, noLease, unlimitedLease, type Lease } from './lease.ts';
import { appendToList, readListPage, type ListPage } from './list.ts';
import { LoadGate } from './load-gate.ts';
import { acquireLock, type LockAttempt } from './lock.ts';
import type { Invalidation, Lookup, Resolved, WriteOutcome } from './lookup.ts';
import { Near, type NearAttempt } from './near.ts';
import { ALL_PROTECTIONS, type Protections } from './protections.ts';
import { Resolver } from './resolver.ts';
import { SharedTier, type Found } from './shared-tier.ts';
import { observe, type Statistics } from './statistics.ts';
import { TagStore } from './tag-versions.ts';
import type { TagVersions } from './tags.ts';

export type TieredCacheOptions = {
  config: CacheConfig;
  backend: Backend;
  clock: Clock;
  log: Logger;
  instance: string;
  statistics: Statistics;
  /** A gateway: takes part in acknowledgements and may use near copies of coherent families. */
  holdsLease: boolean;
  /** The backend is a memory server of this process alone. */
  isSolo: boolean;
  protections?: Protections | undefined;
};

/** Near memory over the shared cache over a loader: the contract of cache.ts put together from its parts. */
export class TieredCache implements Cache {
  readonly #options: TieredCacheOptions;
  readonly #held: HeldLease | undefined;
  readonly #near: Near;
  readonly #shared: SharedTier;
  readonly #writer: EntryWriter;
  readonly #resolver: Resolver;
  readonly #announcer: Announcer;
  readonly #tags: TagStore;
  readonly #listeners = new Set<InvalidationListener>();

  constructor(options: TieredCacheOptions) {
    const { backend, clock, config, log, statistics, isSolo } = options;
    const protections = options.protections ?? ALL_PROTECTIONS;
    this.#options = options;
    this.#held = options.holdsLease && !isSolo ? this.#createLease() : undefined;
    this.#shared = new SharedTier(backend, clock, statistics);
    this.#writer = new EntryWriter({ backend, clock, config, statistics, isSolo, protections });
    this.#near = new Near({
      clock,
      lease: this.#chooseLease(protections),
      limits: { maxEntries: config.nearMaxEntries, maxBytes: config.nearMaxBytes },
      nearTtlMs: config.nearTtlMs,
      shared: this.#shared,
      statistics,
      hasGenerationCheck: protections.generationCheck,
      refresh: (key, loader) => this.#resolver.refresh(key, loader),
      resolve: (key, loader) => void this.#resolver.resolve(key, loader),
    });
    this.#resolver = new Resolver({
      backend,
      clock,
      config,
      log,
      near: this.#near,
      shared: this.#shared,
      writer: this.#writer,
      gate: new LoadGate(clock, config.maxConcurrentLoads),
      statistics,
    });
    this.#announcer = new Announcer({ backend, clock, log, leaseMs: config.leaseMs });
    const { defaultTtlMs } = config;
    this.#tags = new TagStore({ backend, clock, near: this.#near, shared: this.#shared, defaultTtlMs });
  }

  async connect(): Promise<void> {
    await this.#options.backend.connect();
    this.#held?.start();
  }

  async close(): Promise<void> {
    this.#announcer.close();
    await this.#held?.close();
    await this.#options.backend.close();
  }

  state(): 'up' | 'down' | 'disabled' | 'memory' {
    if (this.#options.backend.kind === 'memory') return 'memory';
    return this.#options.backend.isUp() ? 'up' : 'down';
  }

  holdsLease(): boolean {
    return this.#held?.isValid ?? this.#options.isSolo;
  }

  peek<Value>(key: CacheKey<Value>): Value | undefined {
    const entry = this.#near.use(key);
    if (entry === undefined) return undefined;
    this.#options.statistics.family(key.family.name).nearHits += 1;
    return entry.value as Value;
  }

  async get<Value>(key: CacheKey<Value>): Promise<Lookup<Value>> {
    const near = this.#nearLookup(key);
    if (near !== undefined) return near;
    const attempt = this.#begin(key);
    return this.#toLookup(attempt, await this.#shared.find(key));
  }

  async getMany<Value>(wanted: readonly CacheKey<Value>[]): Promise<Lookup<Value>[]> {
    const lookups = wanted.map((key) => this.#nearLookup(key));
    const missing = wanted.filter((_key, index) => lookups[index] === undefined);
    if (missing.length === 0) return lookups.flatMap((lookup) => lookup ?? []);
    const attempts = missing.map((key) => this.#begin(key));
    const found = await this.#shared.findMany(missing);
    const read = attempts.map((attempt, index) =>
      this.#toLookup(attempt, found[index] ?? { kind: 'nothing' }),
    );
    return lookups.map((lookup) => lookup ?? read.shift() ?? { kind: 'miss' });
  }

  async set<Value>(
    key: CacheKey<Value>,
    value: NoInfer<Value>,
    options: { ttlMs?: number | undefined; rev?: number | undefined } = {},
  ): Promise<WriteOutcome> {
    const outcome = await this.#writer.set(key, value, options);
    this.#end(key.name);
    return outcome;
  }

  async del(keys: readonly CacheKey<unknown>[]): Promise<WriteOutcome> {
    try {
      if (keys.length > 0) await this.#options.backend.remove(keys.map((key) => key.name));
      return { kind: 'stored' };
    } catch (error) {
      return { kind: 'error', cause: toEdgeError(error) };
    } finally {
      for (const key of keys) this.#end(key.name);
    }
  }

  async exists(key: CacheKey<unknown>): Promise<Lookup<boolean>> {
    try {
      const head = await this.#shared.findHead(key);
      const nowMs = this.#options.clock.nowMs();
      const isThere = head?.kind === 'value' && nowMs < head.freshUntilMs + key.family.graceMs;
      const ageMs = isThere ? Math.max(0, nowMs - head.writtenAtMs) : 0;
      return { kind: 'hit', value: isThere, tier: 'shared', ageMs, isStale: false };
    } catch (error) {
      return { kind: 'error', cause: toEdgeError(error) };
    }
  }

  async getWithFallback<Value>(
    key: CacheKey<Value>,
    loader: Loader<NoInfer<Value>>,
    options: FallbackOptions = {},
  ): Promise<Resolved<Value>> {
    const near = this.#nearLookup(key);
    if (near?.kind === 'hit') {
      const { value, ageMs } = near;
      return { kind: 'found', value, source: 'near', ageMs, isStale: false, isLastKnownGood: false };
    }
    if (near !== undefined) return { kind: 'absent', source: 'near' };
    return untilAborted(this.#resolver.resolve(key, loader), options.signal);
  }

  invalidate(key: CacheKey<unknown>, options: InvalidateOptions = {}): Promise<Invalidation> {
    return this.invalidateMany([key], options);
  }

  async invalidateMany(
    wanted: readonly CacheKey<unknown>[],
    options: InvalidateOptions = {},
  ): Promise<Invalidation> {
    const startedAtMs = this.#options.clock.monotonicMs();
    try {
      await Promise.all(wanted.map((key) => this.#writer.purge(key, options.rev ?? 0)));
      for (const key of wanted) this.#receiveKey({ family: key.family.name, name: key.name });
      return await this.#announce(wanted, options);
    } catch {
      // The state of the connection is logged where it changes; the caller sees that this is not complete.
      for (const key of wanted) this.#receiveKey({ family: key.family.name, name: key.name });
      return this.#incomplete(startedAtMs);
    }
  }

  onInvalidated(listener: InvalidationListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tagVersions(project: string, tags: readonly string[]): Promise<TagVersions> {
    return this.#tags.versions(project, tags);
  }

  peekTagVersions(project: string, tags: readonly string[]): string[] | undefined {
    return this.#tags.peek(project, tags);
  }

  async purgeTag(project: string, tag: string, mode: 'soft' | 'hard' = 'hard'): Promise<Invalidation> {
    const startedAtMs = this.#options.clock.monotonicMs();
    try {
      const key = await this.#tags.purge(project, tag, mode);
      this.#receiveKey({ family: key.family.name, name: key.name });
      return await this.#announce([key], {});
    } catch {
      // As in invalidateMany.
      return this.#incomplete(startedAtMs);
    }
  }

  lock(key: LockKey): Promise<LockAttempt> {
    const { backend, clock, instance } = this.#options;
    return acquireLock(key, { backend, clock, instance });
  }

  append<Item>(key: ListKey<Item>, items: readonly NoInfer<Item>[]): Promise<WriteOutcome> {
    return appendToList(this.#options.backend, key, items);
  }

  readList<Item>(key: ListKey<Item>, after: number, count?: number): Promise<ListPage<Item>> {
    return readListPage(this.#options.backend, key, after, count);
  }

  async #announce(wanted: readonly CacheKey<unknown>[], options: InvalidateOptions): Promise<Invalidation> {
    const { config, statistics } = this.#options;
    const announced = wanted.filter((key) => key.family.isAnnounced);
    if (announced.length === 0 || this.#options.isSolo) {
      return { acknowledged: [], expired: [], isComplete: true, durationMs: 0 };
    }
    const payload = encodeInvalidation(announced.map((key) => ({ family: key.family.name, name: key.name })));
    const invalidation = await this.#announcer.announce(payload, {
      waitMs: options.waitMs ?? config.leaseMs * 2,
      isFirst: options.isFirst ?? false,
    });
    observe(statistics.acknowledgements, invalidation.durationMs);
    if (!invalidation.isComplete) statistics.unacknowledgedInvalidations += 1;
    return invalidation;
  }

  #incomplete(startedAtMs: number): Invalidation {
    const durationMs = this.#options.clock.monotonicMs() - startedAtMs;
    this.#options.statistics.unacknowledgedInvalidations += 1;
    return { acknowledged: [], expired: [], isComplete: false, durationMs };
  }

  #nearLookup<Value>(key: CacheKey<Value>): Exclude<Lookup<Value>, { kind: 'miss' | 'error' }> | undefined {
    const entry = this.#near.use(key) ?? this.#near.useAbsence(key);
    if (entry === undefined) return undefined;
    const ageMs = Math.max(0, this.#options.clock.nowMs() - entry.writtenAtMs);
    const counts = this.#options.statistics.family(key.family.name);
    if (entry.isAbsent) {
      counts.nearNegativeHits += 1;
      return { kind: 'absent', tier: 'near', ageMs };
    }
    counts.nearHits += 1;
    return { kind: 'hit', value: entry.value as Value, tier: 'near', ageMs, isStale: false };
  }

  #toLookup<Value>(attempt: NearAttempt<Value>, found: Found<Value>): Lookup<Value> {
    const counts = this.#options.statistics.family(attempt.key.family.name);
    switch (found.kind) {
      case 'value':
        counts.sharedHits += 1;
        if (found.isFresh) this.#near.keepValue(attempt, found.value, { ...found.head, bytes: found.bytes });
        return {
          kind: 'hit',
          value: found.value,
          tier: 'shared',
          ageMs: found.ageMs,
          isStale: !found.isFresh,
        };
      case 'absent':
        counts.sharedNegativeHits += 1;
        return { kind: 'absent', tier: 'shared', ageMs: found.ageMs };
      case 'nothing':
        counts.misses += 1;
        return { kind: 'miss' };
      case 'error':
        return found;
      default:
        return found satisfies never;
    }
  }

  #begin<Value>(key: CacheKey<Value>): NearAttempt<Value> {
    const startedAtMs = this.#options.clock.monotonicMs();
    return { key, loader: undefined, began: this.#near.begin(), startedAtMs };
  }

  #createLease(): HeldLease {
    const { backend, clock, log, instance, config, statistics } = this.#options;
    return new HeldLease({
      backend,
      clock,
      log,
      instance,
      leaseMs: config.leaseMs,
      events: {
        onInvalidated: (payload) => {
          for (const key of decodeInvalidation(payload)) this.#receiveKey(key);
        },
        onAllInvalidated: (reason) => {
          statistics.busEvents[reason] += 1;
          this.#near.endAll();
          this.#resolver.detachAll();
          this.#tell({ kind: 'all' });
        },
      },
    });
  }

  #chooseLease(protections: Protections): Lease {
    if (this.#options.isSolo) return unlimitedLease();
    if (this.#held === undefined) return noLease();
    return protections.leases ? this.#held : unlimitedLease();
  }

  #receiveKey(key: InvalidatedKey): void {
    this.#end(key.name);
    this.#tell({ kind: 'key', ...key });
  }

  #end(name: string): void {
    this.#near.end(name);
    this.#resolver.detach(name);
  }

  #tell(event: InvalidationEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}

/** The resolution, or a failure as soon as the caller no longer wants it; the work itself goes on for others. */
async function untilAborted<Value>(
  work: Promise<Resolved<Value>>,
  signal: AbortSignal | undefined,
): Promise<Resolved<Value>> {
  if (signal === undefined) return work;
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<Resolved<Value>>((resolve) => {
    onAbort = () => {
      const cause = new EdgeError('CACHE_FAILED', { detail: 'the caller went away', cause: signal.reason });
      resolve({ kind: 'failed', cause });
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    if (onAbort !== undefined) signal.removeEventListener('abort', onAbort);
  }
}
