import { createHash } from 'node:crypto';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { cacheFields, toCacheConfig } from '../../cache/config.ts';
import { openCache } from '../../cache/open-cache.ts';
import { readEnvironment } from '../../core/env.ts';
import { silentLogger } from '../../core/log.ts';
import { createRegistry } from '../../core/metrics.ts';
import { readRunnerConfig } from '../../runner/config.ts';
import { startRunner, type Runner } from '../../runner/start-runner.ts';
import { createDirectoryStore } from '../../store/directory-store.ts';
import type { ObjectStore } from '../../store/object-store.ts';
import { makeTempDir } from '../../test/support/temp-dir.ts';
import { median } from '../support/statistics.ts';
import { slowStore, startBucket } from './slow-bucket.ts';
import { startWorkerdServer } from './workerd-server.ts';

// npm run bench:runner: cold starts and warm calls of the runner, beside the way functions ran before and beside
// workerd alone. In turns within one run, since a machine's speed changes from minute to minute: only the ratios of one
// run mean anything.

const CODE = `export default { fetch: () => new Response('hello') };\n// ${'x'.repeat(50_000)}\n`;
const HASH = createHash('sha256').update(CODE).digest('hex');
const PROJECT = 'bench';

type Headers = Record<string, string>;
type Way = { name: string; run: (round: number) => Promise<number> };

const agent = new Agent({ keepAlive: true });

/** Milliseconds from sending the request to the end of the answer. */
async function call(port: number, headers: Headers): Promise<number> {
  const startedMs = performance.now();
  await new Promise<void>((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, headers, agent }, (reply) => {
      if ((reply.statusCode ?? 500) >= 300) reject(new Error(`answered ${reply.statusCode}`));
      reply.resume().once('end', resolve);
    });
    sent.once('error', reject);
    sent.end();
  });
  return performance.now() - startedMs;
}

function frameOf(deploymentId: string): object {
  const variables = Object.fromEntries(
    Array.from({ length: 20 }, (_, index) => [`NAME_${index}`, 'a value']),
  );
  return {
    deploymentId,
    projectId: PROJECT,
    createdAt: '2026-01-01T00:00:00Z',
    environmentVariables: variables,
  };
}

async function deploy(store: ObjectStore, deploymentId: string): Promise<{ plain: Headers; full: Headers }> {
  const metadata = JSON.stringify(frameOf(deploymentId));
  const key = `deployments/${deploymentId}/api.js`;
  await store.put(key, Buffer.from(CODE));
  await store.put(`deployments/${deploymentId}/metadata.json`, Buffer.from(metadata));
  const plain = {
    'x-origan-deployment-id': deploymentId,
    'x-origan-project-id': PROJECT,
    'x-origan-function-path': key,
  };
  const sent = {
    'x-origan-function-hash': HASH,
    'x-origan-metadata': Buffer.from(metadata).toString('base64url'),
  };
  return { plain, full: { ...plain, ...sent } };
}

async function openRunner(directory: string, store: ObjectStore, env: Headers): Promise<Runner> {
  const log = silentLogger();
  const registry = createRegistry();
  const cache = openCache(toCacheConfig(readEnvironment('bench', z.object(cacheFields), {})), {
    log,
    registry,
  });
  const shared = { RUNNER_PORT: '0', RUNNER_HOST: '127.0.0.1', WORKERS_PATH: join(directory, 'workers') };
  return startRunner(readRunnerConfig({ ...shared, ...env }), { log, registry, cache, store });
}

