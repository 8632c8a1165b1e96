import { once } from 'node:events';
import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { buffer } from 'node:stream/consumers';
import { createHash } from 'node:crypto';
import { WebSocket } from 'undici';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sendRequest } from '../support/send-request.ts';
import { waitUntil } from '../support/wait-until.ts';
import { closeRunners, deploy, startTestRunner, type TestRunner } from './start-test-runner.ts';

let runner: TestRunner;
beforeAll(async () => {
  runner = await startTestRunner();
});
afterAll(closeRunners);

const outputs = (): string[] => runner.logs().map(({ output }) => String(output));

function open(headers: Record<string, string>, method = 'GET', path = '/'): ClientRequest {
  return request({ host: '127.0.0.1', port: runner.port, method, path, headers, agent: false });
}

async function replyOf(sent: ClientRequest): Promise<IncomingMessage> {
  const [reply] = (await once(sent, 'response')) as [IncomingMessage];
  return reply;
}

test('events arrive one by one, as the function writes them', async () => {
  // Each event is asked for, by a byte of the request body, only after the one before has arrived.
  const code = `export default { fetch(request) {
    const events = new TransformStream({ transform(chunk, controller) {
      controller.enqueue(new TextEncoder().encode('data: ' + new TextDecoder().decode(chunk) + '\\n\\n'));
    } });
    return new Response(request.body.pipeThrough(events), { headers: { 'content-type': 'text/event-stream' } });
  } };`;
  const { headers } = await deploy(runner, code, { deploymentId: 'sse' });
  const sent = open(headers, 'POST');
  sent.write('one');
  const reply = await replyOf(sent);
  expect(reply.headers['content-type']).toBe('text/event-stream');
  const events = reply[Symbol.asyncIterator]();
  expect(String((await events.next()).value)).toBe('data: one\n\n');
  for (const name of ['two', 'three']) {
    sent.write(name);
    expect(String((await events.next()).value)).toBe(`data: ${name}\n\n`);
  }
  sent.destroy();
});

test('headers arrive before the first byte of the body', async () => {
  const code = `export default { fetch() {
    const { readable } = new TransformStream();
    return new Response(readable, { headers: { 'content-type': 'text/event-stream' } });
  } };`;
  const { headers } = await deploy(runner, code, { deploymentId: 'quiet' });
  const sent = open(headers);
  sent.end();
  const reply = await replyOf(sent);
  expect(reply.headers['content-type']).toBe('text/event-stream');
  sent.destroy();
});

test('both directions stream at once', async () => {
  const code = 'export default { fetch: (request) => new Response(request.body) };';
  const { headers } = await deploy(runner, code, { deploymentId: 'echo-stream' });
  const sent = open(headers, 'POST');
  sent.write('one');
  const reply = await replyOf(sent);
  const chunks = reply[Symbol.asyncIterator]();
  expect(String((await chunks.next()).value)).toBe('one');
  sent.write('two');
  expect(String((await chunks.next()).value)).toBe('two');
  sent.end();
  expect((await chunks.next()).done).toBe(true);
});

test('many megabytes of binary pass there and back unchanged, with flat memory in the supervisor', async () => {
  const code = 'export default { fetch: (request) => new Response(request.body) };';
  const { headers } = await deploy(runner, code, { deploymentId: 'echo-large' });
  const block = Buffer.from(Array.from({ length: 64 * 1024 }, (_, index) => (index * 7) & 0xff));
  const sendBlocks = async (count: number): Promise<number> => {
    const sent = open(headers, 'POST');
    const sending = pipeline(Readable.from(Array.from({ length: count }, () => block)), sent);
    const [hash, expected] = [createHash('sha256'), createHash('sha256')];
    for (let index = 0; index < count; index += 1) expected.update(block);
    let peakRss = 0;
    for await (const chunk of await replyOf(sent)) {
      hash.update(chunk as Buffer);
      peakRss = Math.max(peakRss, process.memoryUsage.rss());
    }
    await sending;
    expect(hash.digest('hex')).toBe(expected.digest('hex'));
    return peakRss;
  };
  const small = await sendBlocks(800);
  expect((await sendBlocks(4800)) - small).toBeLessThan(100 * 1024 ** 2);
});

