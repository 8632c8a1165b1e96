import { EdgeError, toEdgeError } from '../core/errors.ts';
import type { Cache, Loader } from './cache.ts';
import { callLoader } from './call-loader.ts';
import type { CacheConfig } from './config.ts';
import { Flights } from './flights.ts';
import { LoadGate } from './load-gate.ts';
import type { Invalidation, Resolved } from './lookup.ts';
import { untilAborted } from './until-aborted.ts';

const NOTHING_DONE: Invalidation = { acknowledged: [], expired: [], isComplete: false, durationMs: 0 };

/**
 * What CACHE_ENABLED=false means: every look-up is a miss, every load asks the source, nothing is kept. Concurrent
 * loads of one key are still collapsed, each caller getting an answer that began after it asked; and no more run at once,
 * and none for longer, than with the cache.
 */
export function disabledCache(config: Pick<CacheConfig, 'maxConcurrentLoads' | 'loadHardMs'>): Cache {
  const flights = new Flights();
  const loading = { gate: new LoadGate(config.maxConcurrentLoads), limitMs: config.loadHardMs };
  const cause = new EdgeError('CACHE_FAILED', { detail: 'the cache is switched off (CACHE_ENABLED)' });
  return {
    connect: () => Promise.resolve(),
    close: () => Promise.resolve(),
    state: () => 'disabled',
    holdsLease: () => false,
    peek: () => undefined,
    get: async () => ({ kind: 'miss' }),
    getMany: async (keys) => keys.map(() => ({ kind: 'miss' })),
    set: async () => ({ kind: 'disabled' }),
    del: async () => ({ kind: 'disabled' }),
    exists: async () => ({ kind: 'miss' }),
    getWithFallback: (key, loader, options = {}) =>
      untilAborted(
        flights.run(key.name, false, () => load(loader, loading)),
        options.signal,
      ),
    invalidate: async () => NOTHING_DONE,
    invalidateMany: async () => NOTHING_DONE,
    onInvalidated: () => () => undefined,
    tagVersions: async () => ({ kind: 'error', cause }),
    peekTagVersions: () => undefined,
    purgeTag: async () => NOTHING_DONE,
    // Nothing is kept that could be owed a purge.
    purgeTagIfRead: async () => true,
    warm: async () => 0,
    warmEverywhere: async () => undefined,
    warmHot: async () => 0,
    sweep: async () => ({ kind: 'error', cause }),
    snapshot: async () => ({
      state: 'disabled',
      instance: '',
      holdsLease: false,
      nearEntries: 0,
      nearBytes: 0,
      families: {},
      gateways: undefined,
      server: undefined,
    }),
    lock: async () => ({ kind: 'error', cause }),
    append: async () => ({ kind: 'disabled' }),
    readList: async () => ({ kind: 'error', cause }),
  };
}

async function load<Value>(
  loader: Loader<Value>,
  { gate, limitMs }: { gate: LoadGate; limitMs: number },
): Promise<Resolved<Value>> {
  try {
    const loaded = await gate.run(() => callLoader(loader, limitMs), limitMs);
    if (loaded === undefined) throw new EdgeError('OVERLOADED', { detail: 'too many loads wait' });
    if (loaded.kind === 'absent') return { kind: 'absent', source: 'loader' };
    const { value } = loaded;
    return { kind: 'found', value, source: 'loader', ageMs: 0, isStale: false, isLastKnownGood: false };
  } catch (error) {
    return { kind: 'failed', cause: toEdgeError(error) };
  }
}
