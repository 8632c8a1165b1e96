import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { afterEach, expect, test } from 'vitest';
import { EdgeError } from '../../core/errors.ts';
import { answerWith, startSocketServer, whenClosed, type SocketServer } from '../support/socket-server.ts';
import { startDeafServer } from '../support/deaf-server.ts';
import { freePort } from '../support/free-port.ts';
import { closeClients, codeOf, IMPATIENT, makeCall, makeClient, readBody } from './make-call.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await closeClients();
  await Promise.all(cleanups.splice(0).map((cleanup) => cleanup()));
});

async function serve(onConnection: (socket: Socket, index: number) => void): Promise<SocketServer> {
  const server = await startSocketServer(onConnection);
  cleanups.push(server.close);
  return server;
}

const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n';

test('nothing listens: unreachable', async () => {
  const url = `http://127.0.0.1:${await freePort()}`;
  expect(await codeOf(makeClient(url).call(makeCall()))).toBe('RUNNER_UNREACHABLE');
});

test('a host that never completes the connection: unreachable, within the connect limit', async () => {
  const deaf = await startDeafServer();
  cleanups.push(deaf.close);
  expect(await codeOf(makeClient(deaf.url, IMPATIENT).call(makeCall()))).toBe('RUNNER_UNREACHABLE');
});

test('no headers within the limit: timeout, and the connection is closed', async () => {
  const server = await serve((socket) => socket.resume());
  expect(await codeOf(makeClient(server.url, IMPATIENT).call(makeCall()))).toBe('RUNNER_TIMEOUT');
  expect(server.connections).toHaveLength(1);
  await whenClosed(server.connections[0]);
});

test('headers that trickle in without an end: timeout', async () => {
  const server = await serve((socket) => {
    socket.write('HTTP/1.1 200 OK\r\nX-A: 1\r\n');
    const timer = setInterval(() => socket.write('X-B: 1\r\n'), 20);
    socket.once('close', () => clearInterval(timer));
    socket.resume();
  });
  expect(await codeOf(makeClient(server.url, IMPATIENT).call(makeCall()))).toBe('RUNNER_TIMEOUT');
});

test('silence within the body: the body fails with a timeout', async () => {
  const server = await serve(answerWith(CHUNKED));
  const idle = { RUNNER_IDLE_TIMEOUT_MS: '300' };
  const reply = await makeClient(server.url, idle).call(makeCall());
  expect(reply.status).toBe(200);
  expect(await codeOf(readBody(reply))).toBe('RUNNER_TIMEOUT');
});

test('a stream that keeps talking outlives the idle limit', async () => {
  const server = await serve((socket) => {
    let left = 12;
    socket.once('data', () => {
      socket.write(CHUNKED);
      const timer = setInterval(() => {
        left -= 1;
        if (left > 0) socket.write('1\r\n.\r\n');
        else {
          clearInterval(timer);
          socket.write('0\r\n\r\n');
        }
      }, 250);
    });
  });
  const client = makeClient(server.url, { RUNNER_IDLE_TIMEOUT_MS: '2000' });
  const reply = await client.call(makeCall());
  expect(await readBody(reply)).toBe(`hello${'.'.repeat(11)}`);
});

test.each<[string, (socket: Socket) => void]>([
  ['a reset', (socket) => socket.resetAndDestroy()],
  ['an early end of a chunked body', (socket) => socket.end()],
  ['garbage instead of a chunk', (socket) => socket.write('zzz\r\nhello\r\n')],
])('%s within the body: the body fails as broken off, not as complete', async (_name, breakOff) => {
  const server = await serve((socket) => {
    socket.once('data', () => socket.write(CHUNKED));
  });
  const reply = await makeClient(server.url).call(makeCall());
  const chunks = reply.body[Symbol.asyncIterator]();
  expect(String((await chunks.next()).value)).toBe('hello');
  const [socket] = server.connections;
  if (socket !== undefined) breakOff(socket);
  expect(await codeOf(chunks.next())).toBe('RUNNER_BROKE_OFF');
});

