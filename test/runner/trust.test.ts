import { createServer } from 'node:http';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { sealEnvironment } from '../../contracts/sealed-environment.ts';
import { signHeaders } from '../../runner-client/signature.ts';
import { waitUntil } from '../support/wait-until.ts';
import { closeRunners, deploy, startTestRunner, type TestRunner } from './start-test-runner.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await closeRunners();
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

const ENV = 'export default { fetch: (request, env) => Response.json(env) };';
const SECRET = 'a secret that both sides know';
const KEY = Buffer.alloc(32, 7);

type Headers = Record<string, string>;

async function ask(runner: TestRunner, headers: Headers, path = '/'): Promise<[number, string]> {
  const reply = await fetch(`${runner.url}${path}`, { headers });
  return [reply.status, await reply.text()];
}

const encode = (metadata: object): string => Buffer.from(JSON.stringify(metadata)).toString('base64url');

test('with a shared secret only signed calls are taken', async () => {
  const runner = await startTestRunner({ env: { RUNNER_SHARED_SECRET: SECRET } });
  const { headers } = await deploy(runner, ENV);
  const sign = (signed: Headers, nowMs = Date.now(), secret = SECRET): Headers => ({
    ...signed,
    'x-origan-signature': signHeaders(secret, (name) => signed[name], nowMs),
  });
  expect((await ask(runner, sign(headers)))[0]).toBe(200);
  expect(await ask(runner, headers)).toEqual([403, 'Forbidden']);
  expect((await ask(runner, sign(headers, Date.now() - 120_000)))[0]).toBe(403);
  expect((await ask(runner, sign(headers, Date.now(), 'another secret of this length')))[0]).toBe(403);
  const swapped = { ...sign(headers), 'x-origan-metadata': encode({ environmentVariables: {} }) };
  expect((await ask(runner, swapped))[0]).toBe(403);
  expect(await ask(runner, {})).toEqual([400, 'Missing required headers']);
});

test('a sealed environment is opened for its own deployment, and for no other', async () => {
  const runner = await startTestRunner({ env: { ENVIRONMENT_KEY: KEY.toString('hex') } });
  const seal = (forId: string, key = KEY): string => sealEnvironment({ A: 'sealed' }, forId, key);
  const { headers } = await deploy(runner, ENV, {
    metadata: { sealedEnvironment: seal('dep1'), environmentVariables: undefined },
  });
  expect(JSON.parse((await ask(runner, headers))[1])).toMatchObject({
    A: 'sealed',
    ORIGAN_DEPLOYMENT_ID: 'dep1',
  });
  const frame = { deploymentId: 'dep1', projectId: 'proj1', createdAt: '2026-01-01T00:00:00.000Z' };
  const withHeader = (sealedEnvironment: string, over: object = {}): Headers => ({
    ...headers,
    'x-origan-metadata': encode({ ...frame, sealedEnvironment, ...over }),
  });
  expect(JSON.parse((await ask(runner, withHeader(seal('dep1'))))[1])).toMatchObject({ A: 'sealed' });
  for (const wrong of [
    withHeader(seal('dep2')),
    withHeader(seal('dep1', Buffer.alloc(32, 8))),
    withHeader('AAAA'),
    withHeader(seal('dep2'), { deploymentId: 'dep2' }),
    withHeader(seal('dep1'), { projectId: 'proj2' }),
    { ...headers, 'x-origan-metadata': 'no json' },
  ]) {
    expect(await ask(runner, wrong)).toEqual([500, 'Failed to run worker']);
  }
});

test('without the key a sealed environment fails closed, and the log says what is missing', async () => {
  const runner = await startTestRunner();
  const metadata = {
    sealedEnvironment: sealEnvironment({ A: 'x' }, 'dep1', KEY),
    environmentVariables: undefined,
  };
  const { headers } = await deploy(runner, ENV, { metadata });
  expect(await ask(runner, headers)).toEqual([500, 'Failed to run worker']);
  expect(JSON.stringify(runner.logs())).toContain('ENVIRONMENT_KEY is not set');
});

