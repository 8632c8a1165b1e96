import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { sendRequest as send } from '../support/send-request.ts';
import { closeRunners, deploy, startTestRunner, type TestRunner } from './start-test-runner.ts';

let runner: TestRunner;
beforeAll(async () => {
  runner = await startTestRunner();
});
afterAll(closeRunners);

test.each([
  ['default.fetch', 'export default { fetch: () => new Response("it ran") };'],
  ['a named fetch', 'export function fetch() { return new Response("it ran"); }'],
  ['a default function', 'export default async () => new Response("it ran");'],
  [
    'default.fetch as a method that uses its object',
    'export default { word: "it ran", fetch() { return new Response(this.word); } };',
  ],
])('a handler of the form %s runs', async (form, code) => {
  const { headers } = await deploy(runner, code, { deploymentId: `form-${form.length}` });
  const reply = await fetch(runner.url, { headers });
  expect([reply.status, await reply.text()]).toEqual([200, 'it ran']);
});

const ECHO = `export default { async fetch(request, env) {
  return Response.json({
    method: request.method, url: request.url, headers: [...request.headers], env, process: process.env,
    body: request.body === null ? null : [...new Uint8Array(await request.arrayBuffer())],
  });
} };`;

type Echo = {
  method: string;
  url: string;
  headers: [string, string][];
  env: Record<string, string>;
  process: Record<string, string>;
  body: number[] | null;
};

test.each([
  [{}, 400],
  [{ 'x-origan-function-path': 'deployments/d/a.js' }, 400],
  [{ 'x-origan-function-path': 'deployments/d/a.js', 'x-origan-deployment-id': 'd' }, 400],
  [{ 'x-origan-deployment-id': 'd', 'x-origan-project-id': 'p' }, 400],
  [{ 'x-origan-function-path': '', 'x-origan-deployment-id': 'd', 'x-origan-project-id': 'p' }, 400],
])('without all three headers there is no call: %j', async (headers, status) => {
  const reply = await fetch(`${runner.url}/api`, { headers: headers as Record<string, string> });
  expect([reply.status, await reply.text()]).toEqual([status, 'Missing required headers']);
});

test.each([
  ['x-origan-deployment-id', '../other'],
  ['x-origan-project-id', 'a/b'],
  ['x-origan-function-path', 'deployments/dep1/../other/a.js'],
  ['x-origan-function-path', 'deployments/other/a.js'],
  ['x-origan-function-path', 'certificates/example.com/private-key.pem'],
  ['x-origan-function-path', '/deployments/dep1/a.js'],
  ['x-origan-function-path', 'deployments/dep1/a\\b.js'],
  ['x-origan-function-hash', 'abc'],
])('%s: %s is refused', async (name, value) => {
  const { headers } = await deploy(runner, ECHO);
  const reply = await fetch(runner.url, { headers: { ...headers, [name]: value } });
  expect(reply.status).toBe(400);
  expect(await reply.text()).toMatch(/^Malformed/);
});

test('a function is called whatever characters a client has left unescaped in its target', async () => {
  const { headers } = await deploy(runner, ECHO, { deploymentId: 'unescaped' });
  const unusual = `!"$&'()*+,:;<=>@[]^_\`{|}~`;
  for (const character of unusual) {
    const path = `/p${character}q?p${character}q=${character}`;
    const reply = await send(runner.port, { method: 'GET', path, headers });
    expect(reply.status, path).toBe(200);
    const { pathname, search } = new URL((JSON.parse(reply.body.toString()) as Echo).url);
    expect([decodeURIComponent(pathname), decodeURIComponent(search)].join(''), path).toBe(path);
  }
});

test('a function sees method, path, query, host, headers and body as they were sent', async () => {
  const { headers } = await deploy(runner, ECHO, { deploymentId: 'echo' });
  const reply = await send(runner.port, {
    method: 'PUT',
    path: '/a%2Fb/%C3%A9?q=a+b&q=&x',
    headers: { ...headers, Host: 'demo.example:7777', 'X-Two': ['1', '2'], 'Content-Length': '256' },
    body: Buffer.from(Array.from({ length: 256 }, (_, index) => index)),
  });
  const seen = JSON.parse(reply.body.toString()) as Echo;
  expect(seen.method).toBe('PUT');
  expect(seen.url).toBe('http://demo.example:7777/a%2Fb/%C3%A9?q=a+b&q=&x');
  expect(seen.body).toEqual(Array.from({ length: 256 }, (_, index) => index));
  const fields = new Map(seen.headers);
  expect(seen.url.startsWith('http:')).toBe(true);
  expect(fields.get('x-two')).toBe('1, 2');
  expect(fields.get('host')).toBe('demo.example:7777');
  expect(fields.get('x-origan-deployment-id')).toBe('echo');
});

