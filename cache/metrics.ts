import { Counter, Gauge } from 'prom-client';
import { histogram, type Registry } from '../core/metrics.ts';
import type { ServerInfo } from './server-info.ts';
import type { FamilyCounts, Statistics } from './statistics.ts';

type Sample = { labels: Record<string, string>; value: number };
type Source = () => Sample[] | Promise<Sample[]>;

/** What the metrics read at the moment at which they are asked for. */
export type MetricSources = {
  registry: Registry;
  /** Label of every sample: which service's cache this is. */
  service: string;
  statistics: Statistics;
  gauges: () => { isUp: boolean; holdsLease: boolean; nearEntries: number; nearBytes: number; loads: number };
  serverInfo: () => Promise<ServerInfo | undefined>;
};

const COMMAND_BUCKETS: readonly number[] = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1,
];
const ACKNOWLEDGEMENT_BUCKETS: readonly number[] = [
  0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 15, 30,
];

/** Registers the cache's metrics. The hot path only adds to plain numbers; they are read when Prometheus asks. */
export function registerMetrics(sources: MetricSources): void {
  measureDurations(sources);
  countFamilies(sources);
  countEvents(sources);
  gaugeState(sources);
  gaugeServer(sources);
}

function measureDurations({ registry, service, statistics }: MetricSources): void {
  const commands = histogram({
    registry,
    name: 'cache_command_duration_seconds',
    help: 'Time from handing a command to the connection until its answer.',
    labels: ['service', 'command'],
    buckets: COMMAND_BUCKETS,
  });
  const acknowledgements = histogram({
    registry,
    name: 'cache_acknowledgement_duration_seconds',
    help: 'Time until every gateway had acknowledged an invalidation or its lease had run out.',
    labels: ['service'],
    buckets: ACKNOWLEDGEMENT_BUCKETS,
  });
  const children = new Map<string, { observe(seconds: number): void }>();
  statistics.onCommand = (command, durationMs) => {
    let child = children.get(command);
    if (child === undefined) children.set(command, (child = commands.labels(service, command)));
    child.observe(durationMs / 1000);
  };
  statistics.onAcknowledged = (durationMs) => acknowledgements.labels(service).observe(durationMs / 1000);
}

/** For each counter by family: its name, help, and for each value of its labels where the number is. */
const FAMILY_COUNTERS: readonly {
  name: string;
  help: string;
  samples: readonly (readonly [labels: Record<string, string>, count: keyof FamilyCounts])[];
}[] = [
  {
    name: 'cache_lookups_total',
    help: 'Look-ups by tier and outcome.',
    samples: [
      [{ tier: 'near', outcome: 'hit' }, 'nearHits'],
      [{ tier: 'near', outcome: 'negative' }, 'nearNegativeHits'],
      [{ tier: 'shared', outcome: 'hit' }, 'sharedHits'],
      [{ tier: 'shared', outcome: 'negative' }, 'sharedNegativeHits'],
      [{ tier: 'shared', outcome: 'miss' }, 'misses'],
      [{ tier: 'shared', outcome: 'error' }, 'errors'],
    ],
  },
  {
    name: 'cache_stale_served_total',
    help: 'Values served past their freshness: within their grace, or as last known good.',
    samples: [
      [{ reason: 'grace' }, 'staleServed'],
      [{ reason: 'last-known-good' }, 'lastKnownGoodServed'],
    ],
  },
  {
    name: 'cache_loads_total',
    help: 'Loads from the source.',
    samples: [
      [{ outcome: 'started' }, 'loads'],
      [{ outcome: 'failed' }, 'loadFailures'],
      [{ outcome: 'refused' }, 'loadsRefusedByRate'],
    ],
  },
  {
    name: 'cache_claim_waits_total',
    help: 'Times that this process waited for another one that was loading the same key.',
    samples: [[{}, 'claimWaits']],
  },
  {
    name: 'cache_early_refreshes_total',
    help: 'Refreshes begun before the end of freshness.',
    samples: [[{}, 'earlyRefreshes']],
  },
  {
    name: 'cache_writes_total',
    help: 'Writes by outcome. Refused as late: what it replaced was purged while it was being loaded.',
    samples: [
      [{ outcome: 'stored' }, 'fillsStored'],
      [{ outcome: 'refused-older' }, 'refusedOlder'],
      [{ outcome: 'refused-late' }, 'refusedLate'],
      [{ outcome: 'refused-too-large' }, 'refusedTooLarge'],
      [{ outcome: 'refused-expired' }, 'refusedExpired'],
      [{ outcome: 'failed' }, 'writeFailures'],
    ],
  },
  {
    name: 'cache_unparsable_total',
    help: 'Entries that were damaged or did not fit their schema.',
    samples: [[{}, 'unparsable']],
  },
  {
    name: 'cache_near_evictions_total',
    help: 'Near copies that fell out for want of room.',
    samples: [[{}, 'nearEvictions']],
  },
  {
    name: 'cache_bytes_total',
    help: 'Bytes of entries read from and written to the server.',
    samples: [
      [{ direction: 'read' }, 'bytesRead'],
      [{ direction: 'written' }, 'bytesWritten'],
    ],
  },
];

