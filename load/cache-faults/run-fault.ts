import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import type { Cache } from '../../cache/cache.ts';
import { defaultCacheConfig } from '../../cache/config.ts';
import { keys } from '../../cache/keys.ts';
import { openCache } from '../../cache/open-cache.ts';
import type { SiteRecord } from '../../contracts/site.ts';
import type { Logger } from '../../core/log.ts';
import { createRegistry } from '../../core/metrics.ts';
import { startCacheServer } from '../../test/support/cache-server.ts';
import { startTcpProxy, type TcpProxy } from '../../test/support/tcp-proxy.ts';
import type { CacheFault } from './faults.ts';

const DOMAINS = 50;
const CALLERS = 20;
const CONTROL_API_MS = 5;
export const TIMEOUT_MS = 100;
const RECOVERY_LIMIT_MS = 20_000;

export type FaultReport = {
  name: string;
  requests: number;
  failed: number;
  healthyP99Ms: number;
  faultyP99Ms: number;
  /** How late this process itself was during the fault: not the cache's doing. */
  ownLagMs: number;
  /** From the end of the cause until the cache is used again, lease and all. */
  recoveryMs: number;
  logLines: number;
  lookupsOfControlApi: number;
};

/**
 * A gateway's look-ups of known domains, before, during and after a fault. Near copies live 50 ms here, so that the
 * server is asked all the time.
 */
export async function runFault(fault: CacheFault, durationMs: number): Promise<FaultReport> {
  const server = await startCacheServer();
  const proxy = await startTcpProxy(server);
  const log = countingLog();
  const cache = openGateway(proxy, log.logger);
  const load = { isOver: false, failed: 0, requests: 0, lookups: 0, latenciesMs: [] as number[] };
  try {
    await cache.connect();
    await until(() => cache.holdsLease());
    const callers = Array.from({ length: CALLERS }, () => ask(cache, load));
    await sleep(500);
    load.latenciesMs = [];
    await sleep(1500);
    const healthyP99Ms = p99(load.latenciesMs);
    const lag = monitorEventLoopDelay({ resolution: 5 });
    log.count = 0;
    load.lookups = 0;
    load.latenciesMs = [];
    lag.enable();
    await fault.begin(server, proxy);
    await sleep(durationMs);
    await fault.end(server, proxy);
    const endedAtMs = performance.now();
    await until(() => cache.state() === 'up' && cache.holdsLease());
    const recoveryMs = performance.now() - endedAtMs;
    lag.disable();
    const faultyP99Ms = p99(load.latenciesMs);
    load.isOver = true;
    await Promise.all(callers);
    return {
      name: fault.name,
      requests: load.requests,
      failed: load.failed,
      healthyP99Ms,
      faultyP99Ms,
      ownLagMs: lag.percentile(99) / 1e6,
      recoveryMs,
      logLines: log.count,
      lookupsOfControlApi: load.lookups,
    };
  } finally {
    load.isOver = true;
    await cache.close();
    await proxy.close();
    await server.close();
  }
}

/** Whether a report keeps what docs/cache.md promises; else what is wrong. */
export function whatIsWrong(report: FaultReport): string | undefined {
  const limitMs = 2 * report.healthyP99Ms + TIMEOUT_MS + report.ownLagMs;
  if (report.failed > 0) return `${report.failed} requests failed`;
  if (report.faultyP99Ms > limitMs) return `p99 ${report.faultyP99Ms} ms is above ${limitMs} ms`;
  if (report.recoveryMs > 5000) return `recovery took ${report.recoveryMs} ms`;
  if (report.logLines > 60) return `${report.logLines} lines of log`;
  return undefined;
}

function openGateway(proxy: TcpProxy, log: Logger): Cache {
  return openCache(
    defaultCacheConfig({
      target: {
        kind: 'server',
        topology: 'single',
        nodes: [{ host: proxy.host, port: proxy.port }],
        isTls: false,
        username: undefined,
        password: undefined,
        database: 0,
      },
      timeoutMs: TIMEOUT_MS,
      nearTtlMs: 50,
      leaseMs: 1500,
    }),
    { log, registry: createRegistry(), instance: 'gateway', holdsLease: true },
  );
}

type Load = { isOver: boolean; failed: number; requests: number; lookups: number; latenciesMs: number[] };

async function ask(cache: Cache, load: Load): Promise<void> {
  while (!load.isOver) {
    const index = Math.floor(Math.random() * DOMAINS);
    const key = keys.domain(`known-${index}.example`);
    const startedAtMs = performance.now();
    const resolved = await cache.getWithFallback(key, async () => {
      load.lookups += 1;
      await sleep(CONTROL_API_MS);
      return { kind: 'found', value: siteOf(index) };
    });
    load.latenciesMs.push(performance.now() - startedAtMs);
    load.requests += 1;
    if (resolved.kind !== 'found') load.failed += 1;
    await sleep(1);
  }
}

function siteOf(index: number): SiteRecord {
  return { deploymentId: `d${index}`, projectId: 'p', rev: 1, config: { version: 1, resources: [] } };
}

function countingLog(): { logger: Logger; count: number } {
  const sink: { logger: Logger; count: number } = { logger: pino({ level: 'silent' }), count: 0 };
  const stream = new Writable({
    write: (_chunk, _encoding, done) => {
      sink.count += 1;
      done();
    },
  });
  sink.logger = pino({ level: 'info' }, stream);
  return sink;
}

function p99(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.floor(sorted.length * 0.99)] ?? 0;
}

async function until(condition: () => boolean): Promise<void> {
  const endMs = performance.now() + RECOVERY_LIMIT_MS;
  while (!condition() && performance.now() < endMs) await sleep(5);
}
