import type { Cache } from '../../cache/cache.ts';

/** A cache that is switched off: everything comes from the loader. */
export function passingCache(): Cache {
  const miss = { kind: 'miss' } as const;
  const disabled = { kind: 'disabled' } as const;
  return {
    connect: async () => {},
    close: async () => {},
    peek: () => undefined,
    get: async () => miss,
    getMany: async (keys) => keys.map(() => miss),
    set: async () => disabled,
    del: async () => disabled,
    exists: async () => miss,
    getWithFallback: async (_key, loader) => {
      const loaded = await loader(new AbortController().signal);
      return loaded.kind === 'absent'
        ? { kind: 'absent', source: 'loader' }
        : { kind: 'found', value: loaded.value, source: 'loader', ageMs: 0, isStale: false };
    },
    invalidate: async () => ({ acknowledged: [], expired: [], isComplete: true, durationMs: 0 }),
    state: () => 'disabled',
  };
}
