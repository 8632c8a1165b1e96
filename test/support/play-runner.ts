import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, expect } from 'vitest';
import { startSocketServer, type SocketServer } from './socket-server.ts';
import { HOST, startEdge, type TestEdge, type TestEdgeOptions } from './start-edge.ts';

export type Setup = { edge: TestEdge; runner: SocketServer };

const cleanups: (() => Promise<unknown>)[] = [];
const failures: unknown[] = [];

/** Makes each test of the file end what it set up, and fail when the runner's part failed. */
export function cleanUpAfterEach(): void {
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
    expect(failures.splice(0)).toEqual([]);
  });
}

/** An edge in front of a runner that `play` plays by hand, once a connection. */
export async function setUp(
  play: (socket: Socket) => unknown,
  options: TestEdgeOptions = {},
): Promise<Setup> {
  const runner = await startSocketServer((socket) => {
    Promise.resolve(play(socket)).catch((error: unknown) => failures.push(error));
  });
  const edge = await startEdge({ runnerUrl: runner.url, drainTimeoutMs: 0, ...options });
  cleanups.push(runner.close, () => edge.close());
  return { edge, runner };
}

/** Reads from the socket until the text has come, or the peer is gone; answers all that came. */
export async function readUntil(socket: Socket, wanted: string): Promise<string> {
  let text = '';
  while (!text.includes(wanted)) {
    const chunk = socket.read() as Buffer | null;
    if (chunk !== null) text += chunk.toString('latin1');
    else if (socket.destroyed || socket.readableEnded) return text;
    // A reset is an end like any other: who aborts a call resets its connection.
    else await Promise.race([once(socket, 'readable'), once(socket, 'close')]).catch(() => undefined);
  }
  return text;
}

/** A request to the host of the test, as text. */
export function request(line: string, headers: readonly string[] = [], body = ''): string {
  return [line, `Host: ${HOST}`, ...headers, '', body].join('\r\n');
}

export const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