test('metadata in a header is parsed once, and a changed one takes effect at the next call', async () => {
  const runner = await startTestRunner();
  const code =
    'let calls = 0; export default { fetch: (request, env) => Response.json({ a: env.A, calls: ++calls }) };';
  const { headers } = await deploy(runner, code);
  const withVariables = (environmentVariables: Headers, createdAt = '2026'): Headers => ({
    ...headers,
    'x-origan-metadata': encode({
      deploymentId: 'dep1',
      projectId: 'proj1',
      createdAt,
      environmentVariables,
    }),
  });
  const read = async (sent: Headers): Promise<unknown> => JSON.parse((await ask(runner, sent))[1]);
  expect(await read(withVariables({ A: 'one' }))).toEqual({ a: 'one', calls: 1 });
  expect(await read(withVariables({ A: 'one' }))).toEqual({ a: 'one', calls: 2 });
  const parsed = await runner.registry.getSingleMetricAsString('function_environment_reads_total');
  expect(parsed).toContain('{source="header"} 1');
  // Other metadata with the same variables keeps the warm isolate; other variables get a fresh one.
  expect(await read(withVariables({ A: 'one' }, '2027'))).toEqual({ a: 'one', calls: 3 });
  expect(await read(withVariables({ A: 'two' }))).toEqual({ a: 'two', calls: 1 });
});

test('what a function prints is logged under its deployment, as text that cannot pass for anything else', async () => {
  const runner = await startTestRunner();
  const code = `export default { fetch() {
    console.log('plain', { a: 1 });
    console.warn('{"level":"fatal","deploymentId":"other","msg":"forged"}');
    console.error('two\\nlines');
    return new Response('ok');
  } };`;
  const { headers } = await deploy(runner, code);
  await ask(runner, headers);
  const outputs = (): Record<string, unknown>[] =>
    runner.logs().filter(({ msg }) => msg === 'function output');
  await waitUntil(() => outputs().length >= 3);
  expect(
    outputs().map(({ level, output, deploymentId, projectId }) => ({
      level,
      output,
      deploymentId,
      projectId,
    })),
  ).toEqual([
    { level: 30, output: 'plain { a: 1 }', deploymentId: 'dep1', projectId: 'proj1' },
    {
      level: 40,
      output: '{"level":"fatal","deploymentId":"other","msg":"forged"}',
      deploymentId: 'dep1',
      projectId: 'proj1',
    },
    { level: 50, output: 'two\nlines', deploymentId: 'dep1', projectId: 'proj1' },
  ]);
});

test('a function that prints without end neither fills the log nor stops the runner', async () => {
  const runner = await startTestRunner({ env: { FUNCTION_STUCK_AFTER_MS: '120000' } });
  const code = `export default { fetch() { for (let n = 0; n < 20000; n += 1) console.log('x'.repeat(100)); return new Response('ok'); } };`;
  const { headers } = await deploy(runner, code);
  expect(await ask(runner, headers)).toEqual([200, 'ok']);
  expect(runner.logs().length).toBeLessThan(3000);
});

test('the error of a function is in the log with its stack, and in no answer', async () => {
  const runner = await startTestRunner();
  const code = 'export default { fetch() { throw new Error("the detail"); } };';
  const { headers } = await deploy(runner, code);
  expect(await ask(runner, { ...headers, 'x-origan-request-id': 'req-9' })).toEqual([
    500,
    'Failed to run worker',
  ]);
  await waitUntil(() =>
    runner.logs().some(({ output }) => /the detail[^]*function\.js:1/.test(String(output))),
  );
  expect(runner.logs().find(({ msg }) => msg === 'a function failed')).toMatchObject({
    error: 'the detail',
    deploymentId: 'dep1',
    requestId: 'req-9',
  });
});

const REACH = `import { connect } from 'cloudflare:sockets';
export default { async fetch(request) {
  const target = new URL(request.url).searchParams.get('to');
  try {
    if (target.startsWith('tcp:')) {
      const socket = connect(target.slice(4));
      await socket.opened;
      return new Response('reached');
    }
    const reply = await fetch(target);
    return new Response('reached ' + reply.status);
  } catch { return new Response('blocked'); }
} };`;

