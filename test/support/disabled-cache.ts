import type { Cache } from '../../cache/cache.ts';

/** A cache that is switched off: what every program must work with. */
export const disabledCache: Cache = {
  connect: () => Promise.resolve(),
  close: () => Promise.resolve(),
  peek: () => undefined,
  get: () => Promise.resolve({ kind: 'miss' }),
  getMany: (keys) => Promise.resolve(keys.map(() => ({ kind: 'miss' }))),
  set: () => Promise.resolve({ kind: 'disabled' }),
  del: () => Promise.resolve({ kind: 'disabled' }),
  exists: () => Promise.resolve({ kind: 'miss' }),
  getWithFallback: async (_key, loader) => {
    const loaded = await loader(AbortSignal.timeout(1000));
    return loaded.kind === 'found'
      ? { kind: 'found', value: loaded.value, source: 'loader', ageMs: 0, isStale: false }
      : { kind: 'absent', source: 'loader' };
  },
  invalidate: () => Promise.resolve({ acknowledged: [], expired: [], isComplete: true, durationMs: 0 }),
  state: () => 'disabled',
};
