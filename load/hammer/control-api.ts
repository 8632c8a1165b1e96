import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SiteRecord } from '../../contracts/site.ts';

export type HammeredControlApi = {
  url: string;
  /** Commits a new revision of a host, as one database transaction would. */
  commit(host: number): number;
  read(host: number): SiteRecord;
  /** Gateways whose connections are reset from now on. */
  readonly cutOff: Set<number>;
  lookups: number;
  close(): Promise<void>;
};

/**
 * The source of truth. It reads a host's revision when asked and answers up to `slowMs` later, now and then much
 * later: an answer under way may be overtaken by a flip, which is what coherence has to withstand.
 */
export async function startControlApi(slowMs: number): Promise<HammeredControlApi> {
  const revisions = new Map<number, number>();
  const cutOff = new Set<number>();
  const read = (host: number): SiteRecord => {
    const rev = revisions.get(host) ?? 1;
    return { deploymentId: `d${rev}`, projectId: 'p', rev, config: { version: 1, resources: [] } };
  };
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    if (cutOff.has(Number(url.searchParams.get('gateway')))) return void request.socket.resetAndDestroy();
    api.lookups += 1;
    const body = JSON.stringify(read(Number(url.pathname.slice(1))));
    const delayMs = Math.random() < 0.05 ? Math.random() * slowMs * 6 : Math.random() * slowMs;
    void sleep(delayMs).then(() => response.end(body));
    return undefined;
  });
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const api: HammeredControlApi = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    commit: (host) => {
      const rev = (revisions.get(host) ?? 1) + 1;
      revisions.set(host, rev);
      return rev;
    },
    read,
    cutOff,
    lookups: 0,
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
  return api;
}
