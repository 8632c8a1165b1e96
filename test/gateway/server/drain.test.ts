import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { silentLogger } from '../../../core/log.ts';
import { Connections } from '../../../gateway/server/connections.ts';
import { drain } from '../../../gateway/server/drain.ts';
import { cleanUpAfterEach, request, setUp } from '../../support/play-runner.ts';
import { openRaw } from '../../support/raw-http.ts';
import { readRequestHead, whenClosed } from '../../support/socket-server.ts';

cleanUpAfterEach();

const LONG = { drainTimeoutMs: 600_000 };

/** Answers only when told to. */
function heldRunner(): {
  play: (socket: Socket) => Promise<void>;
  heads: () => number;
  release: (bytes: string) => void;
} {
  const sockets: Socket[] = [];
  return {
    play: async (socket) => {
      if ((await readRequestHead(socket)) !== '') sockets.push(socket);
    },
    heads: () => sockets.length,
    release: (bytes) => sockets.forEach((socket) => socket.write(bytes)),
  };
}

test('idle connections are closed at once, used ones and never used ones, whether or not their client closes its side', async () => {
  const { edge } = await setUp(() => {}, { ...LONG, files: { '/a.txt': 'a' } });
  const used = await openRaw(edge.port);
  used.send(request('GET /a.txt HTTP/1.1'));
  await used.response();
  const unused = await openRaw(edge.port);
  const stubborn = await openRaw(edge.port, { staysOpen: true });
  await edge.close();
  for (const client of [used, unused, stubborn]) expect((await client.ended()).toString()).toBe('');
});

test('what runs finishes, its connection says close, and only then the server is closed', async () => {
  const runner = heldRunner();
  const { edge } = await setUp(runner.play, LONG);
  const waiting = await openRaw(edge.port);
  waiting.send(request('GET /waiting HTTP/1.1'));
  const streaming = await openRaw(edge.port);
  streaming.send(request('GET /streaming HTTP/1.1'));
  await expect.poll(() => runner.heads()).toBe(2);
  const closing = edge.close();
  await expect(openRaw(edge.port)).rejects.toThrow();
  runner.release('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n');
  await waiting.received('half');
  await streaming.received('half');
  expect(await Promise.race([closing, Promise.resolve('still open')])).toBe('still open');
  runner.release('0\r\n\r\n');
  for (const client of [waiting, streaming]) {
    const answer = await client.response();
    expect([answer.status, answer.isComplete, answer.header('connection')]).toEqual([200, true, 'close']);
    await client.ended();
  }
  await closing;
});

test('an answer whose head had promised to keep the connection is the last one all the same', async () => {
  const runner = heldRunner();
  const { edge } = await setUp(runner.play, LONG);
  const client = await openRaw(edge.port);
  client.send(request('GET /streaming HTTP/1.1'));
  await expect.poll(() => runner.heads()).toBe(1);
  runner.release('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n');
  await client.received('half');
  const closing = edge.close();
  runner.release('0\r\n\r\n');
  expect((await client.response()).header('connection')).toBe('keep-alive');
  await client.ended();
  await closing;
});

test('a request whose head was under way is still answered, with Connection: close', async () => {
  const { edge } = await setUp(() => {}, { ...LONG, files: { '/a.txt': 'a' } });
  const client = await openRaw(edge.port);
  client.send(request('GET /a.txt HTTP/1.1'));
  await client.response();
  client.send('GET /a.txt HTTP/1.1\r\nHost: ');
  // Seen by the server once an answer to something sent later has come back.
  const other = await openRaw(edge.port);
  other.send(request('GET /a.txt HTTP/1.1'));
  await other.response();
  const closing = edge.close();
  await other.ended();
  client.send('site.test\r\n\r\n');
  const answer = await client.response();
  expect([answer.status, answer.text, answer.header('connection')]).toEqual([200, 'a', 'close']);
  await client.ended();
  await closing;
});

test('a head that stays half is given up after its time', async () => {
  const { edge } = await setUp(() => {}, { ...LONG, limits: { headersTimeoutMs: 300 } });
  const client = await openRaw(edge.port);
  client.send('GET / HTTP/1.1\r\n');
  const other = await openRaw(edge.port);
  other.send('GET / HTTP/1.1\r\nHost: unknown.test\r\n\r\n');
  await other.response();
  await edge.close();
  await client.ended();
});

test('what still runs after the drain time is cut, and counted as broken off', async () => {
  const runner = heldRunner();
  const { edge, runner: server } = await setUp(runner.play, { drainTimeoutMs: 100 });
  const client = await openRaw(edge.port);
  client.send(request('GET /endless HTTP/1.1'));
  await expect.poll(() => runner.heads()).toBe(1);
  runner.release('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n');
  await client.received('half');
  await edge.close();
  expect((await client.response()).isComplete).toBe(false);
  await whenClosed(server.connections[0]);
  expect(await edge.recordOfPath('/endless')).toMatchObject({ isAborted: true });
});

test('a tunnel that does not end is cut after the drain time', async () => {
  const { edge } = await setUp(
    async (socket) => {
      await readRequestHead(socket);
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    },
    { drainTimeoutMs: 100 },
  );
  const client = await openRaw(edge.port);
  client.send(request('GET / HTTP/1.1', ['Connection: Upgrade', 'Upgrade: websocket']));
  expect((await client.response()).status).toBe(101);
  await edge.close();
  await client.ended();
});

test('no new connections are taken by the time that idle ones hear of it: who comes back at once is refused, not cut', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const closeIdle = server.closeIdleConnections.bind(server);
  const wasListening: boolean[] = [];
  server.closeIdleConnections = () => {
    wasListening.push(server.listening);
    closeIdle();
  };
  const connections = new Connections({ maxPerClient: 1, isShared: () => false, refuse: () => undefined });
  await drain(server, connections, { drainTimeoutMs: 1000, headersTimeoutMs: 1000, log: silentLogger() });
  expect(wasListening).toEqual([false]);
});

test('closing twice is closing once', async () => {
  const { edge } = await setUp(() => {});
  await Promise.all([edge.close(), edge.close()]);
});
