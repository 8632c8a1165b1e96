import { connect } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { silentLogger } from '../../../core/log.ts';
import { startHttpServer, type HttpServer } from '../../../gateway/server/http-server.ts';

let server: HttpServer | undefined;
afterEach(() => server?.close());

test.each([
  ['says nothing', ''],
  ['begins a handshake and stops', '\x16\x03\x01\x02\x00\x01\x00'],
])('a client that %s is closed without a word, and was never a connection', async (_what, bytes) => {
  server = await startHttpServer({
    host: '127.0.0.1',
    port: 0,
    limits: {
      maxHeaderBytes: 16_384,
      maxHeaders: 100,
      headersTimeoutMs: 200,
      idleTimeoutMs: 60_000,
      maxConnectionsPerClient: 10,
    },
    drainTimeoutMs: 0,
    log: silentLogger(),
    credentials: {
      fallback: undefined,
      contextFor: async () => undefined,
      onFallbackRenewed: () => undefined,
      close: async () => undefined,
    },
    onRequest: async () => undefined,
    onRefused: () => ({ status: 400, headers: [], body: null }),
  });
  const socket = connect(server.port, '127.0.0.1');
  const received: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => received.push(chunk));
  socket.write(Buffer.from(bytes, 'latin1'));
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => resolve()).once('error', () => undefined);
  });
  expect(server.connections()).toBe(0);
  await closed;
  expect(Buffer.concat(received).toString('latin1')).toBe('');
});
