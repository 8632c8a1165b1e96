import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SiteRecord } from '../../contracts/site.ts';

export type SlowControlApi = { url: string; close(): Promise<void> };

/** Answers what a gateway asks of the control API, in its wire form and after a while: the same site for every host. */
export async function startSlowControlApi(site: SiteRecord, delayMs: number): Promise<SlowControlApi> {
  const body = JSON.stringify({ result: { data: { json: site } } });
  const server = createServer((_request, response) => {
    void sleep(delayMs).then(() => {
      response.writeHead(200, { 'Content-Type': 'application/json' });
      response.end(body);
      return undefined;
    });
  });
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
