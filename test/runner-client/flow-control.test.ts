import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterEach, expect, test } from 'vitest';
import { startSocketServer } from '../support/socket-server.ts';
import { closeClients, makeCall, makeClient } from './make-call.ts';

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await closeClients();
  await Promise.all(cleanups.splice(0).map((cleanup) => cleanup()));
});

/** Resolves once `read` answers the same value for so many turns of the event loop: the flow has come to a stop. */
async function whenStill(read: () => number): Promise<number> {
  let last = read();
  for (let still = 0; still < 50;) {
    await new Promise((resolve) => setTimeout(resolve, 2));
    still = read() === last ? still + 1 : 0;
    last = read();
  }
  return last;
}

function zeros(bytes: number): Readable {
  const chunk = Buffer.alloc(64 * 1024);
  let left = bytes;
  return new Readable({
    read() {
      if (left === 0) this.push(null);
      else {
        left -= chunk.length;
        this.push(chunk);
      }
    },
  });
}

/** Counts bytes and watches how far the memory outside the heap and in it grows meanwhile. */
function measuringSink(): { sink: Writable; bytes: () => number; peakRss: () => number } {
  let bytes = 0;
  let peak = 0;
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      if (Math.floor(bytes / (16 * MIB)) !== Math.floor((bytes + chunk.length) / (16 * MIB))) {
        peak = Math.max(peak, process.memoryUsage().rss);
      }
      bytes += chunk.length;
      done();
    },
  });
  return { sink, bytes: () => bytes, peakRss: () => peak };
}

test('a reader that does not read stops the runner from sending, and loses nothing once it reads', async () => {
  let written = 0;
  const total = 256 * MIB;
  const server = await startSocketServer((socket) => {
    socket.once('data', () => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${total}\r\n\r\n`);
      const body = zeros(total);
      body.on('data', (chunk: Buffer) => {
        written += chunk.length;
      });
      body.pipe(socket);
    });
  });
  cleanups.push(server.close);
  // The silence of a reader that does not read is not the runner's: longer than the idle limit, and no time-out.
  const idleMs = 500;
  const reply = await makeClient(server.url, { RUNNER_IDLE_TIMEOUT_MS: String(idleMs) }).call(makeCall());
  expect(await whenStill(() => written)).toBeLessThan(32 * MIB);
  await new Promise((resolve) => setTimeout(resolve, 2 * idleMs));
  let read = 0;
  for await (const chunk of reply.body) read += (chunk as Buffer).length;
  expect(read).toBe(total);
});

test('a runner that does not read stops the client from sending', async () => {
  const server = await startSocketServer((socket) => socket.pause());
  cleanups.push(server.close);
  let pulled = 0;
  const body = zeros(256 * MIB).on('data', (chunk: Buffer) => {
    pulled += chunk.length;
  });
  body.pause();
  const controller = new AbortController();
  const client = makeClient(server.url, { RUNNER_FIRST_BYTE_TIMEOUT_MS: '600000' });
  const call = client.call(makeCall({ method: 'POST', body, signal: controller.signal }));
  await once(body, 'data');
  expect(await whenStill(() => pulled)).toBeLessThan(32 * MIB);
  controller.abort();
  await expect(call).rejects.toThrow('aborted');
});

test('a gibibyte there and back at once passes through with flat memory', async () => {
  const server = createServer((req, res) => {
    req.pipe(res);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(async () => {
    server.close();
    await once(server, 'close');
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = makeClient(url, { RUNNER_FIRST_BYTE_TIMEOUT_MS: '60000', RUNNER_IDLE_TIMEOUT_MS: '60000' });
  const send = async (bytes: number): Promise<{ bytes: number; peakRss: number }> => {
    const reply = await client.call(makeCall({ method: 'POST', body: zeros(bytes) }));
    const { sink, bytes: count, peakRss } = measuringSink();
    await pipeline(reply.body, sink);
    return { bytes: count(), peakRss: peakRss() };
  };
  const small = await send(128 * MIB);
  const large = await send(GIB);
  expect(large.bytes).toBe(GIB);
  expect(large.peakRss).toBeLessThan(small.peakRss + 100 * MIB);
});
