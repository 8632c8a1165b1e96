import type { Cache } from '../../cache/cache.ts';
import { defaultCacheConfig, parseCacheUrl } from '../../cache/config.ts';
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
import { Deployer } from './deployer.ts';
import type { Scene } from './faults.ts';
import { startGateway } from './gateways.ts';
import type { Oracle } from './oracle.ts';

const GATEWAYS = 3;
const LEASE_MS = 1000;
/** Longer than the lease, so that only the lease keeps a gateway that was cut off from using its copies. */
const NEAR_TTL_MS = 3000;
/** Domains end this often, so that gateways refill them all the time, in the middle of flips. */
const TTL_SECONDS = 1;
/** Answers of the control API take up to this much longer, and now and then six times as much. */
const SLOW_MS = 40;
/** Answers of the cache server: connections run apart by the first, single answers are late by the second. */
const SPREAD_MS = 5;
const JITTER_MS = 15;
/** Well above what the proxies add, so that a busy machine is not taken for a server that hangs. */
const TIMEOUT_MS = 250;
const EYES_TIMEOUT_MS = 2000;

export type Topology = 'single' | 'cluster';

export type Stage = { scene: Scene; deployer: Deployer; close(): Promise<void> };

export type StageOptions = {
  topology: Topology;
  /** Undefined: all of them, as in production. */
  protections: Protections | undefined;
  cutOff: CutOff;
  oracle: Oracle;
  /** Longest pause between two deploys of one project. */
  pauseMs: number;
};

type Servers = {
  servers: readonly CacheServer[];
  proxies: readonly TcpProxy[];
  setCalm(isCalm: boolean): void;
  close(): Promise<void>;
};

/** Cache servers, the control API and three gateways, each in a process of its own, with proxies in between. */
export async function buildStage(options: StageOptions): Promise<Stage> {
  const { topology, protections, cutOff, oracle, pauseMs } = options;
  const [bucket, state] = await Promise.all([makeTempDir('hammer'), makeTempDir('hammer')]);
  const servers = topology === 'single' ? await oneServer() : await cluster();
  const controlApi = await startControlApi({
    bucket: bucket.path,
    stateDirectory: state.path,
    env: cacheEnv(servers, topology, GATEWAYS),
    protections,
  });
  const deployer = new Deployer({ api: controlApi, oracle, pauseMs });
  await deployer.prepare();
  const { host, port } = controlApi;
  const lookupProxies = await Promise.all(
    Array.from({ length: GATEWAYS }, () => startTcpProxy({ host, port })),
  );
  for (const proxy of lookupProxies) proxy.setJitterMs(SLOW_MS);
  const gateways = await Promise.all(
    lookupProxies.map((lookups, index) => {
      const env = { ...cacheEnv(servers, topology, index), ...originEnv(lookups, bucket.path) };
      return startGateway(oracle, { index, hosts: deployer.hosts, env, protections });
    }),
  );
  const { servers: started, proxies } = servers;
  const cache = await openEyes(servers, topology);
  return {
    scene: {
      servers: started,
      cache,
      proxies,
      lookupProxies,
      gateways,
      cutOff,
      setCalm: (isCalm) => servers.setCalm(isCalm),
      controlApi,
      leaseMs: LEASE_MS,
      hosts: deployer.hosts,
    },
    deployer,
    close: async () => {
      await Promise.all(gateways.map((gateway) => gateway.close()));
      await Promise.all(lookupProxies.map((proxy) => proxy.close()));
      await controlApi.close();
      await cache.close();
      await servers.close();
      await Promise.all([bucket.remove(), state.remove()]);
    },
  };
}

/** One server, and for each client a proxy of its own before it. */
async function oneServer(): Promise<Servers> {
  const server = await startCacheServer();
  const proxies = await Promise.all(Array.from({ length: GATEWAYS + 1 }, () => startTcpProxy(server)));
  for (const proxy of proxies) proxy.setSpreadMs(SPREAD_MS);
  // Only before gateways: whoever flips is quick, so that what gateways read is often overtaken.
  const setCalm = (isCalm: boolean): void => {
    for (const proxy of proxies.slice(0, GATEWAYS)) proxy.setJitterMs(isCalm ? 0 : JITTER_MS);
  };
  setCalm(false);
  return {
    servers: [server],
    proxies,
    setCalm,
    close: async () => {
      await Promise.all(proxies.map((proxy) => proxy.close()));
      await server.close();
    },
  };
}

/** Three primaries. Its nodes name each other's addresses, so no proxies stand before them. */
async function cluster(): Promise<Servers> {
  const started = await startCacheCluster();
  return {
    servers: started.primaries,
    proxies: [],
    setCalm: () => undefined,
    close: () => started.close(),
  };
}

/** A client of the hammer's own, past every proxy. */
async function openEyes({ servers }: Servers, topology: Topology): Promise<Cache> {
  const target = parseCacheUrl(servers.map(({ host, port }) => `${host}:${port}`).join(','));
  if (target?.kind !== 'server') throw new Error('no cache server');
  const config = defaultCacheConfig({ target: { ...target, topology }, timeoutMs: EYES_TIMEOUT_MS });
  const cache = openCache(config, { log: silentLogger(), registry: createRegistry() });
  await cache.connect();
  return cache;
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
    CACHE_TTL_DEFAULT: String(TTL_SECONDS),
    CACHE_TIMEOUT_MS: String(TIMEOUT_MS),
  };
}
