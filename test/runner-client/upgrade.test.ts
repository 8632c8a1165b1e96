import type { Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import type { HeaderList } from '../../runner-client/runner-client.ts';
import {
  readRequestHead,
  startSocketServer,
  whenClosed,
  type SocketServer,
} from '../support/socket-server.ts';
import { closeClients, codeOf, IMPATIENT, makeCall, makeClient, readBody } from './make-call.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await closeClients();
  await Promise.all(cleanups.splice(0).map((cleanup) => cleanup()));
});

const UPGRADE: HeaderList = [
  ['Host', 'demo.example'],
  ['Connection', 'Upgrade'],
  ['Upgrade', 'websocket'],
  ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
  ['Sec-WebSocket-Version', '13'],
];
const SWITCH =
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-A: 1\r\n\r\n';

async function serve(onHead: (head: string, socket: Socket) => void): Promise<SocketServer> {
  const server = await startSocketServer((socket) => {
    void readRequestHead(socket).then((head) => onHead(head, socket));
  });
  cleanups.push(server.close);
  return server;
}

test('a switch of protocols becomes a tunnel, bytes that came with the answer included', async () => {
  let head = '';
  const server = await serve((text, socket) => {
    head = text;
    socket.write(`${SWITCH}early`);
    socket.pipe(socket);
  });
  const reply = await makeClient(server.url, { RUNNER_IDLE_TIMEOUT_MS: '50' }).upgrade(
    makeCall({ headers: UPGRADE }),
  );
  expect(head).toMatch(/\r\nconnection: upgrade\r\nupgrade: websocket\r\n/);
  expect(head).toContain('Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n');
  if (reply.kind !== 'switched') throw new Error('not switched');
  expect(reply.headers).toContainEqual(['X-A', '1']);
  expect(reply.headers).toContainEqual(['Upgrade', 'websocket']);
  const chunks = reply.socket[Symbol.asyncIterator]();
  let received = reply.head.toString();
  while (received.length < 5) received += String((await chunks.next()).value);
  expect(received).toBe('early');
  reply.socket.write('ping');
  expect(String((await chunks.next()).value)).toBe('ping');
  reply.socket.destroy();
  await whenClosed(server.connections[0]);
});

test('a refused upgrade is an ordinary reply', async () => {
  const server = await serve((_head, socket) => {
    socket.write('HTTP/1.1 426 Upgrade Required\r\nContent-Length: 4\r\n\r\nnope');
  });
  const reply = await makeClient(server.url).upgrade(makeCall({ headers: UPGRADE }));
  if (reply.kind !== 'refused') throw new Error('not refused');
  expect([reply.reply.status, await readBody(reply.reply)]).toEqual([426, 'nope']);
});

test('an abort closes the tunnel, and a tunnel counts as a call until it closes', async () => {
  const server = await serve((_head, socket) => {
    socket.write(SWITCH);
    socket.resume();
  });
  const controller = new AbortController();
  const client = makeClient(server.url, { RUNNER_MAX_CALLS: '1' });
  const reply = await client.upgrade(makeCall({ headers: UPGRADE, signal: controller.signal }));
  if (reply.kind !== 'switched') throw new Error('not switched');
  expect(await codeOf(client.call(makeCall()))).toBe('RUNNER_OVERLOADED');
  const closed = new Promise((resolve) => reply.socket.once('close', resolve));
  controller.abort();
  await closed;
  await whenClosed(server.connections[0]);
  expect(await codeOf(client.upgrade(makeCall({ headers: UPGRADE })).then(() => 'fine'))).toBe('resolved');
});

test('a tunnel that the runner resets does not end the process', async () => {
  const server = await serve((_head, socket) => {
    socket.write(SWITCH);
  });
  const reply = await makeClient(server.url).upgrade(makeCall({ headers: UPGRADE }));
  if (reply.kind !== 'switched') throw new Error('not switched');
  const closed = new Promise((resolve) => reply.socket.once('close', resolve));
  reply.socket.resume();
  server.connections[0]?.resetAndDestroy();
  await closed;
});

test('a runner that never answers an upgrade times out', async () => {
  const server = await serve(() => {});
  const client = makeClient(server.url, IMPATIENT);
  expect(await codeOf(client.upgrade(makeCall({ headers: UPGRADE })))).toBe('RUNNER_TIMEOUT');
});

test('an upgrade without Upgrade is refused', async () => {
  expect(await codeOf(makeClient('http://127.0.0.1:9').upgrade(makeCall()))).toBe('BAD_REQUEST');
});
