import type { Cache } from '../cache/cache.ts';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import type { ObjectStore } from '../store/object-store.ts';
import type { ControlApiConfig } from './config.ts';
import type { SiteReader } from './deployments/site-by-host.ts';
import type { Database, OpenDatabase } from './database/database.ts';

/** What every operation works with. */
export type Context = {
  config: ControlApiConfig;
  database: OpenDatabase;
  db: Database;
  /** A hint, never the truth: every operation works without it. */
  cache: Cache;
  store: ObjectStore;
  log: Logger;
  clock: Clock;
  sites: SiteReader;
};
