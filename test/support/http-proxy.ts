import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

export type HttpProxy = {
  url: string;
  /** Called with the number of each request, from 1, when its head has arrived and before it is passed on. */
  onRequest: ((count: number) => unknown) | undefined;
  /** Called when the server has answered, and awaited before its answer is passed on. */
  onAnswer: ((method: string, url: string) => Promise<void> | undefined) | undefined;
  /** Answers a request itself: status and body. Undefined: it is passed on. */
  answer: ((method: string, url: string) => { status: number; body: string } | undefined) | undefined;
  close(): Promise<void>;
};

/** Passes requests on to a server, one after the other as they come. */
export async function startHttpProxy(target: string): Promise<HttpProxy> {
  let count = 0;
  const server = createServer((incoming, outgoing) => {
    count += 1;
    proxy.onRequest?.(count);
    const { method = 'GET', headers } = incoming;
    const own = proxy.answer?.(method, incoming.url ?? '/');
    if (own !== undefined) {
      incoming.resume();
      outgoing.writeHead(own.status).end(own.body);
      return;
    }
    // A connection of its own: one that was kept might end just as it is used again.
    const options = { method, headers, agent: false };
    const upstream = request(new URL(incoming.url ?? '/', target), options, (answer) => {
      const passOn = async (): Promise<void> => {
        await proxy.onAnswer?.(method, incoming.url ?? '/');
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      };
      void passOn();
    });
    upstream.on('error', () => outgoing.destroy());
    incoming.on('error', () => upstream.destroy());
    incoming.pipe(upstream);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const proxy: HttpProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    onRequest: undefined,
    onAnswer: undefined,
    answer: undefined,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
  return proxy;
}
