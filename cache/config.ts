import { z } from 'zod';
import { field } from '../core/env.ts';

/** Where the cache server is. */
export type CacheTarget =
  | { kind: 'memory' }
  | {
      kind: 'server';
      topology: 'single' | 'cluster' | 'sentinel';
      nodes: { host: string; port: number }[];
      isTls: boolean;
      username: string | undefined;
      password: string | undefined;
      database: number;
    };

/** Settings of the shared cache, typed. */
export type CacheConfig = {
  target: CacheTarget;
  isEnabled: boolean;
  defaultTtlMs: number;
  maxRetries: number;
  poolSize: number;
  timeoutMs: number;
  maxInFlight: number;
  keyPrefix: string;
  leaseMs: number;
  nearTtlMs: number;
  nearMaxEntries: number;
  nearMaxBytes: number;
  compressAboveBytes: number;
  maxConcurrentLoads: number;
  loadSoftMs: number;
  loadHardMs: number;
  sentinel: { name: string; password: string | undefined };
  tls: { caFile: string | undefined; serverName: string | undefined };
};

type CacheVariables = {
  CACHE_URL: CacheTarget;
  CACHE_ENABLED: boolean;
  ENABLE_CACHE: boolean;
  CACHE_USERNAME?: string | undefined;
  CACHE_PASSWORD?: string | undefined;
  CACHE_TLS: boolean;
  CACHE_TLS_CA_FILE?: string | undefined;
  CACHE_TLS_SERVER_NAME?: string | undefined;
  CACHE_TOPOLOGY: 'single' | 'cluster' | 'sentinel';
  CACHE_SENTINEL_NAME: string;
  CACHE_SENTINEL_PASSWORD?: string | undefined;
  CACHE_TTL_DEFAULT: number;
  CACHE_MAX_RETRIES: number;
  CACHE_CONNECTION_POOL_SIZE: number;
  CACHE_TIMEOUT_MS: number;
  CACHE_MAX_IN_FLIGHT: number;
  CACHE_KEY_PREFIX: string;
  CACHE_LEASE_MS: number;
  CACHE_L1_TTL_MS: number;
  CACHE_L1_MAX_ENTRIES: number;
  CACHE_L1_MAX_BYTES: number;
  CACHE_COMPRESS_ABOVE: number;
  CACHE_MAX_CONCURRENT_LOADS: number;
  CACHE_LOAD_SOFT_MS: number;
  CACHE_LOAD_HARD_MS: number;
};

/** The cache's environment variables: every program merges them into its own shape. */
export const cacheFields: {
  [Name in keyof CacheVariables]-?: z.ZodType<CacheVariables[Name]>;
} = {
  /**
   * The cache server: `redis://[user:password@]host[:port][/database]`, `rediss://…` for TLS, a bare `host:port`,
   * or a comma-separated list of nodes for cluster and sentinel. Not set or `memory://`: inside the process.
   */
  CACHE_URL: z
    .string()
    .optional()
    .transform((text, context) => {
      const target = parseCacheUrl(text);
      if (target !== undefined) return target;
      context.addIssue(
        'must be redis://, rediss://, host:port, a comma-separated list of these, or memory://',
      );
      return z.NEVER;
    }),
  /**
   * Whether this service uses the cache at all; default true. False: every look-up is a miss, writes do nothing, and what
   * the service changes is announced to nobody: at the control API it is switched off last, and on again first.
   */
  CACHE_ENABLED: field.bool(true),
  /** Another name of CACHE_ENABLED; either one switches the cache off. */
  ENABLE_CACHE: field.bool(true),
  /** User of the server's ACL, one for each service; wins over the URL's. Default: none. */
  CACHE_USERNAME: field.text().optional(),
  /** Password of that user; wins over the URL's. Default: none. */
  CACHE_PASSWORD: field.text().optional(),
  /** TLS to the server, and to the sentinels, even where CACHE_URL says redis:// or a bare host; default false. */
  CACHE_TLS: field.bool(false),
  /** File with the certificate authority (PEM) that signed the server's certificate. Default: the system's. */
  CACHE_TLS_CA_FILE: field.text().optional(),
  /** Name that the certificate must carry. Default: the host of CACHE_URL. */
  CACHE_TLS_SERVER_NAME: field.text().optional(),
  /** `single`, `cluster` (Redis Cluster, Dragonfly cluster) or `sentinel`; default single. */
  CACHE_TOPOLOGY: z.enum(['single', 'cluster', 'sentinel']).default('single'),
  /** Name of the primary that the sentinels watch; default mymaster. Sentinel only. */
  CACHE_SENTINEL_NAME: z.string().min(1).default('mymaster'),
  /** Password of the sentinels themselves. Default: none. Sentinel only. */
  CACHE_SENTINEL_PASSWORD: field.text().optional(),
  /** Freshness in seconds of families that set none of their own (domains); default 300. */
  CACHE_TTL_DEFAULT: field.int(300, 1, 268_435_455),
  /**
   * How often one read is tried again, within its deadline, when its connection broke and another one (of the pool, of
   * the cluster) is there; default 3.
   */
  CACHE_MAX_RETRIES: field.int(3, 0, 20),
  /**
   * Connections to each server; default 1, which pipelining fills well. More help where values of hundreds of
   * kilobytes share the line with small ones, or where Dragonfly has several threads and the client is not the limit.
   */
  CACHE_CONNECTION_POOL_SIZE: field.int(1, 1, 64),
  /** Deadline of every command, in milliseconds; default 100. A hung server costs a request no more than this. */
  CACHE_TIMEOUT_MS: field.int(100, 1, 60_000),
  /** Commands that may wait for an answer at once; beyond it look-ups answer `error` at once. Default 5000. */
  CACHE_MAX_IN_FLIGHT: field.int(5000, 1, 1_000_000),
  /** Put before every key, to keep environments apart on one server. Default: nothing. */
  CACHE_KEY_PREFIX: z
    .string()
    .regex(/^[\w:.-]{0,64}$/, 'must be at most 64 letters, digits, or any of _ : . -')
    .default(''),
  /** How long a gateway's lease lasts, in milliseconds; default 15000. A gateway that dies delays a flip by this. */
  CACHE_LEASE_MS: field.int(15_000, 300, 600_000),
  /** How far near copies may be behind a key that another program deleted, in milliseconds; default 1000. */
  CACHE_L1_TTL_MS: field.int(1000, 10, 60_000),
  /** Near copies kept in this process; default 20000. */
  CACHE_L1_MAX_ENTRIES: field.int(20_000, 1, 10_000_000),
  /** Stored bytes of the near copies kept in this process; default 128 MiB. */
  CACHE_L1_MAX_BYTES: field.int(134_217_728, 1024),
  /** Values above this many bytes are compressed; default 4096. */
  CACHE_COMPRESS_ABOVE: field.int(4096, 128),
  /** Loads from the source that run at once in this process; default 64. */
  CACHE_MAX_CONCURRENT_LOADS: field.int(64, 1, 10_000),
  /** After this many milliseconds a stale value is served instead of waiting for the load; default 500. */
  CACHE_LOAD_SOFT_MS: field.int(500, 1, 60_000),
  /** A load is given up after this many milliseconds; default 5000. */
  CACHE_LOAD_HARD_MS: field.int(5000, 1, 30_000),
};

