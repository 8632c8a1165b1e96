import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { freePort } from '../support/free-port.ts';
import { installPackages } from '../support/install-packages.ts';
import { REPOSITORY, startNode, startProcess, type StartedProcess } from '../support/process.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';
import { ANSWERED_NO, EXCEPTIONS, UNDECIDED } from './http-cache-answers.ts';

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
let origin: StartedProcess;
let gateway: StartedProcess;
let results: Result[];

beforeAll(async () => {
  await installPackages('conformance/http-cache');
  state = await makeTempDir('http-cache');
  const [originPort, port] = [await freePort(), await freePort()];
  controlApi = createServer((_request, response) => {
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({ result: { data: { json: SITE } } }));
  });
  await new Promise<void>((resolve) => controlApi.listen(0, '127.0.0.1', resolve));
  origin = startProcess(process.execPath, { args: ['origin.mjs', String(originPort)], cwd: HERE });
  await origin.waitFor(/Listening on/);
  gateway = startNode('gateway/main.ts', {
    env: {
      GATEWAY_HOST: '127.0.0.1',
      GATEWAY_PORT: String(port),
      GATEWAY_ADMIN_PORT: '0',
      CONTROL_API_URL: `http://127.0.0.1:${(controlApi.address() as AddressInfo).port}`,
      RUNNER_URL: `http://127.0.0.1:${originPort}`,
      BUCKET_URL: state.path,
      ACCESS_LOG: 'false',
    },
  });
  await gateway.waitFor(/"msg":"[^"]* listens"/);
  results = await runSuite(`http://127.0.0.1:${port}`);
}, 600_000);

afterAll(async () => {
  await gateway?.stop('SIGKILL');
  await origin?.stop('SIGKILL');
  controlApi?.close();
  await state?.remove();
});

async function runSuite(url: string): Promise<Result[]> {
  const run = startProcess(process.execPath, { args: ['--no-warnings', 'run-suite.mjs', url], cwd: HERE });
  const { code } = await run.exited;
  if (code !== 0) throw new Error(`the suite failed:\n${run.stdout()}${run.stderr()}`);
  return resultSchema.parse(JSON.parse(run.stdout().trim().split('\n').at(-1) ?? ''));
}

function of(kind: Result['kind']): Result[] {
  return results.filter((each) => each.kind === kind && each.isCurrent);
}

function passed(kind: Result['kind']): number {
  return of(kind).filter((each) => each.passed).length;
}

describe('the public suite for HTTP caches', () => {
  test('what runs is the whole of it', () => {
    const { required, optimal } = CURRENT;
    process.stdout.write(
      `http-cache: ${passed('required')} of ${required} required, ${passed('optimal')} of ${optimal} optimal, ` +
        `${passed('check')} of ${of('check').length} checks answered with yes\n`,
    );
    expect([of('required').length, of('optimal').length]).toEqual([required, optimal]);
    expect(new Set(results.map(({ id }) => id)).size).toBe(results.length);
  });

  test('every required test passes', () => {
    expect(passed('required')).toBe(CURRENT.required);
  });

  test('every optimal test passes that is no exception', () => {
    expect(passed('optimal')).toBe(CURRENT.optimal - EXCEPTIONS.size);
    expect(passed('optimal')).toBeGreaterThanOrEqual(OPTIMAL_AIM);
  });

  test('only exceptions fail, and each of them does', () => {
    const failed = results.filter((each) => each.kind !== 'check' && !each.passed);
    const unexpected = failed.filter(({ id }) => !EXCEPTIONS.has(id));
    expect(unexpected.map(({ id, message }) => `${id}: ${message}`)).toEqual([]);
    expect(failed.map(({ id }) => id).sort()).toEqual([...EXCEPTIONS.keys()].sort());
  });

  test('what is left to caches is decided as before', () => {
    const decided = of('check').filter(({ id }) => !UNDECIDED.has(id));
    const no = decided.filter((each) => !each.passed).map(({ id }) => id);
    expect(no.sort()).toEqual([...ANSWERED_NO.values()].flat().sort());
  });

  test('nothing is reused that says nothing about its freshness', () => {
    expect(results.find(({ id }) => id === 'freshness-none')?.passed).toBe(true);
  });
});
