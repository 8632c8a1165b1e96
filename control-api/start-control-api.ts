import type { AddressInfo } from 'node:net';
import type { Cache } from '../cache/cache.ts';
import type { CacheAccess, CacheTls } from '../contracts/diagnosis.ts';
import { startAdminServer, type AdminServer } from '../core/admin-server.ts';
import { systemClock, type Clock } from '../core/clock.ts';
import { closeAll, type Closable } from '../core/lifecycle.ts';
import type { Logger } from '../core/log.ts';
import type { Registry } from '../core/metrics.ts';
import type { ObjectStore } from '../store/object-store.ts';
import { bootstrap, bootstrapToken } from './access/bootstrap.ts';
import { toAcmeSettings, type AcmeSettings } from './certificates/config.ts';
import { CertificateKeeper } from './certificates/keeper.ts';
import { createCertificateMetrics } from './certificates/metrics.ts';
import type { ControlApiConfig } from './config.ts';
import type { Context } from './context.ts';
import { Belief } from './endings/belief.ts';
import { tellEndings } from './endings/endings.ts';
import { createTokenMaker } from './github/installation-tokens.ts';
import { createMetrics } from './metrics.ts';
import { openDatabase } from './database/open-database.ts';
import { publishPending } from './deployments/publish.ts';
import { createSiteReader } from './deployments/site-by-host.ts';
import { allOperations } from './operations/all-operations.ts';
import { readHealth } from './serve/health.ts';
import { createRoutes } from './serve/routes.ts';
import { listen } from './serve/listen.ts';
import { scheduleSweeps } from './sweep/schedule.ts';

export type ControlApiParts = {
  log: Logger;
  registry: Registry;
  /** Connected by the caller, who also closes it. */
  cache: Cache;
  /** For the diagnosis: how the cache server is reached. */
  cacheAccess?: CacheAccess | undefined;
  /** For the diagnosis: tries the encryption of the way there. */
  probeCacheTls?: () => Promise<CacheTls | undefined>;
  /** Closed by the caller. */
  store: ObjectStore;
  clock?: Clock;
};

export type ControlApi = Closable & {
  /** `http://host:port` */
  url: string;
  port: number;
  /** Where `/metrics` and the probes are. */
  adminPort: number;
  /** Token of the installation's first administrator. */
  adminToken: string;
  /** Database queries since the start. */
  queryCount(): number;
};

/** Opens the database, brings its schema up to date, and listens. @throws with what to mend; nothing stays open then. */
export async function startControlApi(config: ControlApiConfig, parts: ControlApiParts): Promise<ControlApi> {
  const { log, registry, cache, store, clock = systemClock } = parts;
  const opened: Closable[] = [];
  try {
    const acme = toAcmeSettings(config);
    await store.check();
    const database = await openDatabase(
      {
        url: config.DATABASE_URL,
        directory: `${config.ORIGAN_STATE_DIR}/database`,
        poolSize: config.DATABASE_POOL_SIZE,
      },
      log,
    );
    opened.push(database);
    const { db } = database;
    const adminToken = await bootstrapToken(config, log);
    const replaced = await bootstrap(db, adminToken);
    const untold = { hasAny: false };
    const onUntold = (): void => void (untold.hasAny = true);
    const belief = new Belief({ database, clock, log, onUntold });
    opened.push(belief);
    await belief.open();
    const context: Context = {
      config,
      database,
      db,
      cache,
      cacheAccess: parts.cacheAccess,
      probeCacheTls: parts.probeCacheTls ?? (async () => undefined),
      store,
      log,
      clock,
      sites: createSiteReader(db),
      finishing: new Map(),
      belief,
      untold,
      github: createTokenMaker(config),
      certificates: undefined,
      metrics: createMetrics(registry),
    };
    const server = await listen(createRoutes(context, allOperations).fetch, config);
    opened.push(server);
    await tellEndings(context, replaced);
    await publishPending(context);
    opened.push(scheduleSweeps(context));
    if (acme !== undefined) opened.push(await keepCertificates(context, acme, registry));
    const admin = await listenForOperators(context, registry);
    opened.push(admin);
    const { port } = server.address;
    const url = urlOf(server.address);
    const ready = { url, adminPort: admin.port, database: database.kind, store: store.kind };
    log.info(ready, 'the control API is ready');
    return {
      url,
      port,
      adminPort: admin.port,
      adminToken,
      queryCount: () => database.queryCount(),
      close: () => closeAll(opened, log),
    };
  } catch (error) {
    await closeAll(opened, log);
    throw error;
  }
}

async function keepCertificates(
  context: Context,
  settings: AcmeSettings,
  registry: Registry,
): Promise<CertificateKeeper> {
  const keeper = new CertificateKeeper(context, settings, createCertificateMetrics(registry));
  context.certificates = keeper;
  await keeper.open();
  return keeper;
}

/** Closed first: who watches sees the end coming before the last request is answered. */
async function listenForOperators(context: Context, registry: Registry): Promise<AdminServer> {
  const { CONTROL_API_ADMIN_HOST: host, CONTROL_API_ADMIN_PORT: port } = context.config;
  return await startAdminServer({
    host,
    port,
    metrics: registry,
    status: async () => {
      const health = await readHealth(context);
      return { isReady: health.status !== 'down', ...health };
    },
  });
}

function urlOf({ address, port, family }: AddressInfo): string {
  const isAnywhere = address === '0.0.0.0' || address === '::';
  const host = isAnywhere ? '127.0.0.1' : family === 'IPv6' ? `[${address}]` : address;
  return `http://${host}:${port}`;
}
