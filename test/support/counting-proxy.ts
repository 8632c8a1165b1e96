import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

export type CountingProxy = {
  url: string;
  /** Requests whose path holds this text, so far. */
  count(text: string): number;
  close(): Promise<void>;
};

/** Passes HTTP requests on to `target` and remembers their paths: what one part really asked of another. */
export async function startCountingProxy(target: string): Promise<CountingProxy> {
  const paths: string[] = [];
  const server = createServer((incoming, outgoing) => {
    paths.push(incoming.url ?? '');
    const { method, headers } = incoming;
    // A connection of its own: one that was kept might end just as it is used again.
    const options = { method, headers, agent: false };
    const call = request(new URL(incoming.url ?? '/', target), options, (reply) => {
      outgoing.writeHead(reply.statusCode ?? 502, reply.rawHeaders);
      reply.pipe(outgoing);
    });
    call.once('error', () => outgoing.destroy());
    incoming.pipe(call);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    count: (text) => paths.filter((path) => path.includes(text)).length,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
