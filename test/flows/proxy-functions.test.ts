import { createHash } from 'node:crypto';
import { Agent, request, WebSocket } from 'undici';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort } from '../support/free-port.ts';
import { HOST, startGatewayProcess, type GatewayProcess } from '../support/gateway-process.ts';
import { startNode, type StartedProcess } from '../support/process.ts';
import { openRaw } from '../support/raw-http.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';
import { waitUntil } from '../support/wait-until.ts';

// A real gateway in front of the real runner: what the other tests say of a runner played by hand, once for real.

const FUNCTION = `
let left = 0;
let wanted = 1;
const routes = {
  async '/json'(request, url) {
    return Response.json({
      method: request.method, url: request.url, greeting: process.env.GREETING,
      headers: [...request.headers].filter(([name]) => /^(host|x-|forwarded|via)/.test(name)),
      form: request.method === 'POST' ? [...await request.formData()] : undefined,
    });
  },
  '/cookies': () => new Response(null, { headers: [['Set-Cookie', 'a=1; Path=/'], ['Set-Cookie', 'b=2']] }),
  '/redirect': () => new Response(null, { status: 302, headers: { Location: '/json' } }),
  '/teapot': () => new Response('short and stout', { status: 418 }),
  '/throws': () => { throw new Error('secret detail'); },
  '/echo': (request) => new Response(request.body),
  '/left': () => new Response(String(left)),
  '/next': () => new Response(String(wanted += 1)),
  '/events': () => {
    let count = wanted - 1, timer;
    const stream = new ReadableStream({
      start(controller) {
        timer = setInterval(() => {
          if (count === wanted) return;
          count += 1;
          controller.enqueue(new TextEncoder().encode('data: ' + JSON.stringify({ count }) + '\\n\\n'));
        }, 10);
      },
      cancel() { clearInterval(timer); left += 1; },
    });
    return new Response(stream, { headers: { 'Content-Type': 'text/event-stream' } });
  },
  '/chat': () => {
    const [client, server] = Object.values(new WebSocketPair());
    server.accept();
    server.addEventListener('message', ({ data }) => {
      server.send(typeof data === 'string' ? 'heard ' + data : data);
    });
    server.addEventListener('close', () => server.close());
    return new Response(null, { status: 101, webSocket: client, headers: { 'Sec-WebSocket-Protocol': 'chat' } });
  },
};
export default {
  fetch(request) {
    const url = new URL(request.url);
    return routes[url.pathname]?.(request, url) ?? new Response('no such route ' + url.pathname, { status: 404 });
  },
};`;

let gateway: GatewayProcess;
let runner: StartedProcess;
let temp: TempDir;
// Resolves the host of the test to this machine.
const agent = new Agent({
  connect: { lookup: (_host, _options, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]) },
});

beforeAll(async () => {
  temp = await makeTempDir('proxy-functions');
  const port = await freePort();
  const bucket = `${temp.path}/bucket`;
  const runnerUrl = `http://127.0.0.1:${port}`;
  gateway = await startGatewayProcess({ runnerUrl, bucket, functions: { '/*': FUNCTION } });
  runner = startNode('runner/main.ts', {
    env: {
      RUNNER_HOST: '127.0.0.1',
      RUNNER_PORT: String(port),
      BUCKET_URL: bucket,
      WORKERS_PATH: `${temp.path}/workers`,
    },
  });
  await runner.waitFor(/takes calls/);
});

afterAll(async () => {
  await agent.close();
  await gateway.close();
  await runner.stop();
  await temp.remove();
});

type Options = { method?: 'POST' | 'PUT'; headers?: Record<string, string>; body?: string | Buffer };
const ask = (path: string, options: Options = {}): ReturnType<typeof request> =>
  request(`http://${HOST}:${gateway.port}${path}`, { ...options, dispatcher: agent });

