import { createHash } from 'node:crypto';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { z } from 'zod';
import type { Cache } from '../../cache/cache.ts';
import { cacheFields, toCacheConfig } from '../../cache/config.ts';
import { openCache } from '../../cache/open-cache.ts';
import type { DeploymentMetadata } from '../../contracts/metadata.ts';
import { metadataKey } from '../../contracts/object-keys.ts';
import { readEnvironment } from '../../core/env.ts';
import { silentLogger, type Logger } from '../../core/log.ts';
import { createRegistry, type Registry } from '../../core/metrics.ts';
import { readRunnerConfig } from '../../runner/config.ts';
import { startRunner, type Runner } from '../../runner/start-runner.ts';
import { createDirectoryStore } from '../../store/directory-store.ts';
import type { ObjectStore } from '../../store/object-store.ts';
import { makeTempDir } from '../support/temp-dir.ts';

export type TestRunner = Runner & {
  store: ObjectStore;
  registry: Registry;
  /** Where the copies of code are. */
  workersPath: string;
  /** Everything logged so far, parsed. */
  logs: () => Record<string, unknown>[];
};

const cleanups: (() => Promise<unknown>)[] = [];

/** Closes every runner that a test file started. */
export async function closeRunners(): Promise<void> {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
}

type Options = { env?: Record<string, string>; store?: (store: ObjectStore) => ObjectStore; cache?: Cache };

/** A real runner on a free port with a directory as its store. */
export async function startTestRunner({ env = {}, store: wrap, cache }: Options = {}): Promise<TestRunner> {
  const directory = await makeTempDir('runner-test');
  const base = createDirectoryStore(`${directory.path}/bucket`, silentLogger());
  const store = wrap === undefined ? base : wrap(base);
  const workersPath = `${directory.path}/workers`;
  const config = readRunnerConfig({
    RUNNER_PORT: '0',
    RUNNER_HOST: '127.0.0.1',
    RUNNER_SPARE_PROCESSES: '1',
    RUNNER_DRAIN_TIMEOUT_MS: '200',
    WORKERS_PATH: workersPath,
    ...env,
  });
  const { log, lines } = keepLogs();
  const registry = createRegistry();
  const usedCache = cache ?? openTestCache(log, registry);
  await usedCache.connect();
  const runner = await startRunner(config, { log, registry, store, cache: usedCache });
  cleanups.push(async () => {
    await runner.close();
    await usedCache.close();
    await store.close();
    await directory.remove();
  });
  return { ...runner, store: base, registry, workersPath, logs: () => lines.map((line) => JSON.parse(line)) };
}

/** The cache of a runner without a cache server: in memory. */
function openTestCache(log: Logger, registry: Registry): Cache {
  return openCache(toCacheConfig(readEnvironment('test', z.object(cacheFields), {})), { log, registry });
}

function keepLogs(): { log: Logger; lines: string[] } {
  const lines: string[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString());
      done();
    },
  });
  return { log: pino({ level: 'trace' }, sink), lines };
}

export type Deployed = { headers: Record<string, string>; key: string; hash: string };

type DeployOptions = {
  deploymentId?: string;
  projectId?: string;
  path?: string;
  variables?: Record<string, string>;
  metadata?: Partial<DeploymentMetadata>;
};

/** Puts a function and its metadata into the store; answers the three headers that call it. */
export async function deploy(
  { store }: Pick<TestRunner, 'store'>,
  code: string,
  options: DeployOptions = {},
): Promise<Deployed> {
  const { deploymentId = 'dep1', projectId = 'proj1', path = 'api/index.js', variables = {} } = options;
  const key = `deployments/${deploymentId}/${path}`;
  await store.put(key, Buffer.from(code));
  const metadata: DeploymentMetadata = {
    deploymentId,
    projectId,
    environmentRevisionId: null,
    createdAt: '2026-01-01T00:00:00.000Z',
    environmentVariables: variables,
    ...options.metadata,
  };
  await store.put(metadataKey(deploymentId), Buffer.from(JSON.stringify(metadata)));
  const headers = {
    'x-origan-deployment-id': deploymentId,
    'x-origan-project-id': projectId,
    'x-origan-function-path': Buffer.from(key).toString('latin1'),
  };
  return { headers, key, hash: createHash('sha256').update(code).digest('hex') };
}