/** Without what the runner has to make cold starts short: a process, metadata and code are fetched on demand. */
const PLAIN = { RUNNER_SPARE_PROCESSES: '0', RUNNER_PROCESS_IDLE_MS: '1000' };
const FULL = { RUNNER_SPARE_PROCESSES: '2', RUNNER_PROCESS_IDLE_MS: '1000' };
const PAUSE_MS = 300;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '25' },
      // How long one read from the bucket takes, in milliseconds.
      'bucket-ms': { type: 'string', default: '20' },
      calls: { type: 'string', default: '1000' },
    },
  });
  const [rounds, bucketMs, calls] = [
    Number(values.rounds),
    Number(values['bucket-ms']),
    Number(values.calls),
  ];
  const directory = await makeTempDir('bench-runner');
  const store = createDirectoryStore(join(directory.path, 'bucket'), silentLogger());
  const slow = slowStore(store, bucketMs);
  const bucket = await startBucket(store, bucketMs);
  const before = await startWorkerdServer('previous-runner.js', directory.path, bucket.port);
  const bare = await startWorkerdServer('bare-function.js', directory.path, bucket.port);
  const plain = await openRunner(join(directory.path, 'plain'), slow, PLAIN);
  const ours = await openRunner(join(directory.path, 'ours'), slow, FULL);
  // Shares the directory: leaves code there that the other one has never run.
  const neighbour = await openRunner(join(directory.path, 'ours'), slow, PLAIN);
  try {
    const cold: Way[] = [
      {
        name: 'before: metadata and code from the bucket, fresh isolate',
        run: async (round) => call(before.port, (await deploy(store, `before-${round}`)).plain),
      },
      {
        name: 'runner without its means: process, metadata and code on demand',
        run: async (round) => call(plain.port, (await deploy(store, `plain-${round}`)).plain),
      },
      {
        name: 'runner, first call ever: spare process, metadata in the header',
        run: async (round) => call(ours.port, (await deploy(store, `ours-${round}`)).full),
      },
      {
        name: 'runner, code on disk: what is left after a restart or an idle time',
        run: async (round) => {
          const { full } = await deploy(store, `disk-${round}`);
          await call(neighbour.port, full);
          await delay(PAUSE_MS);
          return call(ours.port, full);
        },
      },
      {
        name: 'runner, made ready after the deployment: spare process, isolate started',
        run: async (round) => {
          const { full } = await deploy(store, `ready-${round}`);
          const { 'x-origan-function-path': key = '', ...rest } = full;
          await call(ours.port, { ...rest, 'x-origan-prefetch': key });
          await delay(PAUSE_MS);
          return call(ours.port, full);
        },
      },
    ];
    report('cold start', await measure(cold, { rounds, pauseMs: PAUSE_MS }));
    const { plain: key } = await deploy(store, 'warm');
    const warm: Way[] = [
      { name: 'before: fresh isolate for each call', run: () => medianCall(before.port, key, calls / 10) },
      { name: 'runner, warm isolate', run: () => medianCall(ours.port, key, calls) },
      { name: 'workerd alone, nothing in between', run: () => medianCall(bare.port, key, calls) },
    ];
    report('warm call', await measure(warm, { rounds: 5, pauseMs: 0 }));
  } finally {
    agent.destroy();
    await Promise.all([ours.close(), neighbour.close(), plain.close(), before.close(), bare.close()]);
    bucket.close();
    await directory.remove();
  }
}

async function medianCall(port: number, headers: Headers, count: number): Promise<number> {
  const times: number[] = [];
  for (let index = 0; index < count; index += 1) times.push(await call(port, headers));
  return median(times);
}

/** The ways in turns, after one round that does not count. */
async function measure(
  ways: readonly Way[],
  { rounds, pauseMs }: { rounds: number; pauseMs: number },
): Promise<Map<string, number[]>> {
  const times = new Map<string, number[]>(ways.map(({ name }) => [name, []]));
  for (let round = 0; round <= rounds; round += 1) {
    for (const { name, run } of ways) {
      const ms = await run(round);
      if (round > 0) times.get(name)?.push(ms);
      // Spare processes start again meanwhile, as they would between cold starts.
      await delay(pauseMs);
    }
  }
  return times;
}

function report(title: string, times: Map<string, number[]>): void {
  const [first = []] = times.values();
  const reference = median(first);
  process.stdout.write(`${title} (median of ${first.length} rounds)\n`);
  for (const [name, values] of times) {
    const ms = median(values);
    const change = `${((ms / reference) * 100).toFixed(0)} %`;
    process.stdout.write(`  ${ms.toFixed(2).padStart(8)} ms  ${change.padStart(6)}  ${name}\n`);
  }
}

await main();
