import type { Cache } from '../../cache/cache.ts';
import { disabledCache } from '../../cache/disabled-cache.ts';

/** A cache that is switched off: everything comes from the loader. */
export function passingCache(): Cache {
  return disabledCache();
}
