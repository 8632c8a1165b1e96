import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A server of a benchmark's own, on the loopback interface. */
export type Listening = { port: number; close: () => Promise<void> };

/** Listens on a free port. */
export async function listen(server: Server): Promise<Listening> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
