import { systemClock, type Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import type { Registry } from '../core/metrics.ts';
import type { Backend } from './backend.ts';
import type { Cache } from './cache.ts';
import type { CacheConfig } from './config.ts';
import { disabledCache } from './disabled-cache.ts';
import { memoryBackend } from './memory/memory-backend.ts';
import { createMemoryServer, type MemoryServer } from './memory/memory-server.ts';
import type { Protections } from './protections.ts';
import { redisBackend } from './redis/redis-backend.ts';
import { Statistics } from './statistics.ts';
import { TieredCache } from './tiered-cache.ts';

export { createMemoryServer, type MemoryServer } from './memory/memory-server.ts';

export type CacheParts = {
  log: Logger;
  registry: Registry;
  /** Which service this is: a label of the metrics; default `origan`. */
  service?: string | undefined;
  clock?: Clock | undefined;
  /** Name of this process among its peers; default random. */
  instance?: string | undefined;
  /**
   * The server that the parts of one process share when there is no other (`memory://`). Without it, a process has
   * one of its own that no writer elsewhere reaches: domains are then fresh for `L1_TTL` only.
   */
  memoryServer?: MemoryServer | undefined;
  /** Whether this process is a gateway: on the bus, with a lease, awaited by every flip. Default false. */
  holdsLease?: boolean | undefined;
  /**
   * Whether this process invalidates often (the control API): it then watches who holds a lease from the start, so that
   * not even its first flip is held up by a registry that was lost. Default false: from the first invalidation on.
   */
  watchesLeases?: boolean | undefined;
  /** What `gateway:{instance}` says of a gateway, for people who look: read at each heartbeat; default empty. */
  presence?: { address: string; version: string } | undefined;
  /** For the hammer alone. */
  protections?: Protections | undefined;
};

const UNTOLD =
  'CACHE_ENABLED is false here: what this service changes is announced to nobody, and those that still use the cache show it ' +
  'when their entries end (CACHE_TTL_DEFAULT)';

/** Opens the shared cache as configured. Nothing connects before `connect()`. */
export function openCache(config: CacheConfig, parts: CacheParts): Cache {
  if (!config.isEnabled) {
    if (parts.watchesLeases === true && config.target.kind === 'server') parts.log.warn(UNTOLD);
    return disabledCache(config);
  }
  const clock = parts.clock ?? systemClock;
  const instance = parts.instance ?? crypto.randomUUID().slice(0, 13);
  const statistics = new Statistics();
  const { log } = parts;
  const startedAtMs = clock.nowMs();
  return new TieredCache({
    config,
    backend: openBackend(config, { log, instance, statistics, clock, memoryServer: parts.memoryServer }),
    clock,
    log,
    instance,
    statistics,
    registry: parts.registry,
    service: parts.service ?? 'origan',
    holdsLease: parts.holdsLease ?? false,
    watchesLeases: parts.watchesLeases ?? false,
    presence: () => ({ address: '', version: '', ...parts.presence, startedAtMs }),
    isSolo: config.target.kind === 'memory' && parts.memoryServer === undefined,
    protections: parts.protections,
  });
}

type BackendParts = {
  log: Logger;
  instance: string;
  statistics: Statistics;
  clock: Clock;
  memoryServer: MemoryServer | undefined;
};

function openBackend(config: CacheConfig, parts: BackendParts): Backend {
  const { target } = config;
  if (target.kind === 'memory') {
    return memoryBackend(parts.memoryServer ?? createMemoryServer({ clock: parts.clock }));
  }
  const { log, instance, statistics } = parts;
  if (target.topology === 'single' && target.nodes.length > 1) {
    log.warn('CACHE_URL names several servers and only the first is used: is CACHE_TOPOLOGY missing?');
  }
  return redisBackend({ config, target, instance, log, observer: statistics });
}
