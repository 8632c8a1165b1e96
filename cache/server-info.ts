/** What the cache server says about itself; fields that a server does not report are undefined. */
export type ServerInfo = {
  /** `Dragonfly 1.40.1`, `Valkey 8.0.1`, `Redis 7.0.15`. */
  software: string | undefined;
  memoryUsedBytes: number | undefined;
  /** Undefined or 0: no limit. */
  memoryLimitBytes: number | undefined;
  memoryResidentBytes: number | undefined;
  evictedKeys: number | undefined;
  expiredKeys: number | undefined;
  hits: number | undefined;
  misses: number | undefined;
  /** Share of the reads that found something, since the server began to count. */
  hitRatio: number | undefined;
  connectedClients: number | undefined;
  /** Writes refused for want of memory (Dragonfly). */
  memoryRejections: number | undefined;
  /** In the server's own words. */
  evictionPolicy: string | undefined;
  /** Whether the server may throw entries out when it is full; undefined when it does not say. */
  isEvicting: boolean | undefined;
};

export function parseServerInfo(fields: ReadonlyMap<string, string>): ServerInfo {
  const number = (name: string): number | undefined => {
    const value = Number(fields.get(name) ?? Number.NaN);
    return Number.isFinite(value) ? value : undefined;
  };
  return {
    software: softwareOf(fields),
    memoryUsedBytes: number('used_memory'),
    memoryLimitBytes: number('maxmemory'),
    memoryResidentBytes: number('used_memory_rss'),
    evictedKeys: number('evicted_keys'),
    expiredKeys: number('expired_keys'),
    hits: number('keyspace_hits'),
    misses: number('keyspace_misses'),
    hitRatio: ratioOf(number('keyspace_hits'), number('keyspace_misses')),
    connectedClients: number('connected_clients'),
    memoryRejections: number('oom_rejections'),
    evictionPolicy: fields.get('cache_mode') ?? fields.get('maxmemory_policy'),
    isEvicting: evictionOf(fields),
  };
}

function ratioOf(hits: number | undefined, misses: number | undefined): number | undefined {
  if (hits === undefined || misses === undefined || hits + misses === 0) return undefined;
  return hits / (hits + misses);
}

function softwareOf(fields: ReadonlyMap<string, string>): string | undefined {
  const dragonfly = fields.get('dragonfly_version');
  if (dragonfly !== undefined) return `Dragonfly ${dragonfly.replace(/^df-v?/, '')}`;
  const valkey = fields.get('valkey_version');
  if (valkey !== undefined) return `Valkey ${valkey}`;
  const redis = fields.get('redis_version');
  return redis === undefined ? undefined : `Redis ${redis}`;
}

function evictionOf(fields: ReadonlyMap<string, string>): boolean | undefined {
  const mode = fields.get('cache_mode');
  if (mode !== undefined) return mode === 'cache';
  const policy = fields.get('maxmemory_policy');
  return policy === undefined ? undefined : policy !== 'noeviction';
}