test('the URL has the scheme that the client used', async () => {
  const { headers } = await deploy(runner, ECHO, { deploymentId: 'scheme' });
  const reply = await fetch(runner.url, { headers: { ...headers, 'X-Forwarded-Proto': 'https' } });
  const seen = (await reply.json()) as Echo;
  expect(seen.url).toBe(`https://127.0.0.1:${runner.port}/`);
  expect(new Map(seen.headers).get('x-forwarded-proto')).toBe('https');
});

test('a function sees no platform header beyond the ids: no metadata, hash, reference or signature', async () => {
  const variables = { SECRET: 'do not leak' };
  const { headers, hash } = await deploy(runner, ECHO, { deploymentId: 'hidden', variables });
  const metadata = {
    deploymentId: 'hidden',
    projectId: 'proj1',
    createdAt: '2026-01-01T00:00:00.000Z',
    environmentVariables: variables,
  };
  const reply = await fetch(runner.url, {
    headers: {
      ...headers,
      'x-origan-metadata': Buffer.from(JSON.stringify(metadata)).toString('base64url'),
      'x-origan-metadata-ref': 'cache',
      'x-origan-function-hash': hash,
      'x-origan-signature': 't=1,v1=00',
      'x-origan-request-id': 'req-7',
      'x-origan-other': 'x',
    },
  });
  const seen = (await reply.json()) as Echo;
  const platform = seen.headers.map(([name]) => name).filter((name) => name.startsWith('x-origan-'));
  expect(platform.toSorted()).toEqual([
    'x-origan-deployment-id',
    'x-origan-function-path',
    'x-origan-project-id',
    'x-origan-request-id',
  ]);
  expect(seen.env).toMatchObject(variables);
});

test("the environment is the metadata's variables and the three of the platform, nothing of the runner's", async () => {
  const variables = { GREETING: 'hello', 'odd-name': 'x', ORIGAN_PROJECT_ID: 'forged', EMPTY: '' };
  const { headers, key } = await deploy(runner, ECHO, { deploymentId: 'env', variables });
  const seen = (await (await fetch(runner.url, { headers })).json()) as Echo;
  const expected = {
    GREETING: 'hello',
    'odd-name': 'x',
    EMPTY: '',
    ORIGAN_FUNCTION_PATH: key,
    ORIGAN_DEPLOYMENT_ID: 'env',
    ORIGAN_PROJECT_ID: 'proj1',
  };
  expect(seen.env).toEqual(expected);
  expect(seen.process).toEqual(expected);
});

test('a function whose path is not ASCII runs, and is told its path', async () => {
  const { headers, key } = await deploy(runner, ECHO, {
    deploymentId: 'unicode',
    path: 'api/caf\u00e9 \u65e5\u672c.js',
  });
  const reply = await send(runner.port, { method: 'GET', path: '/', headers });
  expect(reply.status).toBe(200);
  expect((JSON.parse(reply.body.toString()) as Echo).env['ORIGAN_FUNCTION_PATH']).toBe(key);
});

test('functions of one deployment have isolates of their own', async () => {
  const code = 'let calls = 0; export default { fetch: () => new Response(String(++calls)) };';
  const a = await deploy(runner, code, { deploymentId: 'two', path: 'a.js' });
  const b = await deploy(runner, code, { deploymentId: 'two', path: 'b.js' });
  const ask = async (headers: Record<string, string>): Promise<string> =>
    (await fetch(runner.url, { headers })).text();
  expect([await ask(a.headers), await ask(a.headers), await ask(b.headers), await ask(a.headers)]).toEqual([
    '1',
    '2',
    '1',
    '3',
  ]);
});

test('answers pass as they are: status, several cookies, redirects, encodings, empty bodies', async () => {
  const code = `export default { fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === '/redirect') return new Response(null, { status: 308, headers: { location: '/there?x' } });
    if (pathname === '/empty') return new Response(null, { status: 204 });
    if (pathname === '/not-modified') return new Response(null, { status: 304, headers: { etag: '"x"' } });
    if (pathname === '/gzip') {
      const body = new Response('zipped').body.pipeThrough(new CompressionStream('gzip'));
      return new Response(body, { encodeBody: 'manual', headers: { 'content-encoding': 'gzip' } });
    }
    const headers = new Headers([['set-cookie', 'a=1'], ['set-cookie', 'b=2; Path=/'], ['x-a', 'b']]);
    return new Response('teapot', { status: 418, headers });
  } };`;
  const { headers } = await deploy(runner, code, { deploymentId: 'answers' });
  const get = async (path: string, method = 'GET'): ReturnType<typeof send> =>
    send(runner.port, { method, path, headers });
  const plain = await get('/');
  expect([plain.status, plain.body.toString()]).toEqual([418, 'teapot']);
  expect(plain.headers['set-cookie']).toEqual(['a=1', 'b=2; Path=/']);
  const redirect = await get('/redirect');
  expect([redirect.status, redirect.headers.location]).toEqual([308, '/there?x']);
  expect((await get('/empty')).status).toBe(204);
  const notModified = await get('/not-modified');
  expect([notModified.status, notModified.headers.etag]).toEqual([304, '"x"']);
  const zipped = await get('/gzip');
  expect(zipped.headers['content-encoding']).toBe('gzip');
  expect(gunzipSync(zipped.body).toString()).toBe('zipped');
  const head = await get('/', 'HEAD');
  expect([head.status, head.body.length]).toEqual([418, 0]);
});

