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
  /** Resolves when whatever was passed on has been answered or given up, too. */
  close(): Promise<void>;
};

/** Passes requests on to a server, one after the other as they come. */
export async function startHttpProxy(target: string): Promise<HttpProxy> {
  let count = 0;
  const underWay = new Set<Promise<void>>();
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
      // Whoever asked may be gone by now, or go: nobody holds up what the server has to say.
      if (outgoing.destroyed) answer.resume();
      else outgoing.once('close', () => answer.unpipe(outgoing).resume());
      const passOn = async (): Promise<void> => {
        await proxy.onAnswer?.(method, incoming.url ?? '/');
        if (outgoing.destroyed) return;
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      };
      void passOn();
    });
    const over = new Promise<void>((resolve) => upstream.once('close', resolve));
    underWay.add(over);
    void over.then(() => underWay.delete(over));
    upstream.on('error', () => outgoing.destroy());
    // Who has sent all of it may be gone: the server is at it all the same.
    incoming.once('close', () => incoming.complete || upstream.destroy());
    incoming.on('error', () => undefined);
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
      await Promise.all(underWay);
    },
  };
  return proxy;
}
