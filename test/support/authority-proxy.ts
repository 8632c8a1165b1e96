import { readFileSync } from 'node:fs';
import { createServer, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { makeCertificates } from './make-certificates.ts';
import type { Pebble } from './pebble.ts';
import { makeTempDir } from './temp-dir.ts';

export type AuthorityRequest = { count: number; method: string; path: string };

export type AuthorityProxy = {
  directoryUrl: string;
  /** File of the authority for its own certificate. */
  caFile: string;
  /** Every request so far. */
  requests: AuthorityRequest[];
  /** Orders that were placed and taken. */
  orders(): number;
  /**
   * What becomes of a request instead of being passed on: an answer of its own, or none at all. Undefined: it is passed on.
   */
  instead:
    | ((
        request: AuthorityRequest,
      ) => { status: number; headers?: Record<string, string>; body?: object } | 'silence' | undefined)
    | undefined;
  /** Milliseconds by which every answer comes later. */
  delayMs: number;
  close(): Promise<void>;
};

/** Stands before a real ACME server, which takes it for itself: requests can be counted, answered otherwise, delayed. */
export async function startAuthorityProxy(pebble: Pick<Pebble, 'port' | 'caFile'>): Promise<AuthorityProxy> {
  const temp = await makeTempDir('authority');
  const files = makeCertificates(temp.path, 'localhost');
  const upstreamCa = readFileSync(pebble.caFile);
  const placed = { orders: 0 };
  const requests: AuthorityRequest[] = [];
  const server = createServer({ cert: readFileSync(files.cert), key: readFileSync(files.key) });
  server.on('request', (incoming, outgoing) => {
    void (async () => {
      const { method = 'GET', url: path = '/', headers } = incoming;
      const asked = { count: requests.length + 1, method, path };
      requests.push(asked);
      const body = await buffer(incoming);
      const own = proxy.instead?.(asked);
      if (own === 'silence') return;
      if (own !== undefined) {
        const type = { 'content-type': 'application/problem+json', ...own.headers };
        outgoing.writeHead(own.status, type).end(JSON.stringify(own.body ?? {}));
        return;
      }
      const upstream = request(
        { host: 'localhost', port: pebble.port, method, path, headers, ca: upstreamCa, agent: false },
        (answer) => {
          if (path === '/order-plz' && answer.statusCode === 201) placed.orders += 1;
          setTimeout(() => {
            outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
            answer.pipe(outgoing);
          }, proxy.delayMs);
        },
      );
      upstream.on('error', () => outgoing.destroy());
      upstream.end(body);
    })().catch(() => outgoing.destroy());
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const proxy: AuthorityProxy = {
    directoryUrl: `https://localhost:${(server.address() as AddressInfo).port}/dir`,
    caFile: files.ca,
    requests,
    orders: () => placed.orders,
    instead: undefined,
    delayMs: 0,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
      await temp.remove();
    },
  };
  return proxy;
}
