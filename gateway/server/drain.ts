import { Server } from 'node:net';
import type { Logger } from '../../core/log.ts';
import type { Connections } from './connections.ts';

export type DrainOptions = { drainTimeoutMs: number; headersTimeoutMs: number; log: Logger };

/**
 * Takes no new connections, closes idle ones, and resolves when the last request has been answered and the last tunnel
 * has ended; what is left after the drain time is cut.
 */
export function drain(server: Server, connections: Connections, options: DrainOptions): Promise<void> {
  const { drainTimeoutMs, headersTimeoutMs, log } = options;
  return new Promise((resolve) => {
    // A closed server checks no more whether the head of a request arrives in time.
    const late = setTimeout(() => connections.destroyWaiting(), headersTimeoutMs);
    const end = setTimeout(() => {
      log.warn({ drainTimeoutMs, open: connections.size }, 'still running after the drain time: cut');
      connections.destroyAll();
    }, drainTimeoutMs);
    const onClosed = (): void => {
      clearTimeout(late);
      clearTimeout(end);
      resolve();
    };
    // An HTTP server's own close lets go of idle connections while it still listens: who comes back at once would be taken,
    // and cut. So it stops listening first, as any server does.
    Server.prototype.close.call(server, onClosed);
    server.close();
    connections.drain();
  });
}
