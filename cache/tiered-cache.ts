import type { Clock } from '../core/clock.ts';
import { toEdgeError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Registry } from '../core/metrics.ts';
import { Announcer } from './announcer.ts';
import type { Backend } from './backend.ts';
import { decodeMessage } from './bus-message.ts';
import type {
  Cache,
  CacheSnapshot,
  FallbackOptions,
  InvalidateOptions,
  InvalidationListener,
  Loader,
  PurgeMode,
} from './cache.ts';
import { ColdBudget } from './cold-budget.ts';
import type { CacheConfig } from './config.ts';
import { EntryWriter } from './entry-writer.ts';
import type { CacheKey, ListKey, LockKey } from './family.ts';
import { inWaves } from './in-waves.ts';
import { Invalidator, NOBODY_CONCERNED } from './invalidator.ts';
import { keyOf, keys } from './keys.ts';
import { HeldLease, noLease, unlimitedLease, type Lease } from './lease.ts';
import { appendToList, readListPage, type ListPage } from './list.ts';
import { LoadGate } from './load-gate.ts';
import { acquireLock, type LockAttempt } from './lock.ts';
import type { Invalidation, Lookup, Resolved, WriteOutcome } from './lookup.ts';
import { Near, type NearAttempt } from './near.ts';
import { ALL_PROTECTIONS, type Protections } from './protections.ts';
import { Resolver } from './resolver.ts';
import { SharedTier, type Found } from './shared-tier.ts';
import type { Statistics } from './statistics.ts';
import { sweepOrphans, type SweepOptions, type SweepReport } from './sweep.ts';
import { TagStore } from './tag-versions.ts';
import { generationTag, type TagVersions } from './tags.ts';
import { untilAborted } from './until-aborted.ts';
import { Upkeep } from './upkeep.ts';

/** Scripts of one purge that are under way at once, and names in one DEL. */
const PURGES_AT_ONCE = 64;
const REMOVALS_AT_ONCE = 500;

