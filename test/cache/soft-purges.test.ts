import { expect, it } from 'vitest';
import { encodeEntry } from '../../cache/codec.ts';
import { defaultCacheConfig } from '../../cache/config.ts';
import { keys } from '../../cache/keys.ts';
import { createMemoryServer, openCache } from '../../cache/open-cache.ts';
import { manualClock } from '../support/manual-clock.ts';
import { site } from './cache-conformance.ts';
import { configFor, serverRig, silentParts, until } from './rigs.ts';

const SOFT = { mode: 'soft' } as const;
const GRACE_MS = 10 * 60_000;
const KEY = keys.domain('a.example');
const failing = () => Promise.reject(new Error('the source is down'));

it('a softly purged value is served for its grace and no longer, however often it is purged', async () => {
  const clock = manualClock();
  const cache = openCache(defaultCacheConfig(), { ...silentParts(), clock });
  await cache.set(KEY, site('d1', 1));
  await cache.invalidate(KEY, SOFT);
  clock.advance(GRACE_MS - 1);
  expect(await cache.getWithFallback(KEY, failing)).toMatchObject({ kind: 'found', isStale: true });
  await cache.invalidate(KEY, SOFT);
  clock.advance(1);
  expect(await cache.get(KEY)).toEqual({ kind: 'miss' });
});

it('a soft purge that a gateway has not heard of ends its near copy when that is confirmed', async () => {
  const clock = manualClock();
  const server = createMemoryServer({ clock });
  const parts = { ...silentParts(), clock, memoryServer: server };
  const gateway = openCache(defaultCacheConfig(), { ...parts, holdsLease: true });
  await gateway.connect();
  // So large that its header is asked for, not the whole value.
  const resources = Array.from({ length: 500 }, (_, index) => ({
    kind: 'static' as const,
    urlPath: `/file-${index}.html`,
    resourcePath: `/file-${index}.html`,
  }));
  const value = { ...site('d1', 1), config: { version: 1 as const, resources } };
  await gateway.getWithFallback(KEY, async () => ({ kind: 'found', value }));
  expect(gateway.peek(KEY)).toBeDefined();
  const times = { nowMs: clock.nowMs(), freshForMs: 0, loadMs: 0 };
  const tombstone = encodeEntry(KEY, {
    kind: 'tombstone',
    rev: 0,
    times,
    incarnation: server.incarnation,
    compressAboveBytes: 0,
  });
  if (tombstone.kind !== 'encoded') throw new Error('too large');
  server.purge(KEY.name, tombstone.entry, { ttlMs: 60_000, keepRev: 0, graceMs: GRACE_MS });
  clock.advance(1001);
  expect(gateway.peek(KEY)).toBeUndefined();
  expect(await gateway.getWithFallback(KEY, failing)).toMatchObject({ kind: 'found', isStale: true });
  await gateway.close();
});

it.each(['soft', 'hard'] as const)(
  'a %s purge ends what is stored on a server that is full',
  async (mode) => {
    const rig = await serverRig();
    const cache = await rig.open();
    try {
      await cache.set(KEY, site('d1', 1));
      await rig.server?.admin().config('SET', 'maxmemory', '1');
      expect(await cache.set(keys.domain('b.example'), site('d2', 1))).toMatchObject({
        kind: 'error',
        cause: { kind: 'oom' },
      });
      await cache.invalidate(KEY, { mode, waitMs: 0 });
      expect(await cache.get(KEY)).toEqual({ kind: 'miss' });
    } finally {
      await rig.close();
    }
  },
);

it('a process that cannot reach the cache server is told that its soft purge is not complete', async () => {
  const rig = await serverRig();
  const cache = openCache(configFor(rig.server?.url ?? '', { timeoutMs: 200 }), silentParts());
  await cache.connect();
  await cache.set(KEY, site('d1', 1));
  await rig.server?.kill();
  await until('it is down', () => cache.state() === 'down');
  expect(await cache.invalidate(KEY, SOFT)).toMatchObject({ isComplete: false });
  await cache.close();
  await rig.close();
});