/** The schema alone, for a program that reads nothing else. */
export const cacheShape: z.ZodObject<typeof cacheFields> = z.object(cacheFields);

/** The typed settings out of a parsed environment that includes `cacheFields`. */
export function toCacheConfig(env: CacheVariables): CacheConfig {
  return {
    target: withCredentials(env),
    isEnabled: env.CACHE_ENABLED && env.ENABLE_CACHE,
    defaultTtlMs: env.CACHE_TTL_DEFAULT * 1000,
    maxRetries: env.CACHE_MAX_RETRIES,
    poolSize: env.CACHE_CONNECTION_POOL_SIZE,
    timeoutMs: env.CACHE_TIMEOUT_MS,
    maxInFlight: env.CACHE_MAX_IN_FLIGHT,
    keyPrefix: env.CACHE_KEY_PREFIX,
    leaseMs: env.CACHE_LEASE_MS,
    nearTtlMs: env.CACHE_L1_TTL_MS,
    nearMaxEntries: env.CACHE_L1_MAX_ENTRIES,
    nearMaxBytes: env.CACHE_L1_MAX_BYTES,
    compressAboveBytes: env.CACHE_COMPRESS_ABOVE,
    maxConcurrentLoads: env.CACHE_MAX_CONCURRENT_LOADS,
    loadSoftMs: env.CACHE_LOAD_SOFT_MS,
    loadHardMs: env.CACHE_LOAD_HARD_MS,
    sentinel: { name: env.CACHE_SENTINEL_NAME, password: env.CACHE_SENTINEL_PASSWORD },
    tls: { caFile: env.CACHE_TLS_CA_FILE, serverName: env.CACHE_TLS_SERVER_NAME },
  };
}

/** Settings for code that has no environment at hand (tests, tools): the defaults, with `overrides` on top. */
export function defaultCacheConfig(overrides: Partial<CacheConfig> = {}): CacheConfig {
  return { ...toCacheConfig(cacheShape.parse({})), ...overrides };
}

/** The target that a CACHE_URL names; undefined when it is malformed. */
export function parseCacheUrl(text: string | undefined): CacheTarget | undefined {
  if (text === undefined || text === 'memory:' || text === 'memory://') return { kind: 'memory' };
  const scheme = /^[a-z]+:\/\//i.exec(text)?.[0] ?? 'redis://';
  const urls = text.split(',').map((part) => parseNode(part.trim(), scheme));
  const [first] = urls;
  if (first === undefined || urls.some((url) => url?.protocol !== first?.protocol)) return undefined;
  const database = /^\/(\d{1,5})?$/.exec(first.pathname === '' ? '/' : first.pathname);
  if (database === null) return undefined;
  return {
    kind: 'server',
    topology: 'single',
    nodes: urls.flatMap((url) => (url === undefined ? [] : [nodeOf(url)])),
    isTls: first.protocol === 'rediss:',
    username: first.username === '' ? undefined : unescaped(first.username),
    password: first.password === '' ? undefined : unescaped(first.password),
    database: Number(database[1] ?? 0),
  };
}

/** A `%` that begins no escape stands for itself: passwords have such. */
function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function parseNode(text: string, scheme: string): URL | undefined {
  const url = URL.parse(/^[a-z]+:\/\//i.test(text) ? text : scheme + text);
  if (url === null || !/^rediss?:$/.test(url.protocol) || url.hostname === '') return undefined;
  return url;
}

function nodeOf(url: URL): { host: string; port: number } {
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? 6379 : Number(url.port),
  };
}

function withCredentials(env: CacheVariables): CacheTarget {
  const target = env.CACHE_URL;
  if (target.kind === 'memory') return target;
  return {
    ...target,
    topology: env.CACHE_TOPOLOGY,
    isTls: target.isTls || env.CACHE_TLS,
    username: env.CACHE_USERNAME ?? target.username,
    password: env.CACHE_PASSWORD ?? target.password,
  };
}
