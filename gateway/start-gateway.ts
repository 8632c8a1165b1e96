import { hostname } from 'node:os';
import type { Hono } from 'hono';
import type { Cache } from '../cache/cache.ts';
import { openCache, type MemoryServer } from '../cache/open-cache.ts';
import type { Protections } from '../cache/protections.ts';
import { startAdminServer } from '../core/admin-server.ts';
import { toEdgeError } from '../core/errors.ts';
import { closeAll, type Closable } from '../core/lifecycle.ts';
import type { Logger } from '../core/log.ts';
import { packageVersion } from '../core/package-version.ts';
import type { Registry } from '../core/metrics.ts';
import { openStore } from '../store/open-store.ts';
import { assembleEdge } from './assemble-edge.ts';
import type { GatewayConfig } from './config.ts';
import { createTrustedProxies } from './functions/forwarded.ts';
import { explain } from './explain.ts';
import { listenForTenants, type TenantParts } from './listen-for-tenants.ts';

export type GatewayParts = {
  log: Logger;
  registry: Registry;
  /** Stands in for a cache server where several services run in one process. */
  memoryServer?: MemoryServer | undefined;
  /** Guards of coherence switched off: for the hammer alone. No environment variable leads here. */
  protections?: Protections | undefined;
};

export type Gateway = Closable & { port: number; tlsPort: number | undefined; adminPort: number };

/**
 * Starts a gateway. Resolves when it listens; throws when a port is taken or the bucket cannot be read, with
 * nothing left running. A cache server, control API or runner that is down does not keep it from starting.
 */
export async function startGateway(config: GatewayConfig, parts: GatewayParts): Promise<Gateway> {
  const { log, registry, memoryServer } = parts;
  const started: Closable[] = [];
  try {
    const store = keep(started, openStore(config.store, { log }));
    await store.check();
    // Complete once it listens: with port 0, nobody knows the address before.
    const presence = { address: '', version: packageVersion };
    const cache = keep(
      started,
      openCache(config.cache, {
        log,
        registry,
        service: 'gateway',
        instance: config.GATEWAY_INSTANCE,
        memoryServer,
        holdsLease: true,
        presence,
        protections: parts.protections,
      }),
    );
    await cache.connect();
    const trustedProxies = createTrustedProxies(config.TRUSTED_PROXIES);
    const edge = assembleEdge(config, { cache, store, trustedProxies, log, registry }, started);
    const gateway = await listen(config, { edge, cache, store, trustedProxies, registry, started });
    presence.address = addressOf(config.GATEWAY_HOST, gateway.port);
    return gateway;
  } catch (error) {
    await closeAll(started, log);
    throw error;
  }
}

type Running = TenantParts & { cache: Cache; started: Closable[] };

async function listen(config: GatewayConfig, running: Running): Promise<Gateway> {
  const { edge, cache, registry, started } = running;
  const { log, recorder } = edge;
  let isDraining = false;
  const admin = keep(
    started,
    await startAdminServer({
      host: config.GATEWAY_ADMIN_HOST,
      port: config.GATEWAY_ADMIN_PORT,
      metrics: registry,
      status: () => ({ isReady: !isDraining, instance: config.GATEWAY_INSTANCE, cache: cache.state() }),
      addRoutes: (app) => addExplain(app, { edge, cache, deployDomain: config.ORIGAN_DEPLOY_DOMAIN }),
    }),
  );
  const { port, tlsPort } = keep(started, await listenForTenants(config, running));
  log.info({ port, tlsPort, adminPort: admin.port, instance: config.GATEWAY_INSTANCE }, 'gateway listens');
  return {
    port,
    tlsPort,
    adminPort: admin.port,
    close: async () => {
      isDraining = true;
      await closeAll(started, log);
      recorder.flush();
      log.flush();
    },
  };
}

/** `/explain?url=&method=`: how a request would be answered, or the error that it would meet. */
function addExplain(app: Hono, parts: Parameters<typeof explain>[0]): void {
  app.get('/explain', async (context) => {
    const { url = '', method = 'GET' } = context.req.query();
    try {
      return context.json(await explain(parts, url, method));
    } catch (error) {
      const { code, message, status } = toEdgeError(error);
      return Response.json({ error: { code, message, requestId: 'explain' } }, { status });
    }
  });
}

/** Where peers and people find it: what listens on every interface goes by the machine's name. */
function addressOf(host: string, port: number): string {
  const name = host === '0.0.0.0' || host === '::' ? hostname() : host;
  return name.includes(':') ? `[${name}]:${port}` : `${name}:${port}`;
}

function keep<Part extends Closable>(started: Closable[], part: Part): Part {
  started.push(part);
  return part;
}
