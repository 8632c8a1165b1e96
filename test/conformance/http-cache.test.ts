import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { startCacheServer, type CacheServer } from '../support/cache-server.ts';
import { freePort } from '../support/free-port.ts';
import { installPackages } from '../support/install-packages.ts';
import { REPOSITORY, startNode, startProcess, type StartedProcess } from '../support/process.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';
import { ANSWERED_NO, EXCEPTIONS, EXCEPTIONS_OF_TWO, UNDECIDED } from './http-cache-answers.ts';

/**
 * The public conformance suite for HTTP caches (https://cache-tests.fyi), run from outside against a gateway process with a
 * function route in front of the suite's origin. Its last release precedes RFC 9111 and RFC 9213: what today's suite has beyond
 * that release, or in another form, is in http-cache/tests/, so that the two together are today's suite (http-cache/current.mjs).
 */
const HERE = join(REPOSITORY, 'test/conformance/http-cache');

/** As many as today's suite has for caches that are not in a browser. */
const CURRENT = { required: 160, optimal: 105 };
/** The aim; beyond it every optimal test that is not an exception passes too. */
const OPTIMAL_AIM = 96;

const resultSchema = z.array(
  z.object({
    id: z.string(),
    kind: z.enum(['required', 'optimal', 'check']),
    isCurrent: z.boolean(),
    source: z.enum(['released', 'own']),
    passed: z.boolean(),
    message: z.string(),
  }),
);
type Result = z.output<typeof resultSchema>[number];

const MANIFEST = {
  version: 1,
  resources: [{ kind: 'dynamic', urlPath: '/*', resourcePath: 'functions/origin.js' }],
  cache: { profile: 'rfc' },
};
const SITE = { config: MANIFEST, deploymentId: 'deployment-1', projectId: 'project-1', rev: 1 };

let state: TempDir;
let controlApi: Server;
let cacheServer: CacheServer;
let origin: StartedProcess;
let originPort: number;
const gateways: StartedProcess[] = [];

beforeAll(async () => {
  await installPackages('conformance/http-cache');
  state = await makeTempDir('http-cache');
  cacheServer = await startCacheServer();
  controlApi = createServer((_request, response) => {
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({ result: { data: { json: SITE } } }));
  });
  await new Promise<void>((resolve) => controlApi.listen(0, '127.0.0.1', resolve));
  originPort = await freePort();
  origin = startProcess(process.execPath, { args: ['origin.mjs', String(originPort)], cwd: HERE });
  await origin.waitFor(/Listening on/);
}, 600_000);

afterAll(async () => {
  for (const gateway of gateways) await gateway.stop('SIGKILL');
  await origin?.stop('SIGKILL');
  controlApi?.close();
  await cacheServer?.close();
  await state?.remove();
});

/** Starts a gateway process; answers where it listens. */
async function startGateway(env: Record<string, string>): Promise<string> {
  const port = await freePort();
  const gateway = startNode('gateway/main.ts', {
    env: {
      GATEWAY_HOST: '127.0.0.1',
      GATEWAY_PORT: String(port),
      GATEWAY_ADMIN_PORT: '0',
      CONTROL_API_URL: `http://127.0.0.1:${(controlApi.address() as AddressInfo).port}`,
      RUNNER_URL: `http://127.0.0.1:${originPort}`,
      BUCKET_URL: state.path,
      ACCESS_LOG: 'false',
      ...env,
    },
  });
  gateways.push(gateway);
  await gateway.waitFor(/"msg":"[^"]* listens"/);
  return `http://127.0.0.1:${port}`;
}

/** Runs the suite; with several gateways the requests of each test go to one after the other. */
async function runSuite(urls: readonly string[]): Promise<Result[]> {
  const args = ['--no-warnings', 'run-suite.mjs', urls.join()];
  const run = startProcess(process.execPath, { args, cwd: HERE });
  const { code } = await run.exited;
  if (code !== 0) throw new Error(`the suite failed:\n${run.stdout()}${run.stderr()}`);
  return resultSchema.parse(JSON.parse(run.stdout().trim().split('\n').at(-1) ?? ''));
}

function of(results: readonly Result[], kind: Result['kind']): Result[] {
  return results.filter((each) => each.kind === kind && each.isCurrent);
}

function passed(results: readonly Result[], kind: Result['kind']): number {
  return of(results, kind).filter((each) => each.passed).length;
}

/** Every required test passes, and every optimal one that is no exception; only exceptions fail, and each of them does. */
function judge(results: readonly Result[], exceptions: ReadonlyMap<string, string>): void {
  const failed = results.filter((each) => each.kind !== 'check' && !each.passed);
  const unexpected = failed.filter(({ id }) => !exceptions.has(id));
  expect(unexpected.map(({ id, message }) => `${id}: ${message}`)).toEqual([]);
  expect(failed.map(({ id }) => id).sort()).toEqual([...exceptions.keys()].sort());
  expect(passed(results, 'required')).toBe(CURRENT.required);
  expect(passed(results, 'optimal')).toBe(CURRENT.optimal - exceptions.size);
  expect(passed(results, 'optimal')).toBeGreaterThanOrEqual(OPTIMAL_AIM);
}

function report(which: string, results: readonly Result[]): void {
  const { required, optimal } = CURRENT;
  process.stdout.write(
    `http-cache, ${which}: ${passed(results, 'required')} of ${required} required, ${passed(results, 'optimal')} of ${optimal} optimal\n`,
  );
}

describe('the public suite for HTTP caches', () => {
  let results: Result[] = [];

  // Its responses live for seconds of real time: a test that a busy machine made fail judges a run of its own.
  beforeEach(async ({ task }) => {
    if (results.length > 0 && (task.result?.retryCount ?? 0) === 0) return;
    results = await runSuite([await startGateway({})]);
    report('one gateway', results);
  }, 300_000);

  test('what runs is the whole of it', () => {
    expect([of(results, 'required').length, of(results, 'optimal').length]).toEqual([
      CURRENT.required,
      CURRENT.optimal,
    ]);
    expect(new Set(results.map(({ id }) => id)).size).toBe(results.length);
  });

  test('every test passes that is no exception, and no exception does', () => {
    judge(results, EXCEPTIONS);
  });

  test('what is left to caches is decided as before', () => {
    const decided = of(results, 'check').filter(({ id }) => !UNDECIDED.has(id));
    const no = decided.filter((each) => !each.passed).map(({ id }) => id);
    expect(no.sort()).toEqual([...ANSWERED_NO.values()].flat().sort());
  });

  test('nothing is reused that says nothing about its freshness', () => {
    expect(results.find(({ id }) => id === 'freshness-none')?.passed).toBe(true);
  });
});

// Misses are right when a busy machine takes long to answer, but no answer to the question.
const patient = { timeout: 300_000, retry: 2 };

test(
  'the same through two gateways in turn: what one has stored, changed or forgotten, the other has too',
  patient,
  async () => {
    const env = { CACHE_URL: cacheServer.url, CACHE_TIMEOUT_MS: '5000' };
    const results = await runSuite([await startGateway(env), await startGateway(env)]);
    report('two gateways', results);
    judge(results, new Map([...EXCEPTIONS, ...EXCEPTIONS_OF_TWO]));
  },
);
