import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';
import type { Registry } from './metrics.ts';

export type AdminServer = { port: number; close(): Promise<void> };

export type AdminServerOptions = {
  host: string;
  port: number;
  registry: Registry;
  /** What `/readyz` and `/status` say. */
  status: () => AdminStatus | Promise<AdminStatus>;
  /** Adds what one program alone has. */
  addRoutes?: ((app: Hono) => void) | undefined;
};

/** Whether the program wants requests, and whatever else there is to say. */
export type AdminStatus = { isReady: boolean } & Record<string, unknown>;

/** Health, readiness, metrics and status: on a port of its own, which operators reach and clients do not. */
export async function startAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const app = new Hono();
  app.get('/healthz', (context) => context.text('ok\n'));
  app.get('/readyz', async (context) => {
    const { isReady } = await options.status();
    return context.text(isReady ? 'ready\n' : 'not ready\n', isReady ? 200 : 503);
  });
  app.get('/status', async (context) => context.json(await options.status()));
  app.get('/metrics', async (context) =>
    context.body(await options.registry.metrics(), 200, { 'Content-Type': options.registry.contentType }),
  );
  options.addRoutes?.(app);
  const server = createAdaptorServer({ fetch: app.fetch, overrideGlobalObjects: false }) as Server;
  server.listen(options.port, options.host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
