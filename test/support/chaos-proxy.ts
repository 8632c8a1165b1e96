import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/**
 * What happens to the bytes on their way back from the server.
 * `pass`: nothing. `deaf`: connections are taken and never answered. `refuse`: connections are reset at once.
 * `cut` and `stall`: after so many bytes of a connection it is reset, or goes silent.
 */
export type ChaosMode =
  | { kind: 'pass' }
  | { kind: 'deaf' }
  | { kind: 'refuse' }
  | { kind: 'cut'; afterBytes: number }
  | { kind: 'stall'; afterBytes: number };

export type ChaosProxy = {
  port: number;
  /** Connections taken so far. */
  connections(): number;
  /** Applies to connections from now on; `forConnections` times, then `pass` again. */
  set(mode: ChaosMode, forConnections?: number): void;
  close(): Promise<void>;
};

/** A TCP proxy in front of a real server that can delay, cut and silence it. */
export async function startChaosProxy(targetPort: number): Promise<ChaosProxy> {
  let mode: ChaosMode = { kind: 'pass' };
  let remaining = Number.POSITIVE_INFINITY;
  let taken = 0;
  const sockets = new Set<Socket>();
  const track = (socket: Socket): Socket => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    // A reset is what this proxy is for; the tests look at what the client makes of it.
    socket.on('error', () => undefined);
    return socket;
  };
  const server = createServer((client) => {
    taken += 1;
    const current: ChaosMode = remaining > 0 ? mode : { kind: 'pass' };
    remaining -= 1;
    track(client);
    if (current.kind === 'refuse') client.resetAndDestroy();
    else if (current.kind !== 'deaf') relay(client, track(connect(targetPort, '127.0.0.1')), current);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => taken,
    set(next, forConnections = Number.POSITIVE_INFINITY) {
      mode = next;
      remaining = forConnections;
    },
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

function relay(client: Socket, upstream: Socket, mode: ChaosMode): void {
  const limit = mode.kind === 'cut' || mode.kind === 'stall' ? mode.afterBytes : Number.POSITIVE_INFINITY;
  let passed = 0;
  client.pipe(upstream);
  client.on('close', () => upstream.destroy());
  upstream.on('close', () => {
    if (passed < limit) client.destroy();
  });
  upstream.on('end', () => {
    if (passed < limit) client.end();
  });
  upstream.on('data', (chunk: Buffer) => {
    const rest = chunk.subarray(0, Math.max(0, limit - passed));
    passed += rest.length;
    if (rest.length > 0 && !client.write(rest)) {
      upstream.pause();
      client.once('drain', () => upstream.resume());
    }
    if (passed >= limit && mode.kind === 'cut') client.resetAndDestroy();
  });
}
