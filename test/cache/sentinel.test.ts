import { expect, it } from 'vitest';
import { defaultCacheConfig, parseCacheUrl } from '../../cache/config.ts';
import { keys } from '../../cache/keys.ts';
import { openCache } from '../../cache/open-cache.ts';
import { startSentinelGroup } from '../support/cache-sentinel.ts';
import { site } from './cache-conformance.ts';
import { silentParts, until } from './rigs.ts';

it(
  'follows a failover behind Sentinel, and believes nothing that the promoted replica may have missed',
  { timeout: 90_000 },
  async () => {
    const group = await startSentinelGroup();
    const target = parseCacheUrl(group.url);
    if (target?.kind !== 'server') throw new Error('no target');
    const config = defaultCacheConfig({
      target: { ...target, topology: 'sentinel' },
      leaseMs: 2000,
      nearTtlMs: 20,
      timeoutMs: 200,
    });
    const cache = openCache(config, { ...silentParts(), holdsLease: true, instance: 'g' });
    try {
      await cache.connect();
      await until('the lease', () => cache.holdsLease());
      const key = keys.domain('a.example');
      let loads = 0;
      const loader = async () => {
        loads += 1;
        return { kind: 'found' as const, value: site('d1', 1) };
      };
      const response = keys.response('d1', 'x');
      const copy = group.replica.admin();
      // Each command has 200 ms, for the sake of what follows: on a busy machine one may be too late.
      await until('the replica has both', async () => {
        await cache.getWithFallback(key, loader);
        await cache.set(response, Buffer.from('bytes'));
        return (await copy.exists(key.name, response.name)) === 2;
      });
      await group.primary.kill();
      expect(await cache.getWithFallback(key, loader)).toMatchObject({ kind: 'found' });
      await until('the promoted replica is used', () => cache.state() === 'up' && cache.holdsLease(), 60_000);
      // Immutable, so it is believed; the domain's entry carries the stamp of a server that is gone.
      await until('it is read', async () => {
        const found = await cache.get(response);
        if (found.kind === 'miss') throw new Error('an immutable value was lost');
        return found.kind === 'hit';
      });
      expect(await copy.exists(key.name)).toBe(1);
      loads = 0;
      await until('a load replaces it', async () => {
        await cache.getWithFallback(key, loader);
        return (await cache.get(key)).kind === 'hit';
      });
      expect(loads).toBeGreaterThan(0);
    } finally {
      await cache.close();
      await group.close();
    }
  },
);
