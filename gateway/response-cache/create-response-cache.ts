import type { Cache } from '../../cache/cache.ts';
import type { Clock } from '../../core/clock.ts';
import { observedGauge, type Registry } from '../../core/metrics.ts';
import { createFunctionCaller, type FunctionCaller } from '../functions/call-function.ts';
import { createUpstream, type UpstreamParts } from '../functions/upstream.ts';
import { Flights, type CollapseLimits } from './collapse.ts';
import { HitForMiss } from './hit-for-miss.ts';
import { KnownVary } from './known-vary.ts';
import { MemoryTier } from './memory-tier.ts';
import { ResponseStore } from './response-store.ts';
import { createCachedFunctionCaller } from './serve-function.ts';
import { sharedCacheOver } from './shared-cache.ts';

export type ResponseCacheOptions = {
  /** Bytes of responses in this process's memory, beside those of static files. */
  maxBytes: number;
  /** Larger responses pass through and are not stored. */
  maxEntryBytes: number;
  collapse?: Partial<CollapseLimits> | undefined;
};

export type ResponseCacheParts = UpstreamParts & { cache: Cache; clock: Clock; registry: Registry };

export const COLLAPSE_LIMITS: CollapseLimits = {
  maxWaiters: 10_000,
  unknownWaitMs: 5000,
  knownWaitMs: 30_000,
};

/** Functions behind the shared cache of their responses. */
export function createResponseCache(
  parts: ResponseCacheParts,
  options: ResponseCacheOptions,
): FunctionCaller {
  const { cache, clock, registry, trustedProxies } = parts;
  const memory = new MemoryTier({ maxBytes: options.maxBytes });
  const shared = sharedCacheOver(cache);
  const flights = new Flights();
  observe(registry, memory, flights);
  return createCachedFunctionCaller({
    direct: createFunctionCaller(parts),
    upstream: createUpstream(parts),
    store: new ResponseStore(memory, shared),
    shared,
    hitForMiss: new HitForMiss(),
    known: new KnownVary(),
    flights,
    clock,
    trustedProxies,
    maxEntryBytes: Math.min(options.maxEntryBytes, options.maxBytes),
    limits: { ...COLLAPSE_LIMITS, ...options.collapse },
  });
}

function observe(registry: Registry, memory: MemoryTier, flights: Flights): void {
  const gauges = [
    {
      name: 'origan_edge_response_bytes',
      help: 'Bytes of stored responses in memory.',
      read: () => memory.bytes,
    },
    {
      name: 'origan_edge_response_entries',
      help: 'Addresses with stored responses in memory.',
      read: () => memory.count,
    },
    {
      name: 'origan_edge_response_flights',
      help: 'Calls under way that other requests may wait for.',
      read: () => flights.count,
    },
  ];
  for (const { name, help, read } of gauges) observedGauge({ registry, name, help, read });
}
