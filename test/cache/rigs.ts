import { silentLogger } from '../../core/log.ts';
import { createRegistry } from '../../core/metrics.ts';
import type { Cache } from '../../cache/cache.ts';
import { defaultCacheConfig, parseCacheUrl, type CacheConfig } from '../../cache/config.ts';
import { createMemoryServer, openCache, type CacheParts } from '../../cache/open-cache.ts';
import { startCacheCluster, type CacheCluster } from '../support/cache-cluster.ts';
import { startCacheServer, type CacheServer, type CacheServerOptions } from '../support/cache-server.ts';

/** A server, and any number of clients that share it as processes would. */
export type Rig = {
  open(overrides?: Partial<CacheConfig>, parts?: Partial<CacheParts>): Promise<Cache>;
  server: CacheServer | undefined;
  close(): Promise<void>;
};

/** Lenient with time: what these tests look at is not the deadline. */
const TIMEOUT_MS = 20_000;

export async function memoryRig(): Promise<Rig> {
  const memoryServer = createMemoryServer();
  return rigOf(undefined, (overrides, parts) =>
    openCache(defaultCacheConfig(overrides), { ...silentParts(), memoryServer, ...parts }),
  );
}

export async function serverRig(options: CacheServerOptions = {}): Promise<Rig> {
  const server = await startCacheServer(options);
  return rigOf(server, (overrides, parts) =>
    openCache(configFor(server.url, overrides), { ...silentParts(), ...parts }),
  );
}

export function configFor(url: string, overrides: Partial<CacheConfig> = {}): CacheConfig {
  const target = parseCacheUrl(url);
  if (target === undefined) throw new Error(`no cache URL: ${url}`);
  return defaultCacheConfig({ target, timeoutMs: TIMEOUT_MS, leaseMs: 3000, ...overrides });
}

export function silentParts(): Pick<CacheParts, 'log' | 'registry'> {
  return { log: silentLogger(), registry: createRegistry() };
}

function rigOf(
  server: CacheServer | undefined,
  make: (overrides: Partial<CacheConfig>, parts: Partial<CacheParts>) => Cache,
): Rig {
  const opened: Cache[] = [];
  return {
    server,
    open: async (overrides = {}, parts = {}) => {
      const cache = make(overrides, parts);
      opened.push(cache);
      await cache.connect();
      return cache;
    },
    close: async () => {
      await Promise.all(opened.map((cache) => cache.close()));
      await server?.close();
    },
  };
}

/** Resolves when `condition` holds; bounded, so that a condition that never holds fails the test by name. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  limitMs = 120_000,
): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** The same over a cluster of three primaries. */
export async function clusterRig(): Promise<Rig & { cluster: CacheCluster }> {
  // That a node was silent for a moment, as on a machine that stands still, is not what these tests look at.
  const cluster = await startCacheCluster({ nodeTimeoutMs: 15_000 });
  const target = parseCacheUrl(cluster.url);
  if (target?.kind !== 'server') throw new Error(`no cache URL: ${cluster.url}`);
  const rig = rigOf(undefined, (overrides, parts) =>
    openCache(configFor(cluster.url, { target: { ...target, topology: 'cluster' }, ...overrides }), {
      ...silentParts(),
      ...parts,
    }),
  );
  return {
    ...rig,
    cluster,
    close: async () => {
      await rig.close();
      await cluster.close();
    },
  };
}
