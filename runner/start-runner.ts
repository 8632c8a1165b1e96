import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp } from 'node:fs/promises';
import { networkInterfaces, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Cache } from '../cache/cache.ts';
import { systemClock, type Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import type { Registry } from '../core/metrics.ts';
import { CallLimits } from '../runner-client/call-limits.ts';
import type { ObjectStore } from '../store/object-store.ts';
import { CodeFiles } from './code-files.ts';
import type { RunnerConfig } from './config.ts';
import { Environments } from './environments.ts';
import { createFunctionMetrics } from './function-metrics.ts';
import { FunctionPool } from './function-pool.ts';
import type { LogSink } from './function-logs.ts';
import { Functions } from './functions.ts';
import { Guardian } from './guardian.ts';
import { LogShipper } from './log-shipper.ts';
import { startServer } from './server.ts';
import { findWorkerd } from './workerd-binary.ts';
import { writeWorkerdFiles } from './workerd-config.ts';

const SWEEP_MS = 60_000;

export type RunnerParts = {
  log: Logger;
  registry: Registry;
  cache: Cache;
  store: ObjectStore;
  clock?: Clock;
};

export type Runner = {
  /** Base URL on this machine. */
  url: string;
  port: number;
  /** Lets calls under way finish, then ends every process. Idempotent. */
  close(): Promise<void>;
};

/**
 * Starts a runner: function processes first, then the port. Cache and store stay the caller's.
 *
 * @throws when workerd cannot be started, the directory for code cannot be written or the port cannot be had.
 */
export async function startRunner(config: RunnerConfig, parts: RunnerParts): Promise<Runner> {
  const { log, registry, cache, store, clock = systemClock } = parts;
  const metrics = createFunctionMetrics(registry);
  const codes = new CodeFiles(codeSettings(config), { store, metrics, log, clock });
  await codes.open();
  const directory = await makePrivateDirectory();
  const guardian = new Guardian(directory);
  const token = randomBytes(16).toString('hex');
  const sink = new LogShipper({ cache, metrics, clock });
  const pool = await startPool(config, { directory, guardian, token, metrics, log, sink, clock });
  const environments = new Environments({ cache, store, key: config.ENVIRONMENT_KEY, metrics });
  const functions = new Functions({ pool, codes, environments, metrics, clock });
  const limits = new CallLimits(config.FUNCTION_MAX_CALLS, config.FUNCTION_MAX_CALLS_PER_DEPLOYMENT);
  const sweeper = setInterval(() => void codes.sweep(), SWEEP_MS).unref();
  const release = async (): Promise<void> => {
    clearInterval(sweeper);
    await pool.close();
    await sink.close();
    await codes.settle();
    await guardian.close();
  };
  const onAnswered = ({ projectId, deploymentId }: { projectId: string; deploymentId: string }): void => {
    codes.touch(projectId, deploymentId);
    pool.refillSoon();
  };
  const call = { functions, limits, metrics, token, log, sink, clock, onAnswered };
  const { RUNNER_PORT: port, RUNNER_HOST: host, RUNNER_SHARED_SECRET: secret } = config;
  try {
    const server = await startServer({ host, port, secret, call, registry, log, clock });
    log.info({ port: server.port }, 'the runner takes calls');
    return {
      url: `http://127.0.0.1:${server.port}`,
      port: server.port,
      close: onlyOnce(async () => {
        await server.drain(config.RUNNER_DRAIN_TIMEOUT_MS);
        await release();
      }),
    };
  } catch (error) {
    await release();
    throw error;
  }
}

type PoolParts = {
  directory: string;
  guardian: Guardian;
  token: string;
  metrics: ReturnType<typeof createFunctionMetrics>;
  log: Logger;
  sink: LogSink;
  clock: Clock;
};

async function startPool(config: RunnerConfig, parts: PoolParts): Promise<FunctionPool> {
  const { directory, guardian, token, metrics, log, sink, clock } = parts;
  const files = await writeWorkerdFiles(directory, {
    token,
    allow: config.FUNCTION_NETWORK_ALLOW,
    deny: [...config.FUNCTION_NETWORK_DENY, ...ownAddresses()],
    maxHeapMb: config.FUNCTION_MEMORY_MB,
  });
  const pool = new FunctionPool(
    {
      maxProcesses: config.RUNNER_MAX_PROCESSES,
      spareProcesses: Math.min(config.RUNNER_SPARE_PROCESSES, config.RUNNER_MAX_PROCESSES - 1),
      processIdleMs: config.RUNNER_PROCESS_IDLE_MS,
      stuckAfterMs: config.FUNCTION_STUCK_AFTER_MS,
    },
    {
      process: {
        binary: findWorkerd(),
        files,
        directory,
        memoryMb: config.FUNCTION_MEMORY_MB,
        functionTimeoutMs: config.FUNCTION_TIMEOUT_MS,
        log,
        sink,
        clock,
      },
      guardian,
      metrics,
      log,
      clock,
    },
  );
  try {
    await pool.start();
    return pool;
  } catch (error) {
    await pool.close();
    await guardian.close();
    throw error;
  }
}

/** A public address of this machine is no way around the ban on its private ones. Loopback has its own word. */
function ownAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter(({ internal }) => !internal)
    .map(({ address, family }) => `${address.split('%', 1)[0]}/${family === 'IPv4' ? 32 : 128}`);
}

async function makePrivateDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'origan-runner-'));
  await chmod(directory, 0o700);
  return directory;
}

function codeSettings(config: RunnerConfig): ConstructorParameters<typeof CodeFiles>[0] {
  return {
    root: resolve(config.WORKERS_PATH),
    maxBytes: config.WORKERS_MAX_BYTES,
    idleMs: config.WORKERS_IDLE_MS,
    maxCodeBytes: config.FUNCTION_MAX_CODE_BYTES,
  };
}

function onlyOnce(action: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => {
    done ??= action();
    return done;
  };
}
