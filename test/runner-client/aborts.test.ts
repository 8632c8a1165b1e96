import { once } from 'node:events';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { afterEach, expect, test } from 'vitest';
import { probePeer } from '../../core/probe-peer.ts';
import { startDeafServer } from '../support/deaf-server.ts';
import { startSocketServer, whenClosed, type SocketServer } from '../support/socket-server.ts';
import { waitUntil } from '../support/wait-until.ts';
import { closeClients, codeOf, makeCall, makeClient } from './make-call.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await closeClients();
  await Promise.all(cleanups.splice(0).map((cleanup) => cleanup()));
});

async function serve(onConnection: (socket: Socket) => void): Promise<SocketServer> {
  const server = await startSocketServer(onConnection);
  cleanups.push(server.close);
  return server;
}

// Limits that no test waits for: only the abort can end the call.
const PATIENT = {
  RUNNER_CONNECT_TIMEOUT_MS: '600000',
  RUNNER_FIRST_BYTE_TIMEOUT_MS: '600000',
  RUNNER_IDLE_TIMEOUT_MS: '600000',
};
const REASON = Object.assign(new Error('the client left'), { code: 'CLIENT_LEFT' });

test('a call that is aborted beforehand makes no connection', async () => {
  const server = await serve((socket) => socket.resume());
  const call = makeClient(server.url, PATIENT).call(makeCall({ signal: AbortSignal.abort(REASON) }));
  expect(await codeOf(call)).toBe('CLIENT_LEFT');
  expect(server.connections).toHaveLength(0);
});

test('an abort while connecting ends the call at once', async () => {
  const deaf = await startDeafServer();
  cleanups.push(deaf.close);
  const controller = new AbortController();
  const call = makeClient(deaf.url, PATIENT).call(makeCall({ signal: controller.signal }));
  setImmediate(() => controller.abort(REASON));
  expect(await codeOf(call)).toBe('CLIENT_LEFT');
});

test('an abort while waiting for headers closes the connection', async () => {
  const controller = new AbortController();
  const server = await serve((socket) => socket.once('data', () => controller.abort(REASON)));
  expect(await codeOf(makeClient(server.url, PATIENT).call(makeCall({ signal: controller.signal })))).toBe(
    'CLIENT_LEFT',
  );
  await whenClosed(server.connections[0]);
});

test('an abort within the response body closes the connection and fails the body', async () => {
  const controller = new AbortController();
  const server = await serve((socket) => {
    socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello'));
  });
  const reply = await makeClient(server.url, PATIENT).call(makeCall({ signal: controller.signal }));
  controller.abort(REASON);
  await expect(reply.body.toArray()).rejects.toBe(REASON);
  await whenClosed(server.connections[0]);
});

test('destroying the response body closes the connection', async () => {
  const server = await serve((socket) => {
    socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello'));
  });
  const reply = await makeClient(server.url, PATIENT).call(makeCall());
  reply.body.destroy();
  await whenClosed(server.connections[0]);
});

test('an abort within the request body closes the connection and stops reading the body', async () => {
  const controller = new AbortController();
  const server = await serve((socket) => socket.once('data', () => controller.abort(REASON)));
  let pulled = 0;
  const body = new Readable({
    read() {
      pulled += 1;
      setImmediate(() => this.push(Buffer.alloc(16)));
    },
  });
  const call = makeClient(server.url, PATIENT).call(
    makeCall({ method: 'POST', body, signal: controller.signal }),
  );
  expect(await codeOf(call)).toBe('CLIENT_LEFT');
  await whenClosed(server.connections[0]);
  expect(body.isPaused()).toBe(true);
  expect(body.destroyed).toBe(false);
  expect(pulled).toBeGreaterThan(0);
  body.destroy();
});

test('a signal that outlives the call holds no listener of it', async () => {
  const { getEventListeners } = await import('node:events');
  const server = await serve((socket) => {
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
  });
  const controller = new AbortController();
  const client = makeClient(server.url, PATIENT);
  for (let round = 0; round < 5; round += 1) {
    const reply = await client.call(makeCall({ signal: controller.signal }));
    await reply.body.toArray();
  }
  expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
});

test('an abort within a request body that the runner does not read resets the connection', async () => {
  const controller = new AbortController();
  const server = await serve((socket) => {
    socket.once('data', () => socket.pause());
  });
  const body = Readable.from([Buffer.alloc(20 * 1024 * 1024)]);
  const call = makeClient(server.url, PATIENT).call(
    makeCall({ method: 'POST', body, signal: controller.signal }),
  );
  call.catch(() => undefined);
  await waitUntil(() => server.connections[0]?.isPaused() === true);
  controller.abort(REASON);
  const [socket] = server.connections;
  if (socket === undefined) throw new Error('there was no connection');
  const fault = once(socket, 'error');
  // Nobody reads: only who writes hears of it.
  const stopProbing = probePeer(socket);
  expect(await fault).toMatchObject([{ code: expect.stringMatching(/ECONNRESET|EPIPE/) }]);
  stopProbing();
});