test('bytes of a header that are no ASCII pass as the function wrote them', async () => {
  const code = `export default { fetch() {
    return new Response(new TransformStream().readable, { headers: { 'x-name': 'M\\u00fcller' } });
  } };`;
  const { headers } = await deploy(runner, code, { deploymentId: 'obs-text' });
  const socket = connect(runner.port, '127.0.0.1');
  const lines = Object.entries({ host: 'x', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`GET / HTTP/1.1\r\n${lines.join('')}\r\n`);
  let head = '';
  while (!head.includes('\r\n\r\n')) head += ((await once(socket, 'data')) as [Buffer])[0].toString('latin1');
  socket.destroy();
  // As UTF-8, which is how workerd writes text.
  expect(head).toContain(`x-name: ${Buffer.from('M\u00fcller').toString('latin1')}\r\n`);
});

test('a caller that leaves while waiting stops the function', async () => {
  const code = `export default { async fetch(request) {
    console.log('waiting');
    for (let n = 0; ; n += 1) { await new Promise((resolve) => setTimeout(resolve, 10)); if (n % 10 === 0) console.log('still there'); }
  } };`;
  const { headers } = await deploy(runner, code, { deploymentId: 'abort-wait' });
  const sent = open(headers);
  sent.on('error', () => {});
  sent.end();
  await waitUntil(() => outputs().includes('still there'));
  sent.destroy();
  await waitUntilQuiet(() => outputs().filter((output) => output === 'still there').length);
});

test('a caller that resets within an upload that the function does not read stops the function', async () => {
  const code = `export default { async fetch(request) {
    for (let n = 0; ; n += 1) { await new Promise((resolve) => setTimeout(resolve, 10)); if (n % 10 === 0) console.log('not reading'); }
  } };`;
  const { headers } = await deploy(runner, code, { deploymentId: 'abort-unread' });
  const socket = connect(runner.port, '127.0.0.1').on('error', () => {});
  const lines = Object.entries({ host: 'x', 'content-length': '50000000', ...headers });
  socket.write(`POST / HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`);
  socket.write(Buffer.alloc(50_000_000));
  await waitUntil(() => outputs().includes('not reading'));
  socket.resetAndDestroy();
  await waitUntilQuiet(() => outputs().filter((output) => output === 'not reading').length);
});

test('a caller that leaves within the body cancels the stream', async () => {
  const code = `export default { fetch() {
    let n = 0;
    const body = new ReadableStream({
      async pull(controller) { await new Promise((resolve) => setTimeout(resolve, 5)); console.log('pulled'); controller.enqueue(new TextEncoder().encode('tick')); },
      cancel() { console.log('cancelled'); },
    });
    return new Response(body);
  } };`;
  const { headers } = await deploy(runner, code, { deploymentId: 'abort-body' });
  const sent = open(headers);
  sent.end();
  const reply = await replyOf(sent);
  await once(reply, 'data');
  sent.destroy();
  await waitUntilQuiet(() => outputs().filter((output) => output === 'pulled').length);
});

/** Waits until the count has stopped growing for as long as ten of its steps take. */
async function waitUntilQuiet(count: () => number): Promise<void> {
  let last = -1;
  for (let quiet = 0; quiet < 10;) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    const now = count();
    quiet = now === last ? quiet + 1 : 0;
    last = now;
  }
}

test('a function that breaks off within the body breaks the connection, and does not end the body', async () => {
  const code = `export default { fetch() {
    let sent = false;
    return new Response(new ReadableStream({ async pull(controller) {
      if (sent) { await new Promise((resolve) => setTimeout(resolve, 20)); throw new Error('broken'); }
      sent = true;
      controller.enqueue(new TextEncoder().encode('part'));
    } }));
  } };`;
  const { headers } = await deploy(runner, code, { deploymentId: 'break' });
  const sent = open(headers);
  sent.end();
  const reply = await replyOf(sent);
  await expect(buffer(reply)).rejects.toThrow('aborted');
});

test('a WebSocket reaches the function, in both directions', async () => {
  const code = `export default { fetch(request) {
    if (request.headers.get('upgrade') !== 'websocket') return new Response('plain', { status: 426 });
    const [client, server] = Object.values(new WebSocketPair());
    server.accept();
    server.addEventListener('message', ({ data }) => server.send(typeof data === 'string' ? 'echo ' + data : data));
    server.addEventListener('close', () => server.close());
    server.send('hello');
    return new Response(null, { status: 101, webSocket: client });
  } };`;
  const { headers } = await deploy(runner, code, { deploymentId: 'socket' });
  const socket = new WebSocket(`ws://127.0.0.1:${runner.port}/chat`, { headers });
  const messages: string[] = [];
  socket.addEventListener('message', ({ data }) => messages.push(String(data)));
  socket.addEventListener('open', () => socket.send('one'));
  await waitUntil(() => messages.length === 2);
  expect(messages).toEqual(['hello', 'echo one']);
  const closed = new Promise((resolve) => socket.addEventListener('close', resolve));
  socket.close(1000, 'bye');
  await closed;
  const plain = await fetch(runner.url, { headers });
  expect([plain.status, await plain.text()]).toEqual([426, 'plain']);
});

test('an upgrade that the function refuses, and one that fails, are ordinary answers', async () => {
  const upgrade = {
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
  };
  const refusing = 'export default { fetch: () => new Response("no sockets here", { status: 403 }) };';
  const { headers } = await deploy(runner, refusing, { deploymentId: 'no-socket' });
  const reply = await sendRequest(runner.port, {
    method: 'GET',
    path: '/',
    headers: { ...headers, ...upgrade },
  });
  expect([reply.status, reply.body.toString()]).toEqual([403, 'no sockets here']);
  const failing = await deploy(runner, 'export default { fetch() { throw new Error("x"); } };', {
    deploymentId: 'bad-socket',
  });
  const failed = await sendRequest(runner.port, {
    method: 'GET',
    path: '/',
    headers: { ...failing.headers, ...upgrade },
  });
  expect([failed.status, failed.body.toString()]).toEqual([500, 'Failed to run worker']);
});

test('a caller that is cut off in the middle of its request body does no harm', async () => {
  const code =
    'export default { async fetch(request) { await request.text(); return new Response("whole"); } };';
  const { headers } = await deploy(runner, code, { deploymentId: 'cut' });
  const lines = Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
  const socket = connect(runner.port, '127.0.0.1');
  socket.write(`POST / HTTP/1.1\r\nHost: x\r\n${lines}Content-Length: 1000\r\n\r\npart`);
  await once(socket, 'connect');
  socket.resetAndDestroy();
  expect(await (await fetch(runner.url, { method: 'POST', headers, body: 'all of it' })).text()).toBe(
    'whole',
  );
});
