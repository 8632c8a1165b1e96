import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export type TcpProxy = {
  host: string;
  port: number;
  url: string;
  /** Connections open at this moment. */
  readonly open: number;
  /** Resets every open connection; new ones are accepted. */
  cut(): void;
  /** Resets one open connection, chosen by `random` from 0 to 1. */
  cutOne(random: number): void;
  /** From now on nothing passes, though connections stay open: a network that swallows packets. */
  stall(): void;
  /** Refuses new connections and resets open ones, until `allow`. */
  refuse(): void;
  /** Ends `stall` and `refuse`; what was held back passes. */
  allow(): void;
  /** Holds back every chunk from the server for this long. */
  setDelayMs(delayMs: number): void;
  /** Gives every new connection a delay of its own, up to this long, so that they run apart; order is kept. */
  setSpreadMs(spreadMs: number): void;
  /** Delays every chunk from the server by chance, up to this long and now and then six times as long; order is kept. */
  setJitterMs(jitterMs: number): void;
  close(): Promise<void>;
};

/** A proxy on the loopback interface that can do to connections what networks do. */
export async function startTcpProxy(target: { host: string; port: number }): Promise<TcpProxy> {
  const state = { isStalled: false, isRefusing: false, delayMs: 0, spreadMs: 0, jitterMs: 0 };
  const pairs = new Set<[Socket, Socket]>();
  const held: (() => void)[] = [];
  const forward = (from: Socket, to: Socket, isAnswer: boolean): void => {
    const ownDelayMs = isAnswer ? Math.random() * state.spreadMs : 0;
    const passLater = createDelayLine();
    from.on('data', (chunk: Buffer) => {
      const pass = (): void => {
        if (!to.destroyed) to.write(chunk);
      };
      if (state.isStalled) held.push(pass);
      else if (isAnswer) passLater(pass, state.delayMs + ownDelayMs + chanceDelayMs(state.jitterMs));
      else pass();
    });
  };
  const server = createServer((client) => {
    if (state.isRefusing) return void client.resetAndDestroy();
    const upstream = connect(target);
    const pair: [Socket, Socket] = [client, upstream];
    pairs.add(pair);
    for (const socket of pair) {
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        pairs.delete(pair);
        for (const other of pair) other.destroy();
      });
    }
    forward(client, upstream, false);
    forward(upstream, client, true);
    return undefined;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const reset = (pair: [Socket, Socket]): void => {
    for (const socket of pair) socket.resetAndDestroy();
  };
  const cut = (): void => {
    for (const pair of pairs) reset(pair);
  };
  return {
    host: '127.0.0.1',
    port,
    url: `redis://127.0.0.1:${port}`,
    get open() {
      return pairs.size;
    },
    cut,
    cutOne: (random) => {
      const chosen = [...pairs][Math.floor(random * pairs.size)];
      if (chosen !== undefined) reset(chosen);
    },
    stall: () => {
      state.isStalled = true;
    },
    refuse: () => {
      state.isRefusing = true;
      cut();
    },
    allow: () => {
      state.isStalled = false;
      state.isRefusing = false;
      for (const pass of held.splice(0)) pass();
    },
    setDelayMs: (delayMs) => {
      state.delayMs = delayMs;
    },
    setSpreadMs: (spreadMs) => {
      state.spreadMs = spreadMs;
    },
    setJitterMs: (jitterMs) => {
      state.jitterMs = jitterMs;
    },
    close: async () => {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
}

function chanceDelayMs(jitterMs: number): number {
  return Math.random() * (Math.random() < 0.05 ? jitterMs * 6 : jitterMs);
}

/** Calls each of its tasks after a delay, and never before one that was given earlier. */
function createDelayLine(): (task: () => void, delayMs: number) => void {
  const waiting: { task: () => void; dueAtMs: number }[] = [];
  let lastDueAtMs = 0;
  const runDue = (): void => {
    while ((waiting[0]?.dueAtMs ?? Number.POSITIVE_INFINITY) <= performance.now()) waiting.shift()?.task();
    const [next] = waiting;
    if (next !== undefined) setTimeout(runDue, Math.max(1, next.dueAtMs - performance.now()));
  };
  return (task, delayMs) => {
    if (delayMs === 0 && waiting.length === 0) return task();
    lastDueAtMs = Math.max(lastDueAtMs, performance.now() + delayMs);
    waiting.push({ task, dueAtMs: lastDueAtMs });
    if (waiting.length === 1) setTimeout(runDue, delayMs);
    return undefined;
  };
}
