import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Readable } from 'node:stream';
import { afterEach, expect, test } from 'vitest';
import type { Exchange } from '../../../gateway/exchange.ts';
import { uploadOf } from '../../../gateway/functions/upload.ts';
import { cleanUpAfterEach, request, setUp } from '../../support/play-runner.ts';
import { openRaw, type RawClient } from '../../support/raw-http.ts';
import { readRequestHead, whenClosed } from '../../support/socket-server.ts';
import { waitUntil } from '../../support/wait-until.ts';

cleanUpAfterEach();

const MIB = 1024 * 1024;
const HUGE = ['Content-Length: 100000000'];
/** As often as the gateway looks; a machine that stands still stops both clocks. */
const TICK_MS = 50;

/** Sends as much as is taken, until nothing has moved for a while. */
async function flood({ socket }: RawClient): Promise<void> {
  let taken = -1;
  while (taken !== socket.bytesWritten - socket.writableLength) {
    taken = socket.bytesWritten - socket.writableLength;
    while (socket.writableLength < MIB) socket.write(Buffer.alloc(64 * 1024));
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

test('a client that resets within an upload that its function does not read is noticed at once', async () => {
  const { edge, runner } = await setUp(async (socket) => {
    await readRequestHead(socket);
    socket.pause();
  });
  const client = await openRaw(edge.port);
  client.send(request('POST /stuck HTTP/1.1', HUGE));
  await flood(client);
  let ticks = 0;
  const clock = setInterval(() => (ticks += 1), TICK_MS);
  client.socket.resetAndDestroy();
  expect(await edge.recordOfPath('/stuck')).toMatchObject({ status: 499, isAborted: true, error: undefined });
  clearInterval(clock);
  expect(ticks).toBeLessThanOrEqual(2);
  runner.connections[0]?.resume();
  await whenClosed(runner.connections[0]);
});

const servers: (() => void)[] = [];
afterEach(() => {
  for (const close of servers.splice(0)) close();
});

/** A server whose uploads are asked for and then not read. */
async function listen(): Promise<{ port: number; uploads: Readable[]; incomings: IncomingMessage[] }> {
  const uploads: Readable[] = [];
  const incomings: IncomingMessage[] = [];
  const server = createServer((incoming, outgoing) => {
    const upload = uploadOf({ incoming, outgoing } as Exchange, 1e9);
    upload?.read(0);
    if (upload !== null) uploads.push(upload);
    incomings.push(incoming);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  servers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, uploads, incomings };
}

test('one that ends in order is noticed when little of what it sent is unread', async () => {
  const { port, uploads } = await listen();
  const client = await openRaw(port);
  client.send(request('POST / HTTP/1.1', HUGE));
  client.socket.end(Buffer.alloc(MIB - 100_000));
  await waitUntil(() => uploads[0]?.destroyed === true);
});

test('what is read and not asked for is bounded, for one upload and for all', async () => {
  const { port, uploads, incomings } = await listen();
  const clients: RawClient[] = [];
  const read = (): number => incomings.reduce((sum, { socket }) => sum + socket.bytesRead, 0);
  for (let count = 0; count < 48; count += 1) {
    const client = await openRaw(port);
    client.send(request('POST / HTTP/1.1', HUGE));
    clients.push(client);
    for (let sent = 0; sent < 3 * MIB; sent += MIB) client.send(Buffer.alloc(MIB));
    if (count === 0) await waitUntil(() => read() > MIB);
  }
  await waitUntil(() => read() > 32 * MIB);
  await new Promise((resolve) => setTimeout(resolve, 200));
  // Beside the bound, each connection has the buffers of its streams.
  expect(read()).toBeLessThan((32 + 48 / 2) * MIB);
  expect(Math.max(...incomings.map(({ socket }) => socket.bytesRead))).toBeLessThan(2 * MIB);
  for (const client of clients) client.close();
  for (const upload of uploads) upload.destroy();
  // What was held is given back.
  const again = await openRaw(port);
  again.send(request('POST / HTTP/1.1', HUGE));
  again.socket.end(Buffer.alloc(MIB - 100_000));
  await waitUntil(() => uploads.at(-1)?.destroyed === true);
});
