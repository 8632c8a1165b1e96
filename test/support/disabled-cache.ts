import type { Cache } from '../../cache/cache.ts';
import { disabledCache as openDisabledCache } from '../../cache/disabled-cache.ts';

/** A cache that is switched off everywhere: what every program must work with. */
export const disabledCache: Cache = {
  ...openDisabledCache(),
  invalidate: () => Promise.resolve({ acknowledged: [], expired: [], isComplete: true, durationMs: 0 }),
};
