import { setTimeout as sleep } from 'node:timers/promises';
import { defaultCacheConfig, parseCacheUrl } from '../../cache/config.ts';
import { keys } from '../../cache/keys.ts';
import { openCache } from '../../cache/open-cache.ts';
import { silentLogger } from '../../core/log.ts';
import { createRegistry } from '../../core/metrics.ts';

const REQUESTS = 20_000;

/** How often a gateway asks the control API while it answers requests for one domain, with the cache and without. */
export async function measureLookups(url: string): Promise<{ with: number; without: number }> {
  const target = parseCacheUrl(url);
  if (target === undefined) throw new Error(`no cache URL: ${url}`);
  return {
    with: await count({ target, isEnabled: true }),
    without: await count({ target, isEnabled: false }),
  };
}

async function count(settings: Parameters<typeof defaultCacheConfig>[0]): Promise<number> {
  const cache = openCache(defaultCacheConfig(settings), {
    log: silentLogger(),
    registry: createRegistry(),
    holdsLease: true,
  });
  await cache.connect();
  let asked = 0;
  for (let request = 0; request < REQUESTS; request += 1) {
    const key = keys.domain('measured.example');
    if (cache.peek(key) !== undefined) continue;
    await cache.getWithFallback(key, async () => {
      asked += 1;
      const config = { version: 1, resources: [] };
      return { kind: 'found', value: { deploymentId: 'd', projectId: 'p', rev: 1, config } };
    });
    if (request % 1000 === 0) await sleep(1);
  }
  await cache.close();
  return asked;
}
