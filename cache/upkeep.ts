import type { Clock } from '../core/clock.ts';
import type { Registry } from '../core/metrics.ts';
import type { Backend } from './backend.ts';
import { encodeMessage, nameOf } from './bus-message.ts';
import type { Cache, CacheSnapshot } from './cache.ts';
import type { CacheKey } from './family.ts';
import { hotKeysKey, mergeHotKeys } from './hot-keys.ts';
import { inWaves } from './in-waves.ts';
import { keyOf } from './keys.ts';
import { instanceOf } from './lease.ts';
import { registerMetrics } from './metrics.ts';
import type { NearCopies } from './near-copies.ts';
import { parseServerInfo, type ServerInfo } from './server-info.ts';
import type { Statistics } from './statistics.ts';

/** How often a gateway notes what it used most. */
const HOT_MS = 60_000;
/** Values that are fetched at once ahead of use: manifests can be large, and requests share the connection. */
const WARMED_AT_ONCE = 8;
/** INFO is asked for at most this often, however often metrics are read. */
const INFO_MS = 2000;

export type UpkeepOptions = {
  backend: Backend;
  clock: Clock;
  statistics: Statistics;
  copies: NearCopies;
  instance: string;
  cache: Pick<Cache, 'get' | 'getMany' | 'set' | 'state' | 'holdsLease'>;
  loadsUnderWay: () => number;
};

/** What keeps the cache warm and observable, beside the reads and writes themselves. */
export class Upkeep {
  readonly #options: UpkeepOptions;
  #timer: NodeJS.Timeout | undefined;
  #infoAtMs = Number.NEGATIVE_INFINITY;
  #info: Promise<ServerInfo | undefined> = Promise.resolve(undefined);

  constructor(options: UpkeepOptions) {
    this.#options = options;
  }

  /** Begins to note what is hot. */
  start(): void {
    this.#timer = setInterval(() => void this.#recordHot(), HOT_MS).unref();
  }

  async close(): Promise<void> {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    await this.#recordHot();
  }

  async warm(wanted: readonly CacheKey<unknown>[]): Promise<number> {
    const found = await inWaves(wanted, WARMED_AT_ONCE, (wave) => this.#options.cache.getMany(wave));
    return found.filter((lookup) => lookup.kind === 'hit').length;
  }

  async warmHot(): Promise<number> {
    const hot = await this.#options.cache.get(hotKeysKey);
    if (hot.kind !== 'hit') return 0;
    return this.warm(hot.value.flatMap(([family, name]) => keyOf(family, name) ?? []));
  }

  async warmEverywhere(wanted: readonly CacheKey<unknown>[]): Promise<void> {
    const { backend, clock } = this.#options;
    const seed = { candidate: crypto.randomUUID(), nowMs: clock.nowMs() };
    // A hint: gateways that miss it fetch what they need when they need it.
    await backend.bus.publish(encodeMessage('warm', wanted.map(nameOf)), seed).catch(() => undefined);
  }

  async snapshot(): Promise<CacheSnapshot> {
    const { backend, statistics, instance, cache, copies } = this.#options;
    const registry = await backend.bus.registry().catch(() => undefined);
    return {
      state: cache.state(),
      instance,
      holdsLease: cache.holdsLease(),
      nearEntries: copies.size,
      nearBytes: copies.bytes,
      families: Object.fromEntries(statistics.families),
      gateways: registry?.members.map((member) => instanceOf(member.instance)),
      server: await this.#serverInfo(),
    };
  }

  register(registry: Registry, service: string): void {
    const { backend, statistics, cache, copies, loadsUnderWay } = this.#options;
    registerMetrics({
      registry,
      service,
      statistics,
      gauges: () => ({
        isUp: backend.isUp(),
        holdsLease: cache.holdsLease(),
        nearEntries: copies.size,
        nearBytes: copies.bytes,
        loads: loadsUnderWay(),
      }),
      serverInfo: () => this.#serverInfo(),
    });
  }

  async #recordHot(): Promise<void> {
    const { cache, copies } = this.#options;
    const before = await cache.get(hotKeysKey);
    if (before.kind === 'error') return;
    const known = before.kind === 'hit' ? before.value : [];
    await cache.set(hotKeysKey, mergeHotKeys(known, copies.entries()));
  }

  async #serverInfo(): Promise<ServerInfo | undefined> {
    const { backend, clock } = this.#options;
    if (backend.kind === 'memory') return undefined;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#infoAtMs >= INFO_MS) {
      this.#infoAtMs = nowMs;
      this.#info = backend.info().then(parseServerInfo, () => undefined);
    }
    return this.#info;
  }
}