test('method, URL, query, environment and forwarding headers reach the function', async () => {
  const headers = { 'X-Forwarded-For': '6.6.6.6', 'X-Origan-Project-Id': 'evil', 'X-Own': '1' };
  const reply = (await (await ask('/json?a=1&a=2&b=%20', { headers })).body.json()) as {
    url: string;
    headers: [string, string][];
  };
  const host = `${HOST}:${gateway.port}`;
  expect(reply).toMatchObject({ method: 'GET', url: `http://${host}/json?a=1&a=2&b=%20`, greeting: 'hello' });
  const seen = new Map(reply.headers);
  expect(seen.get('host')).toBe(host);
  expect(seen.get('x-forwarded-for')).toBe('127.0.0.1');
  expect(seen.get('x-forwarded-host')).toBe(host);
  expect(seen.get('x-forwarded-proto')).toBe('http');
  expect(seen.get('x-own')).toBe('1');
  expect(seen.get('x-origan-project-id')).toBe('project-2');
});

test('a form is posted', async () => {
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
  const { body } = await ask('/json', { method: 'POST', headers, body: 'name=Ada&name=B%26C' });
  expect(await body.json()).toMatchObject({
    method: 'POST',
    form: [
      ['name', 'Ada'],
      ['name', 'B&C'],
    ],
  });
});

test('cookies, redirects and statuses of the function arrive as they are; its failures tell nothing', async () => {
  expect((await ask('/cookies')).headers['set-cookie']).toEqual(['a=1; Path=/', 'b=2']);
  const redirect = await ask('/redirect');
  expect([redirect.statusCode, redirect.headers.location]).toEqual([302, '/json']);
  const teapot = await ask('/teapot');
  expect([teapot.statusCode, await teapot.body.text()]).toEqual([418, 'short and stout']);
  const failed = await ask('/throws');
  expect([failed.statusCode, await failed.body.text()]).toEqual([500, 'Failed to run worker']);
  const health = await ask('/health');
  expect([health.statusCode, await health.body.text()]).toEqual([404, 'no such route /health']);
});

test('16 MiB go through the function and come back', async () => {
  const sent = Buffer.alloc(16 * 1024 * 1024, 'the quick brown fox ');
  const { body } = await ask('/echo', { method: 'PUT', body: sent });
  const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
  expect(digest(Buffer.from(await body.arrayBuffer()))).toBe(digest(sent));
});

test('events arrive one by one, and a client that leaves ends the stream in the function', async () => {
  const client = await openRaw(gateway.port);
  const say = async (path: string): Promise<number> => Number(await (await ask(path)).body.text());
  const leftBefore = await say('/left');
  client.send(`GET /events HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`);
  await client.received('"count":');
  // Each is here before the next may be written: nothing holds them back.
  for (let turn = 0; turn < 3; turn += 1) await client.received(`"count":${await say('/next')}}`);
  client.close();
  await waitUntil(async () => (await say('/left')) > leftBefore);
});

test('a WebSocket reaches the function, text and bytes, and its end is recorded', async () => {
  const socket = new WebSocket(`ws://${HOST}:${gateway.port}/chat`, {
    protocols: ['chat'],
    dispatcher: agent,
  });
  socket.binaryType = 'arraybuffer';
  const heard: unknown[] = [];
  socket.addEventListener('message', ({ data }) => heard.push(data));
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve);
    socket.addEventListener('error', reject);
  });
  expect(socket.protocol).toBe('chat');
  socket.send('one');
  socket.send(Buffer.from([0, 255, 10]));
  await waitUntil(() => heard.length === 2);
  expect(heard[0]).toBe('heard one');
  expect([...new Uint8Array(heard[1] as ArrayBuffer)]).toEqual([0, 255, 10]);
  const closed = new Promise((resolve) => socket.addEventListener('close', resolve));
  socket.close(1000);
  await closed;
  await waitUntil(() =>
    gateway
      .records()
      .some(({ path, status, route }) => path === '/chat' && status === 101 && route === 'upgrade'),
  );
});
