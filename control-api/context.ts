import type { Cache } from '../cache/cache.ts';
import type { FlipResult } from '../contracts/control-api.ts';
import type { CacheAccess, CacheTls } from '../contracts/diagnosis.ts';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import type { ObjectStore } from '../store/object-store.ts';
import type { CertificateKeeper } from './certificates/keeper.ts';
import type { ControlApiConfig } from './config.ts';
import type { SiteReader } from './deployments/site-by-host.ts';
import type { Belief } from './endings/belief.ts';
import type { Database, OpenDatabase } from './database/database.ts';
import type { TokenMaker } from './github/installation-tokens.ts';
import type { ControlApiMetrics } from './metrics.ts';

/** What every operation works with. */
export type Context = {
  config: ControlApiConfig;
  database: OpenDatabase;
  db: Database;
  /** A hint, never the truth: every operation works without it. */
  cache: Cache;
  /** How the cache server is reached; undefined: there is none, or nobody said. */
  cacheAccess: CacheAccess | undefined;
  /** Tries the encryption of the way to the cache server. */
  probeCacheTls: () => Promise<CacheTls | undefined>;
  store: ObjectStore;
  log: Logger;
  clock: Clock;
  sites: SiteReader;
  /** Deployments that are being finished by this process: a repeated request joins the first. */
  finishing: Map<string, Promise<FlipResult>>;
  /** What of the cache may be gone by. */
  belief: Belief;
  /** Whether this process has noted something that the cache could not be told. */
  untold: { hasAny: boolean };
  /** Undefined where no GitHub App is configured. */
  github: TokenMaker | undefined;
  /** Undefined where certificates are not ordered. */
  certificates: CertificateKeeper | undefined;
  metrics: ControlApiMetrics;
};
