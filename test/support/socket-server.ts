import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A server that speaks bytes: for answers that no HTTP library would send. */
export type SocketServer = {
  url: string;
  port: number;
  /** Every connection so far, closed ones included. */
  connections: Socket[];
  close: () => Promise<void>;
};

/** Listens on loopback and hands each connection to `onConnection`; `close` destroys what is left. */
export async function startSocketServer(
  onConnection: (socket: Socket, index: number) => void,
  port = 0,
): Promise<SocketServer> {
  const connections: Socket[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => {});
    connections.push(socket);
    onConnection(socket, connections.length - 1);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${address.port}`,
    port: address.port,
    connections,
    close: () => closeServer(server, connections),
  };
}

async function closeServer(server: Server, connections: Socket[]): Promise<void> {
  for (const socket of connections) socket.destroy();
  server.close();
  await once(server, 'close');
}

/** Resolves with the head of the next request (through the empty line), leaving later bytes unread. */
export async function readRequestHead(socket: Socket): Promise<string> {
  let text = '';
  for (;;) {
    const chunk: Buffer | null = socket.read();
    if (chunk === null) {
      if (socket.readableEnded || socket.destroyed) return text;
      await whenReadable(socket);
      continue;
    }
    text += chunk.toString('latin1');
    const end = text.indexOf('\r\n\r\n');
    if (end === -1) continue;
    const rest = text.slice(end + 4);
    if (rest !== '') socket.unshift(Buffer.from(rest, 'latin1'));
    return text.slice(0, end + 4);
  }
}

async function whenReadable(socket: Socket): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      socket.off('readable', done).off('end', done).off('close', done);
      resolve();
    };
    socket.on('readable', done).on('end', done).on('close', done);
  });
}

/** Answers every request on the connection with these bytes. Bodies of requests are not expected. */
export function answerWith(bytes: string | Buffer): (socket: Socket) => void {
  return (socket) => {
    void (async () => {
      while ((await readRequestHead(socket)) !== '') socket.write(bytes);
    })();
  };
}

/** Resolves when the peer is gone. */
export async function whenClosed(socket: Socket | undefined): Promise<void> {
  if (socket === undefined) throw new Error('there was no connection');
  if (!socket.closed) await new Promise<void>((resolve) => socket.once('close', () => resolve()));
}

/** Answers the first request of each connection with these bytes and ends it; keeps the head of the last request. */
export async function startHeadKeeper(answer: string): Promise<SocketServer & { head: () => string }> {
  let head = '';
  const keep = async (socket: Socket): Promise<void> => {
    head = await readRequestHead(socket);
    socket.end(answer);
  };
  const server = await startSocketServer((socket) => void keep(socket));
  return { ...server, head: () => head };
}
