import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cache } from '../../cache/cache.ts';
import { defaultCacheConfig, type CacheConfig } from '../../cache/config.ts';
import { keys } from '../../cache/keys.ts';
import { openCache } from '../../cache/open-cache.ts';
import { ALL_PROTECTIONS, type Protections } from '../../cache/protections.ts';
import { createLogger } from '../../core/log.ts';
import { createRegistry } from '../../core/metrics.ts';
import { startCacheServer, type CacheServer } from '../../test/support/cache-server.ts';
import { startTcpProxy, type TcpProxy } from '../../test/support/tcp-proxy.ts';
import { startControlApi, type HammeredControlApi } from './control-api.ts';
import { FAULTS, type Scene } from './faults.ts';
import type { GatewayTask, Report } from './messages.ts';
import { Oracle, sharedNowMs, type Violation } from './oracle.ts';

const HOSTS = 20;
const GATEWAYS = 3;
const LEASE_MS = 1000;
/** Longer than the lease, so that only the lease keeps a gateway that was cut off from using its copies. */
const NEAR_TTL_MS = 3000;

export type HammerOptions = {
  protections?: Partial<Protections>;
  /** Ends after so many observations and one round of faults, or at the first violation if asked to. */
  minObservations: number;
  maxDurationMs: number;
  isStoppedByViolation?: boolean;
  /** Longest pause between two flips of one host; default 300. */
  flipPauseMs?: number;
  /** Told what happens. */
  onEvent?: (text: string) => void;
  logLevel?: string;
};

export type HammerReport = {
  observations: number;
  flips: number;
  violations: readonly Violation[];
  failures: number;
  absences: number;
  marked: number;
  markedOlder: number;
  controlApiLookups: number;
  faults: number;
  durationMs: number;
};

/**
 * Three gateway processes answer without pause which build a host shows, while a control API flips the hosts dozens
 * of times a second and the cache, the bus and the network fail around them. An oracle judges every answer.
 */
export async function runHammer(options: HammerOptions): Promise<HammerReport> {
  const startedAtMs = performance.now();
  const oracle = new Oracle();
  const stage = await buildStage(options, oracle);
  const isOver = (): boolean => {
    const elapsedMs = performance.now() - startedAtMs;
    if (elapsedMs > options.maxDurationMs) return true;
    return options.isStoppedByViolation === true && oracle.violations.length > 0;
  };
  let isFlipping = true;
  const flipping = Array.from({ length: HOSTS }, (_, host) =>
    flipHost(stage, oracle, host, () => isFlipping),
  );
  let faults = 0;
  while (!isOver() && (faults < FAULTS.length || oracle.observations < options.minObservations)) {
    const fault = FAULTS[faults % FAULTS.length];
    options.onEvent?.(`${oracle.observations} observations, ${oracle.flips} flips; now: ${fault?.name}`);
    await fault?.run(stage.scene);
    faults += 1;
    await untilOver(isOver, 1500);
  }
  isFlipping = false;
  await Promise.all(flipping);
  await stage.close();
  const { observations, flips, violations, failures, absences, marked, markedOlder } = oracle;
  return {
    observations,
    flips,
    violations,
    failures,
    absences,
    marked,
    markedOlder,
    controlApiLookups: stage.scene.controlApi.lookups,
    faults,
    durationMs: performance.now() - startedAtMs,
  };
}

type Stage = { scene: Scene; writer: Cache; flipPauseMs: number; close(): Promise<void> };

async function buildStage(options: HammerOptions, oracle: Oracle): Promise<Stage> {
  const logLevel = options.logLevel ?? 'silent';
  const protections: Protections = { ...ALL_PROTECTIONS, ...options.protections };
  const server = await startCacheServer();
  const controlApi = await startControlApi(40);
  const proxies = await Promise.all(Array.from({ length: GATEWAYS + 1 }, () => startTcpProxy(server)));
  for (const proxy of proxies) proxy.setSpreadMs(20);
  const config = (proxy: TcpProxy): Partial<CacheConfig> => ({
    target: {
      kind: 'server',
      topology: 'single',
      nodes: [{ host: proxy.host, port: proxy.port }],
      isTls: false,
      username: undefined,
      password: undefined,
      database: 0,
    },
    leaseMs: LEASE_MS,
    nearTtlMs: NEAR_TTL_MS,
    timeoutMs: 100,
  });
  const writerProxy = proxies[GATEWAYS];
  if (writerProxy === undefined) throw new Error('no proxy for the control API');
  const writer = openCache(defaultCacheConfig(config(writerProxy)), {
    log: createLogger({ program: 'control-api', level: logLevel }),
    registry: createRegistry(),
    instance: 'control-api',
    protections,
  });
  await writer.connect();
  const gateways = await Promise.all(
    proxies.slice(0, GATEWAYS).map((proxy, index) =>
      startGateway(oracle, {
        index,
        config: config(proxy),
        protections,
        controlApiUrl: controlApi.url,
        hosts: HOSTS,
        callers: 8,
        pauseMs: 20,
        logLevel,
      }),
    ),
  );
  return {
    scene: { server, proxies, controlApi, leaseMs: LEASE_MS },
    writer,
    flipPauseMs: options.flipPauseMs ?? 300,
    close: () => tearDown({ server, controlApi, proxies, writer, gateways }),
  };
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

/** Flips one host again and again: commit, write (most times), announce until every gateway has it, acknowledge. */
async function flipHost(
  { scene, writer, flipPauseMs }: Stage,
  oracle: Oracle,
  host: number,
  isFlipping: () => boolean,
): Promise<void> {
  const key = keys.domain(`host-${host}.example`);
  while (isFlipping()) {
    await sleep(Math.random() * flipPauseMs);
    const rev = scene.controlApi.commit(host);
    // Sometimes the write is missing, as when it fails: then the gateways' refills have to bring the new revision.
    if (Math.random() < 0.7) await writer.set(key, scene.controlApi.read(host), { rev });
    if (await announce(writer, host, rev, isFlipping)) oracle.acknowledge(host, rev, sharedNowMs());
  }
}

async function announce(
  writer: Cache,
  host: number,
  rev: number,
  isFlipping: () => boolean,
): Promise<boolean> {
  const key = keys.domain(`host-${host}.example`);
  while (isFlipping()) {
    const { isComplete } = await writer.invalidate(key, { rev });
    if (isComplete) return true;
    await sleep(50);
  }
  return false;
}

async function tearDown(parts: {
  server: CacheServer;
  controlApi: HammeredControlApi;
  proxies: readonly TcpProxy[];
  writer: Cache;
  gateways: readonly ChildProcess[];
}): Promise<void> {
  await Promise.all(
    parts.gateways.map(async (gateway) => {
      const gone = once(gateway, 'exit');
      gateway.send('stop');
      const timer = setTimeout(() => gateway.kill('SIGKILL'), 10_000);
      await gone;
      clearTimeout(timer);
    }),
  );
  await parts.writer.close();
  await Promise.all(parts.proxies.map((proxy) => proxy.close()));
  await parts.controlApi.close();
  await parts.server.close();
}

async function untilOver(isOver: () => boolean, limitMs: number): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (performance.now() < endMs && !isOver()) await sleep(20);
}
