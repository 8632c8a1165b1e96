import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';
import { toEdgeError } from '../../core/errors.ts';
import type { Registry } from '../../core/metrics.ts';

export type AdminServer = { port: number; close(): Promise<void> };

export type AdminServerOptions = {
  host: string;
  port: number;
  registry: Registry;
  /** What `/readyz` and `/status` say; readiness is off while draining. */
  status: () => { isReady: boolean } & Record<string, unknown>;
  /** What `/explain?url=&method=` says. @throws EdgeError as the request itself would. */
  explain: (url: string, method: string) => Promise<unknown>;
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
  app.get('/explain', async (context) => {
    const { url = '', method = 'GET' } = context.req.query();
    try {
      return context.json(await options.explain(url, method));
    } catch (error) {
      const { code, message, status } = toEdgeError(error);
      return Response.json({ error: { code, message, requestId: 'explain' } }, { status });
    }
  });
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
