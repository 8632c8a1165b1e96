import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';
import { Registry } from 'prom-client';

export type AdminServer = { port: number; close(): Promise<void> };

export type AdminServerOptions = {
  host: string;
  port: number;
  /** What `/metrics` shows, and `/metrics.json` as JSON; or else the text of `/metrics` itself. */
  metrics: Registry | (() => Promise<string>);
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
  addMetrics(app, options.metrics);
  options.addRoutes?.(app);
  const server = createAdaptorServer({ fetch: app.fetch, overrideGlobalObjects: false }) as Server;
  // Exclusive: where several processes share what they listen on, each has its own of these.
  server.listen({ port: options.port, host: options.host, exclusive: true });
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

function addMetrics(app: Hono, metrics: AdminServerOptions['metrics']): void {
  const read = typeof metrics === 'function' ? metrics : () => metrics.metrics();
  app.get('/metrics', async (context) =>
    context.body(await read(), 200, { 'Content-Type': Registry.PROMETHEUS_CONTENT_TYPE }),
  );
  if (typeof metrics === 'function') return;
  app.get('/metrics.json', async (context) => context.json(await metrics.getMetricsAsJSON()));
}
