import type { Cache } from '../../cache/cache.ts';
import { defaultCacheConfig } from '../../cache/config.ts';
import { disabledCache as openDisabledCache } from '../../cache/disabled-cache.ts';

/** A cache that is switched off everywhere: what every program must work with. */
export const disabledCache: Cache = {
  ...openDisabledCache(defaultCacheConfig()),
  invalidate: () => Promise.resolve({ acknowledged: [], expired: [], isComplete: true, durationMs: 0 }),
};