async function startLocalServer(host = '127.0.0.1'): Promise<number> {
  const server = createServer((_request, response) => response.end('secret'));
  server.listen(0, host);
  await once(server, 'listening');
  cleanups.push(async () => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

test('functions reach no address of the machine, of private networks or of cloud metadata', async () => {
  const runner = await startTestRunner();
  const { headers } = await deploy(runner, REACH);
  const port = await startLocalServer('0.0.0.0');
  const own = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const hosts = [
    '127.0.0.1',
    'localhost',
    '127.1',
    '2130706433',
    '0x7f000001',
    '0.0.0.0',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '[::]',
    '10.0.0.1',
    '172.16.0.1',
    '192.168.0.1',
    '100.64.0.1',
    '169.254.169.254',
    '100.100.100.200',
    '[fd00:ec2::254]',
    '[fe80::1]',
    '[fc00::1]',
    '[64:ff9b::7f00:1]',
    '192.0.0.1',
    '198.18.0.1',
    '224.0.0.1',
    '255.255.255.255',
    ...own.map(({ address, family }) => (family === 'IPv4' ? address : `[${address.split('%', 1)[0]}]`)),
  ];
  for (const host of hosts) {
    const http = encodeURIComponent(`http://${host}:${port}/`);
    expect([host, (await ask(runner, headers, `/?to=${http}`))[1]]).toEqual([host, 'blocked']);
    const tcp = encodeURIComponent(`tcp:${host}:${port}`);
    expect([host, (await ask(runner, headers, `/?to=${tcp}`))[1]]).toEqual([host, 'blocked']);
  }
  for (const address of [
    `http://127.0.0.1:${runner.port}/health`,
    `http://localhost:${runner.port}/metrics`,
  ]) {
    expect((await ask(runner, headers, `/?to=${encodeURIComponent(address)}`))[1]).toBe('blocked');
  }
});

test('the private network is reachable when it is allowed, except what is denied', async () => {
  const runner = await startTestRunner({
    env: { FUNCTION_NETWORK_ALLOW: 'public,private', FUNCTION_NETWORK_DENY: '127.0.0.2/32' },
  });
  const { headers } = await deploy(runner, REACH);
  const port = await startLocalServer('0.0.0.0');
  const reach = async (host: string): Promise<string> =>
    (await ask(runner, headers, `/?to=${encodeURIComponent(`http://${host}:${port}/`)}`))[1];
  expect(await reach('127.0.0.1')).toBe('reached 200');
  expect(await reach('127.0.0.2')).toBe('blocked');
  expect(await reach('169.254.169.254')).toBe('blocked');
});

test('functions see no file, no variable and no socket of the runner', async () => {
  process.env['RUNNER_TEST_SECRET'] = 'from the environment';
  cleanups.push(async () => {
    delete process.env['RUNNER_TEST_SECRET'];
  });
  const runner = await startTestRunner();
  const code = `import * as fs from 'node:fs';
import * as workers from 'cloudflare:workers';
export default { async fetch(request, env) {
  const tried = {};
  for (const path of ['/etc/passwd', '/proc/self/environ', '/proc/1/environ', '/tmp']) {
    try { tried[path] = fs.statSync(path).isDirectory() ? fs.readdirSync(path).length : fs.readFileSync(path, 'utf8').length; } catch (error) { tried[path] = 'no'; }
  }
  const globals = Object.keys(globalThis).filter((name) => /loader|token|internet|origan/i.test(name));
  return Response.json({ tried, env, process: process.env, workers: Object.keys(workers.env), globals });
} };`;
  const { headers } = await deploy(runner, code);
  const [, text] = await ask(runner, headers);
  expect(text).not.toContain('from the environment');
  const seen = JSON.parse(text) as { tried: Record<string, unknown>; globals: string[]; workers: string[] };
  expect(seen.tried).toEqual({
    '/etc/passwd': 'no',
    '/proc/self/environ': 'no',
    '/proc/1/environ': 'no',
    '/tmp': 0,
  });
  expect(seen.globals).toEqual([]);
  expect(seen.workers.toSorted()).toEqual([
    'ORIGAN_DEPLOYMENT_ID',
    'ORIGAN_FUNCTION_PATH',
    'ORIGAN_PROJECT_ID',
  ]);
});

test('with no network allowed nothing can be reached', async () => {
  const runner = await startTestRunner({ env: { FUNCTION_NETWORK_ALLOW: 'none' } });
  const { headers } = await deploy(runner, REACH);
  const port = await startLocalServer();
  for (const to of [`http://127.0.0.1:${port}/`, 'http://192.0.2.1/', 'tcp:192.0.2.1:80']) {
    expect((await ask(runner, headers, `/?to=${encodeURIComponent(to)}`))[1]).toBe('blocked');
  }
});