test('a body shorter than its Content-Length fails as broken off', async () => {
  const server = await serve((socket) => {
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello'));
  });
  const reply = await makeClient(server.url).call(makeCall());
  expect(await codeOf(readBody(reply))).toBe('RUNNER_BROKE_OFF');
});

test('a body that fails before anybody reads it does not end the process', async () => {
  const server = await serve((socket) => {
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello'));
  });
  const reply = await makeClient(server.url).call(makeCall());
  await new Promise((resolve) => reply.body.once('close', resolve));
  expect(reply.body.errored).toBeInstanceOf(EdgeError);
});

test.each([
  ['garbage', '\u0000\u0001\u0002 not http at all\r\n\r\n'],
  ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n'],
  ['two different lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na'],
  [
    'length and chunks',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ],
  ['headers past the limit', `HTTP/1.1 200 OK\r\nX-Big: ${'a'.repeat(70_000)}\r\n\r\n`],
  [
    'a switch of protocols nobody asked for',
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n',
  ],
])('%s instead of an answer: broken off', async (_name, bytes) => {
  const server = await serve(answerWith(bytes));
  expect(await codeOf(makeClient(server.url).call(makeCall({ method: 'POST' })))).toBe('RUNNER_BROKE_OFF');
});

test('a second answer that nobody asked for does not reach the next call', async () => {
  const one = 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n';
  const server = await serve((socket, index) => {
    socket.on('data', () => socket.write(index === 0 ? `${one}one${one}bad` : `${one}two`));
  });
  const client = makeClient(server.url);
  expect(await readBody(await client.call(makeCall()))).toBe('one');
  expect(await readBody(await client.call(makeCall()))).toBe('two');
});

test('headers up to the limit arrive', async () => {
  const big = 'a'.repeat(60_000);
  const server = await serve(answerWith(`HTTP/1.1 200 OK\r\nX-Big: ${big}\r\nContent-Length: 0\r\n\r\n`));
  const reply = await makeClient(server.url).call(makeCall());
  expect(reply.headers[0]).toEqual(['X-Big', big]);
});

test('a request body that breaks off ends the call and says so', async () => {
  const server = await serve((socket) => socket.resume());
  const body = new Readable({ read() {} });
  body.push('part');
  const call = makeClient(server.url).call(makeCall({ method: 'POST', body }));
  while (server.connections.length === 0) await new Promise(setImmediate);
  body.destroy(new Error('client left'));
  expect(await codeOf(call)).toBe('BAD_REQUEST');
  await whenClosed(server.connections[0]);
});

test('an error of the edge within the request body is passed on as it is', async () => {
  const server = await serve((socket) => socket.resume());
  const body = Readable.from(
    (async function* () {
      yield Buffer.from('part');
      throw new EdgeError('BODY_TOO_LARGE');
    })(),
  );
  expect(await codeOf(makeClient(server.url).call(makeCall({ method: 'POST', body })))).toBe(
    'BODY_TOO_LARGE',
  );
});

test('a body of another length than declared is the fault of the request, and closes no breaker', async () => {
  const server = await serve((socket) => socket.resume());
  const client = makeClient(server.url);
  for (let round = 0; round < 8; round += 1) {
    const headers: [string, string][] = [['Content-Length', '3']];
    const body = Readable.from([Buffer.from('four')]);
    expect(await codeOf(client.call(makeCall({ method: 'POST', headers, body })))).toBe('BAD_REQUEST');
  }
});

test('a target that cannot be sent is refused, whatever is in it', async () => {
  const server = await serve(answerWith('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'));
  const client = makeClient(server.url);
  for (const target of ['/a b', '/a\r\nX-Evil: 1', '*', '', '/\u0000']) {
    expect(await codeOf(client.call(makeCall({ target })))).toBe('BAD_REQUEST');
  }
  expect(await codeOf(client.call(makeCall({ headers: [['X-A', 'b\r\nX-Evil: 1']] })))).toBe('BAD_REQUEST');
  expect(server.connections.every((socket) => socket.bytesRead === 0)).toBe(true);
});
