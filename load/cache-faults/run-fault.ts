import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { startCacheServer } from '../../test/support/cache-server.ts';
import { startTcpProxy } from '../../test/support/tcp-proxy.ts';
import type { CacheFault } from './faults.ts';
import { PATH, startGateway, TEXT, TIMEOUT_MS, type FaultedGateway } from './start-gateway.ts';
import { percentile } from '../support/statistics.ts';

const DOMAINS = 50;
const RECOVERY_LIMIT_MS = 20_000;
const LOOK_MS = 25;
const HEALTHY_MS = 1500;

export type FaultReport = {
  name: string;
  requests: number;
  failed: number;
  healthyP99Ms: number;
  faultyP99Ms: number;
  /** How late the callers themselves were during the fault: not the cache's doing. */
  ownLagMs: number;
  /** From the end of the cause until the gateway uses the cache again, lease and all. */
  recoveryMs: number;
  logLines: number;
};

export type FaultOptions = {
  durationMs: number;
  callers: number;
  /**
   * Whether a second gateway, whose cache server is well, is asked at the same time, and counts as what is healthy: for a
   * machine that does something else besides. Default false: healthy is what was before the fault, and is after it.
   */
  hasControl?: boolean;
};

/** Requests to a gateway for known domains, before, during and after a fault. */
export async function runFault(fault: CacheFault, options: FaultOptions): Promise<FaultReport> {
  const server = await startCacheServer();
  const proxy = await startTcpProxy(server);
  const asked = await startAsked(proxy, options.callers);
  const control = options.hasControl === true ? await startControl(options.callers) : undefined;
  const { gateway, load } = asked;
  try {
    await sleep(1000);
    const before = await p99During(load, HEALTHY_MS);
    const lag = monitorEventLoopDelay({ resolution: 5 });
    const linesBefore = gateway.logLines();
    for (const each of [load, control?.load]) if (each !== undefined) each.latenciesMs = [];
    lag.enable();
    await fault.begin(server, proxy);
    await sleep(options.durationMs);
    await fault.end(server, proxy);
    const endedAtMs = performance.now();
    await untilWell(gateway);
    const recoveryMs = performance.now() - endedAtMs;
    lag.disable();
    const faultyP99Ms = percentile(load.latenciesMs, 0.99);
    const controlP99Ms = control === undefined ? 0 : percentile(control.load.latenciesMs, 0.99);
    // Healthy is what it was before and is again: what else the machine does may have changed in between.
    const healthyP99Ms = Math.max(before, await p99During(load, HEALTHY_MS), controlP99Ms);
    await asked.stop();
    return {
      name: fault.name,
      requests: load.requests,
      failed: load.failed,
      healthyP99Ms,
      faultyP99Ms,
      ownLagMs: lag.percentile(99) / 1e6,
      recoveryMs,
      logLines: gateway.logLines() - linesBefore,
    };
  } finally {
    await asked.close();
    await control?.close();
    await proxy.close();
    await server.close();
  }
}

type Asked = { gateway: FaultedGateway; load: Load; stop(): Promise<void>; close(): Promise<void> };

/** A gateway that uses the cache, and callers that ask it without pause. */
async function startAsked(cache: { url: string }, callers: number): Promise<Asked> {
  const gateway = await startGateway(cache);
  await untilWell(gateway);
  const pool = new Pool(gateway.url, { connections: callers });
  const load: Load = { isOver: false, failed: 0, requests: 0, latenciesMs: [] };
  const asking = Promise.all(Array.from({ length: callers }, () => ask(pool, load)));
  const stop = async (): Promise<void> => {
    load.isOver = true;
    await asking;
  };
  return {
    gateway,
    load,
    stop,
    close: async () => {
      await stop();
      await pool.close();
      await gateway.close();
    },
  };
}

async function startControl(callers: number): Promise<Asked> {
  const server = await startCacheServer();
  const asked = await startAsked(server, callers);
  return {
    ...asked,
    close: async () => {
      await asked.close();
      await server.close();
    },
  };
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

type Load = { isOver: boolean; failed: number; requests: number; latenciesMs: number[] };

async function ask(pool: Pool, load: Load): Promise<void> {
  while (!load.isOver) {
    const host = `known-${Math.floor(Math.random() * DOMAINS)}.example`;
    const startedAtMs = performance.now();
    const isAnswered = await isRight(pool, host);
    load.latenciesMs.push(performance.now() - startedAtMs);
    load.requests += 1;
    if (!isAnswered) load.failed += 1;
    await sleep(1);
  }
}

async function isRight(pool: Pool, host: string): Promise<boolean> {
  try {
    const reply = await pool.request({ path: PATH, method: 'GET', headers: { host } });
    return (await reply.body.text()) === TEXT && reply.statusCode === 200;
  } catch {
    // The gateway did not answer at all.
    return false;
  }
}

async function p99During(load: Load, durationMs: number): Promise<number> {
  load.latenciesMs = [];
  await sleep(durationMs);
  return percentile(load.latenciesMs, 0.99);
}

async function untilWell(gateway: FaultedGateway): Promise<void> {
  const endMs = performance.now() + RECOVERY_LIMIT_MS;
  while (!(await gateway.isWell()) && performance.now() < endMs) await sleep(LOOK_MS);
}