export type TieredCacheOptions = {
  config: CacheConfig;
  backend: Backend;
  clock: Clock;
  log: Logger;
  instance: string;
  statistics: Statistics;
  registry: Registry;
  /** Which service's cache this is: a label of its metrics. */
  service: string;
  /** What `gateway:{instance}` says of this process, when it is one. */
  presence: () => { address: string; version: string; startedAtMs: number };
  /** A gateway: takes part in acknowledgements and may use near copies of coherent families. */
  holdsLease: boolean;
  /** Watches from the start who holds a lease. */
  watchesLeases: boolean;
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
  readonly #invalidator: Invalidator;
  readonly #upkeep: Upkeep;
  readonly #tags: TagStore;

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
      gate: new LoadGate(config.maxConcurrentLoads),
      coldBudget: new ColdBudget(clock),
      statistics,
    });
    const { leaseMs, defaultTtlMs } = config;
    this.#invalidator = new Invalidator({
      announcer: new Announcer({ backend, clock, log, leaseMs }),
      clock,
      statistics,
      isSolo,
      leaseMs,
      end: (name) => this.#end(name),
    });
    this.#tags = new TagStore({
      backend,
      clock,
      near: this.#near,
      shared: this.#shared,
      statistics,
      defaultTtlMs,
    });
    this.#upkeep = new Upkeep({
      backend,
      clock,
      statistics,
      copies: this.#near.copies,
      instance: options.instance,
      cache: this,
      loadsUnderWay: () => this.#resolver.underWay,
    });
    this.#upkeep.register(options.registry, options.service);
  }

  async connect(): Promise<void> {
    await this.#options.backend.connect();
    this.#held?.start();
    if (this.#options.watchesLeases) this.#invalidator.watch();
    if (this.#options.holdsLease) this.#upkeep.start();
  }

  async close(): Promise<void> {
    await this.#upkeep.close();
    this.#invalidator.close();
    await this.#held?.close();
    if (this.#held !== undefined) await this.del([keys.gateway(this.#options.instance)]);
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
      this.#toLookup(attempt, found[index] ?? { kind: 'nothing', isVacant: false }),
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

  async del(wanted: readonly (CacheKey<unknown> | ListKey<unknown>)[]): Promise<WriteOutcome> {
    try {
      const { backend } = this.#options;
      const names = wanted.map((key) => key.name);
      await inWaves(names, REMOVALS_AT_ONCE, async (wave) =>
        wave.length === 0 ? [] : [await backend.remove(wave)],
      );
      return { kind: 'stored' };
    } catch (error) {
      return { kind: 'error', cause: toEdgeError(error) };
    } finally {
      for (const key of wanted) this.#end(key.name);
    }
  }

  exists(key: CacheKey<unknown>): Promise<Lookup<boolean>> {
    return this.#shared.exists(key);
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

  invalidateMany(
    wanted: readonly CacheKey<unknown>[],
    options: InvalidateOptions = {},
  ): Promise<Invalidation> {
    const { mode = 'hard', rev = 0, revs } = options;
    const purges = wanted.map((key, index) => ({ key, rev: revs?.[index] ?? rev }));
    return this.#invalidator.run(wanted, options, () =>
      inWaves(purges, PURGES_AT_ONCE, (wave) =>
        Promise.all(wave.map((purge) => this.#writer.purge(purge.key, { rev: purge.rev, mode }))),
      ),
    );
  }

  onInvalidated(listener: InvalidationListener): () => void {
    return this.#invalidator.listen(listener);
  }

  tagVersions(
    project: string,
    tags: readonly string[],
    options: { isCurrent?: boolean } = {},
  ): Promise<TagVersions> {
    return this.#tags.versions(project, tags, options.isCurrent ?? false);
  }

  peekTagVersions(project: string, tags: readonly string[]): string[] | undefined {
    return this.#tags.peek(project, tags);
  }

  purgeTag(project: string, tag: string, mode: PurgeMode = 'hard'): Promise<Invalidation> {
    const purged = [keys.tag(project, generationTag(tag)), keys.tag(project, tag)];
    return this.#invalidator.run(purged, {}, () => this.#tags.purge(project, tag, mode));
  }

  async purgeTagIfRead(project: string, tag: string): Promise<boolean> {
    const purged = [keys.tag(project, generationTag(tag)), keys.tag(project, tag)];
    let isTaken = false;
    await this.#invalidator.run(purged, {}, async () => {
      const wasRead = await this.#tags.purgeIfRead(project, tag);
      isTaken = true;
      return wasRead ? undefined : NOBODY_CONCERNED;
    });
    return isTaken;
  }

  lock(key: LockKey): Promise<LockAttempt> {
    const { backend, clock, instance } = this.#options;
    return acquireLock(key, { backend, clock, instance });
  }

  append<Item>(key: ListKey<Item>, items: readonly NoInfer<Item>[]): Promise<WriteOutcome> {
    return appendToList(this.#options.backend, key, items, this.#options.clock.nowMs());
  }

  readList<Item>(key: ListKey<Item>, after: number, count?: number): Promise<ListPage<Item>> {
    const { backend, clock } = this.#options;
    return readListPage(backend, key, { after, count, nowMs: clock.nowMs() });
  }

  warm(wanted: readonly CacheKey<unknown>[]): Promise<number> {
    return this.#upkeep.warm(wanted);
  }

  warmEverywhere(wanted: readonly CacheKey<unknown>[]): Promise<void> {
    return this.#upkeep.warmEverywhere(wanted);
  }

  warmHot(): Promise<number> {
    return this.#upkeep.warmHot();
  }

  sweep(options: SweepOptions): Promise<SweepReport> {
    return sweepOrphans(this.#options.backend, () => this.lock(keys.lock('sweep')), options);
  }

  snapshot(): Promise<CacheSnapshot> {
    return this.#upkeep.snapshot();
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
        onMessage: (payload) => {
          const { what, keys: named } = decodeMessage(payload);
          if (what === 'drop') for (const key of named) this.#invalidator.receive(key);
          else void this.warm(named.flatMap(({ family, name }) => keyOf(family, name) ?? []));
        },
        onAllInvalidated: (reason) => {
          statistics.busEvents[reason] += 1;
          this.#near.endAll();
          this.#resolver.detachAll();
          this.#invalidator.tell({ kind: 'all' });
        },
        onFirstHeld: () => void this.warmHot(),
        onRenewed: (acked) => void this.#writePresence(acked),
      },
    });
  }

  /** For people and tools that look: the lease itself is in the registry of the bus. */
  async #writePresence(acked: number): Promise<void> {
    const { instance, presence } = this.#options;
    await this.#writer.set(keys.gateway(instance), { ...presence(), acked }, {});
  }

  #chooseLease(protections: Protections): Lease {
    if (this.#options.isSolo) return unlimitedLease();
    if (this.#held === undefined) return noLease();
    return protections.leases ? this.#held : unlimitedLease();
  }

  #end(name: string): void {
    this.#near.end(name);
    this.#resolver.detach(name);
  }
}
