import { readFileSync } from 'node:fs';
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import type { CacheConfig, CacheTarget } from '../config.ts';
import { hearEveryError } from './hear-every-error.ts';
import type { Client } from './scripts.ts';

type ServerTarget = Extract<CacheTarget, { kind: 'server' }>;

const FIRST_RETRY_MS = 50;
const LONGEST_RETRY_MS = 1000;
const CONNECT_TIMEOUT_MS = 2000;

// What both kinds of client share; the library's own type is wider than either constructor accepts.
type CommonOptions = Omit<RedisOptions, 'replyMapping' | 'sentinels'>;

/** `subscriber`: holds the bus' subscription. */
export type ClientRole = 'commands' | 'subscriber';

const ended = new WeakSet<Client>();

/** Ends a client's connections for good. */
export function endClient(client: Client): void {
  ended.add(client);
  client.disconnect();
}

/**
 * A client of the configured topology, not connected yet, that connects again whatever ends its connection, until
 * `endClient`. Deadlines and the breaker are the caller's.
 */
export function createClient(
  config: CacheConfig,
  target: ServerTarget,
  name: string,
  role: ClientRole,
): Client {
  hearEveryError();
  const client = clientOf(target, commonOptions(config, target, name), { config, role });
  // The library gives up where connecting itself is broken off, as behind a sentinel that does not answer.
  client.on('end', () => {
    if (ended.has(client)) return;
    setTimeout(() => {
      // What keeps it from connecting is told by its 'error' and 'end' events.
      if (!ended.has(client)) client.connect().catch(() => undefined);
    }, LONGEST_RETRY_MS).unref();
  });
  return client;
}

function clientOf(
  target: ServerTarget,
  common: CommonOptions,
  { config, role }: { config: CacheConfig; role: ClientRole },
): Client {
  if (target.topology === 'cluster') return createCluster(target, common, role);
  if (target.topology === 'sentinel') {
    return new Redis({
      ...common,
      sentinels: target.nodes,
      name: config.sentinel.name,
      db: target.database,
      sentinelRetryStrategy: retryDelayMs,
      sentinelCommandTimeout: CONNECT_TIMEOUT_MS,
      // Without these two, the library takes `tls` for nothing here and sends everything in clear.
      ...(target.isTls ? { enableTLSForSentinelMode: true, sentinelTLS: tlsOptions(config) } : {}),
      ...(config.sentinel.password === undefined ? {} : { sentinelPassword: config.sentinel.password }),
    });
  }
  const [node] = target.nodes;
  return new Redis({ ...common, ...node, db: target.database });
}

/** Reconnects for ever; spread so that many processes do not return in step. */
export function retryDelayMs(attempt: number): number {
  const delayMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(attempt - 1, 10));
  return delayMs * (0.75 + Math.random() * 0.25);
}

function createCluster(target: ServerTarget, common: CommonOptions, role: ClientRole): Cluster {
  const { retryStrategy: _own, enableOfflineQueue: _same, ...redisOptions } = common;
  return new Cluster(target.nodes, {
    lazyConnect: true,
    enableOfflineQueue: false,
    enableReadyCheck: true,
    clusterRetryStrategy: retryDelayMs,
    clusterNodeRetryStrategy: retryDelayMs,
    slotsRefreshTimeout: CONNECT_TIMEOUT_MS,
    slotsRefreshInterval: 1000,
    retryDelayOnFailover: 100,
    retryDelayOnClusterDown: 100,
    maxRedirections: 4,
    shardedSubscribers: role === 'subscriber',
    redisOptions,
  });
}

function commonOptions(config: CacheConfig, target: ServerTarget, name: string): CommonOptions {
  return {
    lazyConnect: true,
    enableOfflineQueue: false,
    // Fails what was in flight when a connection closes, at once: a cache read is not worth waiting for.
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    // Our own handshake (server-link.ts) asks more precisely, and sooner, than ioredis' check for LOADING.
    enableReadyCheck: false,
    disableClientInfo: true,
    connectionName: name,
    connectTimeout: CONNECT_TIMEOUT_MS,
    keepAlive: 10_000,
    disconnectTimeout: 200,
    retryStrategy: retryDelayMs,
    ...(target.username === undefined ? {} : { username: target.username }),
    ...(target.password === undefined ? {} : { password: target.password }),
    ...(target.isTls ? { tls: tlsOptions(config) } : {}),
  };
}

function tlsOptions(config: CacheConfig): { ca?: Buffer; servername?: string } {
  const { caFile, serverName } = config.tls;
  return {
    ...(caFile === undefined ? {} : { ca: readFileSync(caFile) }),
    ...(serverName === undefined ? {} : { servername: serverName }),
  };
}
