import { afterEach, expect, test } from 'vitest';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { closeClients, makeClient } from '../runner-client/make-call.ts';
import type { FunctionName, RunnerClient } from '../../runner-client/runner-client.ts';
import {
  closeRunners,
  deploy,
  startTestRunner,
  type Deployed,
  type TestRunner,
} from './start-test-runner.ts';

afterEach(async () => {
  await closeClients();
  await closeRunners();
});

const CODE =
  'console.log("top level"); export default { fetch: () => { console.log("called"); return new Response("ran"); } };';

function nameOf({ key, hash }: Deployed, deploymentId = 'dep1'): FunctionName {
  const { signal } = new AbortController();
  return { deploymentId, projectId: 'proj1', functionKey: key, functionHash: hash, requestId: 'r', signal };
}

/** A client that has had an answer of the runner. */
async function acquaint(runner: TestRunner, env: Record<string, string> = {}): Promise<RunnerClient> {
  const client = makeClient(runner.url, { RUNNER_FIRST_BYTE_TIMEOUT_MS: '20000', ...env });
  const { signal } = new AbortController();
  const unknown = {
    deploymentId: 'any',
    projectId: 'any',
    functionKey: 'deployments/any/x.js',
    requestId: 'r',
    signal,
  };
  const reply = await client.call({ ...unknown, method: 'GET', target: '/', headers: [], body: null });
  reply.body.resume();
  expect(reply.headers.map(([name]) => name.toLowerCase())).not.toContain('x-origan-runner');
  return client;
}

test('a function that was made ready is loaded at its first call, and nothing of it ran before', async () => {
  const runner = await startTestRunner();
  const deployed = await deploy(runner, CODE);
  expect(await (await acquaint(runner)).prefetch(nameOf(deployed))).toBe(true);
  expect(runner.logs().filter(({ output }) => output !== undefined)).toEqual([]);
  const loads = async (): Promise<string> =>
    runner.registry.getSingleMetricAsString('function_cold_start_seconds');
  expect(await loads()).toContain('function_cold_start_seconds_count 1');
  const headers = { ...deployed.headers, 'x-origan-function-hash': deployed.hash };
  expect(await (await fetch(runner.url, { headers })).text()).toBe('ran');
  expect(await loads()).toContain('function_cold_start_seconds_count 1');
});

test('making ready never takes the process of another deployment: then only the code is on disk', async () => {
  const runner = await startTestRunner({ env: { RUNNER_MAX_PROCESSES: '2', RUNNER_SPARE_PROCESSES: '1' } });
  const counting = 'let calls = 0; export default { fetch: () => new Response(String(++calls)) };';
  const first = await deploy(runner, counting, { deploymentId: 'first' });
  await (await fetch(runner.url, { headers: first.headers })).text();
  const second = await deploy(runner, CODE, { deploymentId: 'second' });
  expect(await (await acquaint(runner)).prefetch(nameOf(second, 'second'))).toBe(true);
  expect(existsSync(join(runner.workersPath, 'proj1', 'second', second.hash, 'function.js'))).toBe(true);
  expect(await (await fetch(runner.url, { headers: first.headers })).text()).toBe('2');
});

test('what cannot be made ready is false, not an error', async () => {
  const runner = await startTestRunner();
  const deployed = await deploy(runner, CODE);
  const missing = {
    ...nameOf(deployed),
    functionKey: 'deployments/dep1/missing.js',
    functionHash: undefined,
  };
  expect(await (await acquaint(runner)).prefetch(missing)).toBe(false);
  expect(await makeClient('http://127.0.0.1:9').prefetch(nameOf(deployed))).toBe(false);
});

test('a runner that has not shown that it knows how is not asked', async () => {
  const requests: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    requests.push(request.url);
    response.end('ran');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = makeClient(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const { signal } = new AbortController();
  const name = {
    deploymentId: 'd',
    projectId: 'p',
    functionKey: 'deployments/d/x.js',
    requestId: 'r',
    signal,
  };
  const reply = await client.call({ ...name, method: 'GET', target: '/call', headers: [], body: null });
  reply.body.resume();
  expect(await client.prefetch(name)).toBe(false);
  expect(requests).toEqual(['/call']);
  server.closeAllConnections();
  server.close();
});

test('the client and the runner understand each other: signed calls, bodies, metadata', async () => {
  const secret = { RUNNER_SHARED_SECRET: 'a secret that both sides know' };
  const runner = await startTestRunner({ env: secret });
  const code =
    'export default { async fetch(request, env) { return new Response(env.A + (await request.text()) + new URL(request.url).search); } };';
  const deployed = await deploy(runner, code, { path: 'api/caf\u00e9.js' });
  const client = await acquaint(runner, secret);
  const frame = {
    deploymentId: 'dep1',
    projectId: 'proj1',
    createdAt: '2026',
    environmentVariables: { A: 'a' },
  };
  const { Readable } = await import('node:stream');
  const { text } = await import('node:stream/consumers');
  const reply = await client.call({
    ...nameOf(deployed),
    metadata: Buffer.from(JSON.stringify(frame)).toString('base64url'),
    method: 'POST',
    target: '/x?q=1',
    headers: [['Host', 'demo.example']],
    body: Readable.from([Buffer.from('-body-')]),
  });
  expect([reply.status, await text(reply.body)]).toEqual([200, 'a-body-?q=1']);
  expect(await client.prefetch(nameOf(deployed))).toBe(true);
  expect(await (await acquaint(runner)).prefetch(nameOf(deployed))).toBe(false);
});
