import type { Cache } from '../../cache/cache.ts';
import { cacheShape, toCacheConfig, type CacheConfig } from '../../cache/config.ts';
import { openCache } from '../../cache/open-cache.ts';
import type { Protections } from '../../cache/protections.ts';
import { silentLogger } from '../../core/log.ts';
import { createRegistry } from '../../core/metrics.ts';
import { startCacheCluster } from '../../test/support/cache-cluster.ts';
import { startCacheServer, type CacheServer } from '../../test/support/cache-server.ts';
import { startTcpProxy, type TcpProxy } from '../../test/support/tcp-proxy.ts';
import { makeTempDir } from '../../test/support/temp-dir.ts';
import { startControlApi } from './control-api.ts';
import type { CutOff } from './cut-off.ts';
import type { Scene } from './faults.ts';
import { startGateway } from './gateways.ts';
import type { Oracle } from './oracle.ts';

export const HOSTS = 20;
const GATEWAYS = 3;
const LEASE_MS = 1000;
/** Longer than the lease, so that only the lease keeps a gateway that was cut off from using its copies. */
const NEAR_TTL_MS = 3000;
/** Answers of the control API take up to this long, and now and then six times as long. */
const SLOW_MS = 40;
/** Connections run apart by up to this much. */
const SPREAD_MS = 20;

export type Topology = 'single' | 'cluster';

export type Stage = { scene: Scene; writer: Cache; close(): Promise<void> };

export type StageOptions = {
  topology: Topology;
  /** Undefined: all of them, as in production. */
  protections: Protections | undefined;
  cutOff: CutOff;
};

type Servers = { servers: readonly CacheServer[]; proxies: readonly TcpProxy[]; close(): Promise<void> };

/** Cache servers, a control API, three gateway processes; the control API's own cache client is the writer. */
export async function buildStage(options: StageOptions, oracle: Oracle): Promise<Stage> {
  const { topology, protections, cutOff } = options;
  const bucket = await makeTempDir('hammer');
  const controlApi = await startControlApi(bucket.path, SLOW_MS);
  for (let index = 0; index < HOSTS; index += 1) await controlApi.commit(index);
  const servers = topology === 'single' ? await oneServer() : await cluster();
  const writer = openCache(writerConfig(servers, topology), {
    log: silentLogger(),
    registry: createRegistry(),
    instance: 'control-api',
    protections,
  });
  await writer.connect();
  const { host, port } = controlApi;
  const lookupProxies = await Promise.all(
    Array.from({ length: GATEWAYS }, () => startTcpProxy({ host, port })),
  );
  const gateways = await Promise.all(
    lookupProxies.map((lookups, index) => {
      const env = { ...cacheEnv(servers, topology, index), ...originEnv(lookups, bucket.path) };
      return startGateway(oracle, { index, hosts: HOSTS, env, protections });
    }),
  );
  const { servers: started, proxies } = servers;
  return {
    scene: { servers: started, proxies, lookupProxies, cutOff, controlApi, leaseMs: LEASE_MS },
    writer,
    close: async () => {
      await Promise.all(gateways.map((gateway) => gateway.close()));
      await writer.close();
      await Promise.all(lookupProxies.map((proxy) => proxy.close()));
      await controlApi.close();
      await servers.close();
      await bucket.remove();
    },
  };
}

/** One server, and for each client a proxy of its own before it. */
async function oneServer(): Promise<Servers> {
  const server = await startCacheServer();
  const proxies = await Promise.all(Array.from({ length: GATEWAYS + 1 }, () => startTcpProxy(server)));
  for (const proxy of proxies) proxy.setSpreadMs(SPREAD_MS);
  return {
    servers: [server],
    proxies,
    close: async () => {
      await Promise.all(proxies.map((proxy) => proxy.close()));
      await server.close();
    },
  };
}

/** Three primaries. Its nodes name each other's addresses, so no proxies stand before them. */
async function cluster(): Promise<Servers> {
  const started = await startCacheCluster();
  return { servers: started.primaries, proxies: [], close: () => started.close() };
}

function originEnv({ host, port }: TcpProxy, bucket: string): Record<string, string> {
  return { CONTROL_API_URL: `http://${host}:${port}`, BUCKET_URL: bucket };
}

/** What the client with this index is told of the cache: the gateways in order, then the control API. */
function cacheEnv({ servers, proxies }: Servers, topology: Topology, index: number): Record<string, string> {
  const proxy = proxies[index];
  const nodes = proxy === undefined ? servers : [proxy];
  return {
    CACHE_URL: nodes.map(({ host, port }) => `${host}:${port}`).join(','),
    CACHE_TOPOLOGY: topology,
    CACHE_LEASE_MS: String(LEASE_MS),
    CACHE_L1_TTL_MS: String(NEAR_TTL_MS),
    CACHE_TIMEOUT_MS: '100',
  };
}

function writerConfig(servers: Servers, topology: Topology): CacheConfig {
  return toCacheConfig(cacheShape.parse(cacheEnv(servers, topology, GATEWAYS)));
}