test.each([
  ['throws', 'export default { fetch() { throw new Error("secret detail"); } };'],
  ['rejects', 'export default { async fetch() { await null; throw "secret detail"; } };'],
  ['does not compile', 'export default {'],
  ['throws at its top level', 'throw new Error("secret detail");'],
  ['exports no handler', 'export const nothing = 1;'],
  ['answers no response', 'export default { fetch: () => "text" };'],
  ['imports what is not there', 'import "./missing.js"; export default { fetch: () => new Response() };'],
])('a function that %s is a 500 with the text of the contract and no detail', async (name, code) => {
  const { headers } = await deploy(runner, code, { deploymentId: `bad-${name.length}` });
  for (let round = 0; round < 2; round += 1) {
    const reply = await fetch(runner.url, { headers });
    expect([reply.status, await reply.text()]).toEqual([500, 'Failed to run worker']);
    expect(reply.headers.get('x-origan-runner-error')).toBe('failed');
  }
});

test('a missing function, missing metadata and malformed metadata are the same 500, and heal', async () => {
  const ask = async (headers: Record<string, string>): Promise<string> =>
    (await fetch(runner.url, { headers })).text();
  const { headers } = await deploy(runner, ECHO, { deploymentId: 'gone' });
  const missing = { ...headers, 'x-origan-function-path': 'deployments/gone/missing.js' };
  expect(await ask(missing)).toBe('Failed to run worker');
  await deploy(runner, ECHO, { deploymentId: 'bare' });
  await runner.store.delete(['deployments/bare/metadata.json']);
  const bare = {
    ...headers,
    'x-origan-deployment-id': 'bare',
    'x-origan-function-path': 'deployments/bare/api/index.js',
  };
  expect(await ask(bare)).toBe('Failed to run worker');
  await runner.store.put('deployments/bare/metadata.json', Buffer.from('{'));
  expect(await ask(bare)).toBe('Failed to run worker');
  await deploy(runner, ECHO, { deploymentId: 'bare' });
  expect((await fetch(runner.url, { headers: bare })).status).toBe(200);
});

test('a function cannot speak in the name of the runner', async () => {
  const code = `export default { fetch: () => new Response("mine", { status: 503, headers: { "x-origan-runner-error": "overloaded" } }) };`;
  const { headers } = await deploy(runner, code, { deploymentId: 'forger' });
  const reply = await fetch(runner.url, { headers });
  expect([reply.status, await reply.text()]).toEqual([503, 'mine']);
  expect(reply.headers.get('x-origan-runner-error')).toBeNull();
});

test('health and metrics answer only what is no call; internal paths answer nobody', async () => {
  const { headers } = await deploy(runner, ECHO, { deploymentId: 'paths' });
  expect(await (await fetch(`${runner.url}/health`)).text()).toBe('ok');
  expect(await (await fetch(`${runner.url}/metrics`)).text()).toContain('function_calls_total');
  const asFunction = (await (await fetch(`${runner.url}/health`, { headers })).json()) as Echo;
  expect(asFunction.url).toBe(`${runner.url}/health`);
  for (const extra of [{}, headers]) {
    const reply = await fetch(`${runner.url}/__origan/log`, { method: 'POST', headers: extra, body: '{}' });
    expect(reply.status).toBe(404);
  }
});

test('an Upgrade header without an upgrade is ignored', async () => {
  const { headers } = await deploy(runner, ECHO, { deploymentId: 'upgrade-header' });
  const reply = await sendRaw(
    runner.port,
    `GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: close\r\n${lines(headers)}\r\n`,
  );
  expect(reply).toMatch(/^HTTP\/1\.1 200 /);
});

function lines(headers: Record<string, string>): string {
  return Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
}

async function sendRaw(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write(bytes, 'latin1');
  return text(socket);
}
