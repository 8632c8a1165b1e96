import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { ObjectStore } from '../../store/object-store.ts';

/** The same objects as a store, each read as long on its way as from a bucket across a network. */
export function slowStore(store: ObjectStore, delayMs: number): ObjectStore {
  return {
    ...store,
    read: async (key, options) => {
      await delay(delayMs);
      return store.read(key, options);
    },
  };
}

/** These objects over HTTP, for a worker that fetches them itself. */
export async function startBucket(
  store: ObjectStore,
  delayMs: number,
): Promise<{ port: number; close(): void }> {
  const server = createServer((request, response) => {
    void (async () => {
      await delay(delayMs);
      const bytes = await store.read((request.url ?? '/').slice(1), { maxBytes: 1e9 });
      response.writeHead(bytes === undefined ? 404 : 200);
      response.end(bytes);
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
