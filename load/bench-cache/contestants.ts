import { Redis } from 'ioredis';
import type { Cache } from '../../cache/cache.ts';
import { defaultCacheConfig, parseCacheUrl } from '../../cache/config.ts';
import { keys } from '../../cache/keys.ts';
import { openCache } from '../../cache/open-cache.ts';
import type { ProjectConfig } from '../../cache/value-schemas.ts';
import { silentLogger } from '../../core/log.ts';
import { createRegistry } from '../../core/metrics.ts';
import type { DeploymentMetadata } from '../../contracts/metadata.ts';

type Load = () => Promise<unknown>;

/** One library in the comparison. An operation that it does not have is missing. */
export type Contestant = {
  name: string;
  /** Stores a value where both tiers find it. */
  prepare(id: string): Promise<void>;
  /** From this process' memory. */
  nearHit?: (id: string) => unknown;
  /** From the server, nothing kept in the process. */
  sharedHit: (id: string) => Promise<unknown>;
  /** Not there: load and store. */
  coldLoad: (id: string, load: Load) => Promise<unknown>;
  close(): Promise<void>;
};

/** The value of every contestant: what a runner keeps of a deployment, about 600 bytes of JSON. */
export function valueOf(id: string): DeploymentMetadata {
  return {
    deploymentId: id,
    projectId: 'project',
    environmentRevisionId: null,
    createdAt: '2026-01-01T00:00:00.000Z',
    sealedEnvironment: 'x'.repeat(400),
  };
}

export function projectOf(id: string): ProjectConfig {
  return {
    id,
    reference: 'abcdefghij',
    name: 'x'.repeat(400),
    organizationId: null,
    settings: { a: 1, b: 'two' },
  };
}

export async function origan(url: string): Promise<Contestant> {
  const target = parseCacheUrl(url);
  if (target === undefined) throw new Error(`no cache URL: ${url}`);
  const cache: Cache = openCache(defaultCacheConfig({ target, timeoutMs: 2000, maxInFlight: 100_000 }), {
    log: silentLogger(),
    registry: createRegistry(),
  });
  await cache.connect();
  const notNeeded = () => Promise.reject(new Error('not needed'));
  return {
    name: 'origan',
    prepare: async (id) => {
      await cache.set(keys.deploymentMetadata(id), valueOf(id));
      await cache.set(keys.projectConfig(id), projectOf(id));
      await cache.getWithFallback(keys.deploymentMetadata(id), notNeeded);
    },
    nearHit: (id) =>
      cache.peek(keys.deploymentMetadata(id)) ??
      cache.getWithFallback(keys.deploymentMetadata(id), notNeeded),
    sharedHit: (id) => cache.get(keys.projectConfig(id)),
    coldLoad: (id, load) =>
      cache.getWithFallback(keys.projectConfig(id), async () => {
        await load();
        return { kind: 'found', value: projectOf(id) };
      }),
    close: () => cache.close(),
  };
}

export async function rawIoredis(url: string): Promise<Contestant> {
  const redis = new Redis(url, { enableAutoPipelining: true });
  return {
    name: 'ioredis, auto-pipelining',
    prepare: async (id) => {
      await redis.set(`raw:${id}`, JSON.stringify(projectOf(id)), 'PX', 600_000);
    },
    sharedHit: async (id) => JSON.parse((await redis.get(`raw:${id}`)) ?? 'null') as unknown,
    coldLoad: async (id, load) => {
      const found = await redis.get(`raw:${id}`);
      if (found !== null) return JSON.parse(found) as unknown;
      await load();
      await redis.set(`raw:${id}`, JSON.stringify(projectOf(id)), 'PX', 600_000);
      return projectOf(id);
    },
    close: async () => redis.disconnect(),
  };
}

type BentoStack = {
  getOrSet(options: { key: string; factory: Load; ttl: string }): Promise<unknown>;
  get(options: { key: string }): Promise<unknown>;
  set(options: { key: string; value: unknown; ttl: string }): Promise<unknown>;
  disconnect(): Promise<void>;
};
type BentoModule = {
  BentoCache: new (options: object) => BentoStack;
  bentostore: () => { useL1Layer(layer: unknown): unknown; useL2Layer(layer: unknown): unknown };
};
type BentoDriver<Name extends string> = Record<Name, (options: object) => unknown>;

export async function bentocache(url: string): Promise<Contestant> {
  const { BentoCache, bentostore } = (await import(named('bentocache'))) as BentoModule;
  const { redisDriver } = (await import(named('bentocache/drivers/redis'))) as BentoDriver<'redisDriver'>;
  const { memoryDriver } = (await import(named('bentocache/drivers/memory'))) as BentoDriver<'memoryDriver'>;
  const { hostname, port } = new URL(url);
  const connection = { host: hostname, port: Number(port), enableAutoPipelining: true };
  const two = bentostore();
  two.useL1Layer(memoryDriver({ maxItems: 20_000, serialize: false }));
  two.useL2Layer(redisDriver({ connection }));
  const one = bentostore();
  one.useL2Layer(redisDriver({ connection }));
  const tiered = new BentoCache({ default: 'two', stores: { two } });
  const shared = new BentoCache({ default: 'one', stores: { one } });
  return {
    name: 'bentocache',
    prepare: async (id) => {
      await tiered.set({ key: id, value: valueOf(id), ttl: '10m' });
      await shared.set({ key: `s${id}`, value: projectOf(id), ttl: '10m' });
    },
    nearHit: (id) => tiered.getOrSet({ key: id, ttl: '10m', factory: async () => valueOf(id) }),
    sharedHit: (id) => shared.get({ key: `s${id}` }),
    coldLoad: (id, load) =>
      tiered.getOrSet({
        key: id,
        ttl: '10m',
        factory: async () => {
          await load();
          return projectOf(id);
        },
      }),
    close: async () => {
      await tiered.disconnect();
      await shared.disconnect();
    },
  };
}

type CacheableStack = {
  get(key: string): Promise<unknown>;
  set(key: string, value: unknown): Promise<unknown>;
  getOrSet(key: string, load: Load, options: object): Promise<unknown>;
  disconnect(): Promise<void>;
};

export async function cacheable(url: string): Promise<Contestant> {
  const { Cacheable } = (await import(named('cacheable'))) as {
    Cacheable: new (options: object) => CacheableStack;
  };
  const { createKeyv } = (await import(named('@keyv/redis'))) as { createKeyv: (url: string) => unknown };
  const tiered = new Cacheable({ secondary: createKeyv(url), ttl: '10m' });
  const shared = new Cacheable({ primary: createKeyv(url), ttl: '10m' });
  return {
    name: 'cacheable',
    prepare: async (id) => {
      await tiered.set(id, valueOf(id));
      await shared.set(`s${id}`, projectOf(id));
    },
    nearHit: (id) => tiered.get(id),
    sharedHit: (id) => shared.get(`s${id}`),
    coldLoad: (id, load) =>
      tiered.getOrSet(
        id,
        async () => {
          await load();
          return projectOf(id);
        },
        { ttl: '10m' },
      ),
    close: async () => {
      await tiered.disconnect();
      await shared.disconnect();
    },
  };
}

/** The peers are not dependencies of the project, so the compiler must not look for them. */
function named(specifier: string): string {
  return specifier;
}
