import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { freePort } from '../support/free-port.ts';
import { installPackages } from '../support/install-packages.ts';
import { REPOSITORY, startNode, startProcess, type StartedProcess } from '../support/process.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

/**
 * The public conformance suite for HTTP caches (https://cache-tests.fyi), run from outside against a gateway process with a
 * function route in front of the suite's own origin. Its last release precedes RFC 9111; where that RFC decided otherwise,
 * own-tests.mjs says what holds today.
 */
const HERE = join(REPOSITORY, 'test/conformance/http-cache');
const SUITE = join(HERE, 'node_modules/http-cache-tests');

const BY_RFC_9111 =
  'RFC 9111 section 5.1 has since decided the opposite: what is no number of seconds is ignored';
const NOT_THE_ORIGINS =
  'wants a response of the origin to a request on which the origin hangs up; see cut-off-*';
const CONTRADICTS_ITSELF = 'its 206 has fewer bytes than its Content-Range says: incomplete, so not stored';

/** Tests that do not pass, each with its reason. */
const EXCEPTIONS: ReadonlyMap<string, string> = new Map([
  ['age-parse-nonnumeric', BY_RFC_9111],
  ['age-parse-negative', BY_RFC_9111],
  ['age-parse-float', BY_RFC_9111],
  ['age-parse-parameter', BY_RFC_9111],
  ['age-parse-numeric-parameter', BY_RFC_9111],
  ['age-parse-prefix-twoline', 'RFC 9111 section 5.1 has since decided the opposite: the first line counts'],
  ['age-parse-dup-0', 'RFC 9111 section 5.1 has since decided the opposite: the first member counts'],
  ['age-parse-dup-0-twoline', 'RFC 9111 section 5.1 has since decided the opposite: the first line counts'],
  ['age-parse-dup-old', 'RFC 9111 section 5.1 has since decided the opposite: the first member counts'],
  ['304-etag-update-response-ETag', 'RFC 9111 section 4.3.4: a 304 with another strong tag must not be used'],
  ['stale-close-must-revalidate', NOT_THE_ORIGINS],
  ['stale-close-proxy-revalidate', NOT_THE_ORIGINS],
  ['stale-close-no-cache', NOT_THE_ORIGINS],
  ['stale-close-s-maxage=2', NOT_THE_ORIGINS],
  // Optimal ones.
  ['conditional-lm-fresh-no-lm', 'the response is newer than the date asked about (RFC 9111 section 4.3.2)'],
  ['partial-store-partial-reuse-partial', CONTRADICTS_ITSELF],
  ['partial-store-partial-reuse-partial-byterange', CONTRADICTS_ITSELF],
  ['partial-store-partial-reuse-partial-absent', CONTRADICTS_ITSELF],
  ['partial-store-partial-reuse-partial-suffix', CONTRADICTS_ITSELF],
  ['partial-store-partial-complete', 'incomplete responses are not stored'],
]);

const resultSchema = z.array(
  z.object({
    id: z.string(),
    group: z.string(),
    kind: z.enum(['required', 'optimal', 'check']),
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
  origin = startProcess(process.execPath, {
    args: ['server/server.mjs'],
    cwd: SUITE,
    env: {
      npm_config_protocol: 'http',
      npm_config_port: String(originPort),
      npm_config_pidfile: join(state.path, 'origin.pid'),
    },
  });
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

function failed(kind: Result['kind']): string[] {
  const unexpected = results.filter((each) => each.kind === kind && !each.passed && !EXCEPTIONS.has(each.id));
  return unexpected.map(({ id, message }) => `${id}: ${message}`);
}

function countOf(kind: Result['kind']): string {
  const all = results.filter((each) => each.kind === kind);
  return `${all.filter(({ passed }) => passed).length} of ${all.length} ${kind}`;
}

describe('the public suite for HTTP caches', () => {
  test('every required test passes', () => {
    process.stdout.write(`http-cache: ${countOf('required')}, ${countOf('optimal')}, ${countOf('check')}\n`);
    expect(failed('required')).toEqual([]);
    expect(results.filter(({ kind }) => kind === 'required').length).toBeGreaterThan(180);
  });

  test('every optimal test passes', () => {
    expect(failed('optimal')).toEqual([]);
    expect(results.filter(({ kind, passed }) => kind === 'optimal' && passed).length).toBeGreaterThanOrEqual(
      88,
    );
  });

  test('no exception is listed that is none', () => {
    const passing = results.filter(({ id, passed }) => passed && EXCEPTIONS.has(id));
    expect(passing.map(({ id }) => id)).toEqual([]);
    const known = new Set(results.map(({ id }) => id));
    expect([...EXCEPTIONS.keys()].filter((id) => !known.has(id))).toEqual([]);
  });

  test('nothing is reused that says nothing about its freshness', () => {
    expect(results.find(({ id }) => id === 'freshness-none')?.passed).toBe(true);
  });
});
