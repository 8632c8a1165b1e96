import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';
import type { Registry } from '../../core/metrics.ts';

export type AdminServer = { port: number; close(): Promise<void> };

export type AdminServerOptions = {
  host: string;
  port: number;
  registry: Registry;
  /** What `/readyz` and `/status` say; readiness is off while draining. */
  status: () => { isReady: boolean } & Record<string, unknown>;
};

/** Health, readiness, metrics and status: on a port of its own, so that no tenant's path is ever taken. */
export async function startAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const app = new Hono();
  app.get('/healthz', (context) => context.text('ok\n'));
  app.get('/readyz', (context) => {
    const { isReady } = options.status();
    return context.text(isReady ? 'ready\n' : 'not ready\n', isReady ? 200 : 503);
  });
  app.get('/status', (context) => context.json(options.status()));
  app.get('/metrics', async (context) =>
    context.body(await options.registry.metrics(), 200, { 'Content-Type': options.registry.contentType }),
  );
  const server = createAdaptorServer({ fetch: app.fetch, overrideGlobalObjects: false });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        if ('closeAllConnections' in server) server.closeAllConnections();
      }),
  };
}
