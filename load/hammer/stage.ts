import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Cache } from '../../cache/cache.ts';
import { defaultCacheConfig, parseCacheUrl, type CacheConfig } from '../../cache/config.ts';
import { openCache } from '../../cache/open-cache.ts';
import type { Protections } from '../../cache/protections.ts';
import { createLogger } from '../../core/log.ts';
import { createRegistry } from '../../core/metrics.ts';
import { startCacheCluster } from '../../test/support/cache-cluster.ts';
import { startCacheServer, type CacheServer } from '../../test/support/cache-server.ts';
import { startTcpProxy, type TcpProxy } from '../../test/support/tcp-proxy.ts';
import { startControlApi } from './control-api.ts';
import type { Scene } from './faults.ts';
import type { GatewayTask, Report } from './messages.ts';
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

export type StageOptions = { topology: Topology; protections: Protections; logLevel: string };

type Servers = { servers: readonly CacheServer[]; proxies: readonly TcpProxy[]; close(): Promise<void> };

/** Cache servers, a control API, three gateway processes; the control API's own cache client is the writer. */
export async function buildStage(options: StageOptions, oracle: Oracle): Promise<Stage> {
  const { topology, protections, logLevel } = options;
  const controlApi = await startControlApi(SLOW_MS);
  const servers = topology === 'single' ? await oneServer() : await cluster();
  const configs = Array.from({ length: GATEWAYS + 1 }, (_, index) => configOf(servers, topology, index));
  const writer = openCache(defaultCacheConfig(configs[GATEWAYS]), {
    log: createLogger({ program: 'control-api', level: logLevel }),
    registry: createRegistry(),
    instance: 'control-api',
    protections,
  });
  await writer.connect();
  const tasks = configs.slice(0, GATEWAYS).map((config, index) => ({
    index,
    config,
    protections,
    controlApiUrl: controlApi.url,
    hosts: HOSTS,
    callers: 8,
    pauseMs: 20,
    logLevel,
  }));
  const gateways = await Promise.all(tasks.map((task) => startGateway(oracle, task)));
  return {
    scene: { servers: servers.servers, proxies: servers.proxies, controlApi, leaseMs: LEASE_MS },
    writer,
    close: async () => {
      await Promise.all(gateways.map(stopGateway));
      await writer.close();
      await controlApi.close();
      await servers.close();
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

function configOf({ servers, proxies }: Servers, topology: Topology, index: number): Partial<CacheConfig> {
  const proxy = proxies[index];
  const nodes = proxy === undefined ? servers : [proxy];
  const target = parseCacheUrl(nodes.map(({ host, port }) => `${host}:${port}`).join(','));
  if (target?.kind !== 'server') throw new Error('no server to connect to');
  return { target: { ...target, topology }, leaseMs: LEASE_MS, nearTtlMs: NEAR_TTL_MS, timeoutMs: 100 };
}

async function startGateway(oracle: Oracle, task: GatewayTask): Promise<ChildProcess> {
  const program = new URL('gateway-process.ts', import.meta.url).pathname;
  const child = fork(program, [JSON.stringify(task)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const ready = Promise.withResolvers<void>();
  child.on('message', (message: 'ready' | Report[]) => {
    if (message === 'ready') return ready.resolve();
    for (const [host, rev, startedAtMs, isLastKnownGood] of message) {
      oracle.judge({ gateway: task.index, host, rev, startedAtMs, isLastKnownGood: isLastKnownGood === 1 });
    }
    return undefined;
  });
  child.once('exit', (code) => ready.reject(new Error(`gateway ${task.index} ended with ${code}`)));
  await ready.promise;
  return child;
}

async function stopGateway(gateway: ChildProcess): Promise<void> {
  const gone = once(gateway, 'exit');
  gateway.send('stop');
  const timer = setTimeout(() => gateway.kill('SIGKILL'), 10_000);
  await gone;
  clearTimeout(timer);
}
