import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { cleanUpAfterEach, readUntil, request, setUp } from '../../support/play-runner.ts';
import { openRaw } from '../../support/raw-http.ts';
import { readRequestHead, whenClosed } from '../../support/socket-server.ts';

cleanUpAfterEach();

const LEAVES: [name: string, leave: (socket: Socket) => void][] = [
  ['ends', (socket) => socket.end()],
  ['resets', (socket) => socket.resetAndDestroy()],
];

test.each(LEAVES)('a client that %s while it waits aborts the call', async (_name, leave) => {
  let heads = 0;
  const { edge, runner } = await setUp(async (socket) => {
    await readRequestHead(socket);
    heads += 1;
    leave(client.socket);
    socket.resume();
  });
  const client = await openRaw(edge.port);
  client.send(request('GET /waits HTTP/1.1'));
  const record = await edge.recordOfPath('/waits');
  expect(record).toMatchObject({ status: 499, isAborted: true, error: undefined });
  expect(heads).toBe(1);
  await whenClosed(runner.connections[0]);
});

test.each(LEAVES)('a client that %s within the answer aborts the call', async (_name, leave) => {
  const { edge, runner } = await setUp(async (socket) => {
    await readRequestHead(socket);
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n');
    socket.resume();
  });
  const client = await openRaw(edge.port);
  client.send(request('GET /leaves HTTP/1.1'));
  await client.received('half');
  leave(client.socket);
  await whenClosed(runner.connections[0]);
  expect(await edge.recordOfPath('/leaves')).toMatchObject({
    status: 200,
    isAborted: true,
    error: undefined,
  });
});

test.each(LEAVES)('a client that %s within its upload aborts the call', async (_name, leave) => {
  const { edge, runner } = await setUp(async (socket) => {
    await readUntil(socket, 'half');
    leave(client.socket);
    socket.resume();
  });
  const client = await openRaw(edge.port);
  client.send(request('POST /uploads HTTP/1.1', ['Content-Length: 10'], 'half'));
  await edge.recordOfPath('/uploads');
  await whenClosed(runner.connections[0]);
});