function countFamilies({ registry, service, statistics }: MetricSources): void {
  for (const { name, help, samples } of FAMILY_COUNTERS) {
    const labels = ['service', 'family', ...Object.keys(samples[0]?.[0] ?? {})];
    counterOf(registry, { name, help, labels }).sources.push(() =>
      [...statistics.families].flatMap(([family, counts]) =>
        samples.map(([extra, count]) => ({ labels: { service, family, ...extra }, value: counts[count] })),
      ),
    );
  }
}

function countEvents({ registry, service, statistics }: MetricSources): void {
  counterOf(registry, {
    name: 'cache_command_failures_total',
    help: 'Commands that failed, by kind of failure.',
    labels: ['service', 'command', 'kind'],
  }).sources.push(() =>
    [...statistics.commandFailures].map(([name, value]) => {
      const [command = '', kind = ''] = name.split(' ');
      return { labels: { service, command, kind }, value };
    }),
  );
  counterOf(registry, {
    name: 'cache_bus_events_total',
    help: 'Times that every near copy had to be confirmed again: a gap, a new epoch, a lost connection.',
    labels: ['service', 'event'],
  }).sources.push(() =>
    Object.entries(statistics.busEvents).map(([event, value]) => ({ labels: { service, event }, value })),
  );
  counterOf(registry, {
    name: 'cache_unacknowledged_invalidations_total',
    help: 'Invalidations that were not acknowledged by everyone in time.',
    labels: ['service'],
  }).sources.push(() => [{ labels: { service }, value: statistics.unacknowledgedInvalidations }]);
}

function gaugeState({ registry, service, gauges }: MetricSources): void {
  const add = (name: string, help: string, value: () => number): void => {
    gaugeOf(registry, { name, help, labels: ['service'] }).sources.push(() => [
      { labels: { service }, value: value() },
    ]);
  };
  add('cache_up', 'Whether the cache can be used (breaker closed).', () => Number(gauges().isUp));
  add('cache_lease_held', 'Whether near copies may be used without asking.', () =>
    Number(gauges().holdsLease),
  );
  add('cache_near_entries', 'Near copies in this process.', () => gauges().nearEntries);
  add('cache_near_bytes', 'Stored bytes of the near copies.', () => gauges().nearBytes);
  add('cache_loads_under_way', 'Resolutions and refreshes under way.', () => gauges().loads);
}

function gaugeServer({ registry, service, serverInfo }: MetricSources): void {
  const fields: readonly (readonly [name: string, help: string, field: keyof ServerInfo])[] = [
    ['cache_server_memory_used_bytes', 'Memory that the server uses for data.', 'memoryUsedBytes'],
    ['cache_server_memory_limit_bytes', 'Memory limit of the server; 0: none.', 'memoryLimitBytes'],
    ['cache_server_evicted_keys', 'Keys that the server threw out for want of memory.', 'evictedKeys'],
    ['cache_server_hits', "Hits by the server's own count.", 'hits'],
    ['cache_server_misses', "Misses by the server's own count.", 'misses'],
    ['cache_server_hit_ratio', 'Share of reads that found something, by the server.', 'hitRatio'],
    ['cache_server_clients', 'Clients connected to the server.', 'connectedClients'],
  ];
  for (const [name, help, field] of fields) {
    gaugeOf(registry, { name, help, labels: ['service'] }).sources.push(async () => {
      const value = (await serverInfo())?.[field];
      return typeof value === 'number' ? [{ labels: { service }, value }] : [];
    });
  }
}

type MetricShape = { name: string; help: string; labels: readonly string[] };

/** Several caches may share a registry, as in the program that runs every part: each adds its source. */
class SourcedCounter extends Counter {
  readonly sources: Source[] = [];

  override async get(): ReturnType<Counter['get']> {
    this.reset();
    for (const source of this.sources)
      for (const { labels, value } of await source()) this.inc(labels, value);
    return super.get();
  }
}

class SourcedGauge extends Gauge {
  readonly sources: Source[] = [];

  override async get(): ReturnType<Gauge['get']> {
    this.reset();
    for (const source of this.sources)
      for (const { labels, value } of await source()) this.set(labels, value);
    return super.get();
  }
}

function counterOf(registry: Registry, { name, help, labels }: MetricShape): SourcedCounter {
  const known = registry.getSingleMetric(name);
  if (known instanceof SourcedCounter) return known;
  return new SourcedCounter({ name, help, labelNames: [...labels], registers: [registry] });
}

function gaugeOf(registry: Registry, { name, help, labels }: MetricShape): SourcedGauge {
  const known = registry.getSingleMetric(name);
  if (known instanceof SourcedGauge) return known;
  return new SourcedGauge({ name, help, labelNames: [...labels], registers: [registry] });
}
