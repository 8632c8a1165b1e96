import { ERRORS, type ErrorCode } from '../core/errors.ts';
import { infoLineWriter, type Logger } from '../core/log.ts';
import { counter, histogram, type Registry } from '../core/metrics.ts';

/** The way in which a request was answered. A closed set: it is a metric label. */
export type Route = 'static' | 'function' | 'redirect' | 'not-found' | 'upgrade' | 'challenge' | 'refused';
/** Where the answer came from. A closed set: it is a metric label. */
export type CacheResult = 'hit' | 'miss' | 'stale' | 'revalidated' | 'bypass' | 'none';

/**
 * Where the mapping of the domain to its build came from; `last-known-good`: neither the cache nor the control API could
 * be asked. A closed set: it is a metric label.
 */
export type MappingSource = 'near' | 'shared' | 'loader' | 'last-known-good';

/** One wide event for each request: the source of its log line and of the metrics. */
export type RequestEvent = {
  startedAtMs: number;
  route: Route;
  cache: CacheResult;
  error: ErrorCode | undefined;
  /** Message of the underlying failure: for the log alone. */
  cause: string | undefined;
  deploymentId: string | undefined;
  projectId: string | undefined;
  mapping: MappingSource | undefined;
};

export type FinishedRequest = {
  id: string;
  method: string;
  host: string;
  path: string;
  status: number;
  /** Whether the client left, or the answer broke off, before its end. */
  isAborted: boolean;
};

export type Recorder = {
  begin(): RequestEvent;
  end(event: RequestEvent, request: FinishedRequest): void;
  /** Hands collected access lines to the log: before the program ends. */
  flush(): void;
};

const DURATION_BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

type Meters = { count: { inc(): void }; duration: { observe(seconds: number): void } };

/** Records requests: one log line each (when `isAccessLogOn`), counters and durations by closed labels. */
export function createRecorder(registry: Registry, log: Logger, isAccessLogOn: boolean): Recorder {
  const metersOf = createMeters(registry);
  const countMapping = createMappingCounter(registry);
  const lines = isAccessLogOn ? infoLineWriter(log) : undefined;
  const errors = counter({
    registry,
    name: 'origan_edge_errors_total',
    help: 'Answers that the edge itself made from an error, by code.',
    labels: ['code'] as const,
  });
  // There from the start, so that the first failure of a kind is an increase for whoever watches.
  for (const [code, { status }] of Object.entries(ERRORS)) if (status >= 500) errors.inc({ code }, 0);
  return {
    begin: newEvent,
    flush: () => lines?.flush(),
    end: (event, request) => {
      const durationMs = performance.now() - event.startedAtMs;
      const { count, duration } = metersOf(event, request.status);
      count.inc();
      duration.observe(durationMs / 1000);
      if (event.mapping !== undefined) countMapping(event.mapping);
      if (event.error !== undefined) errors.inc({ code: event.error });
      // A failure of ours is worth a warning; a client's mistake is not.
      if (event.cause !== undefined) warn(log, event, request, durationMs);
      else lines?.write(toLine(event, request, durationMs));
    },
  };
}

/** Children of the metrics are looked up by labels once and kept: the look-up costs more than the count. */
function createMeters(registry: Registry): (event: RequestEvent, status: number) => Meters {
  const requests = counter({
    registry,
    name: 'origan_edge_requests_total',
    help: 'Requests answered, by route, cache result and class of the status.',
    labels: ['route', 'cache', 'status'] as const,
  });
  const durations = histogram({
    registry,
    name: 'origan_edge_request_duration_seconds',
    help: 'From the head of the request to the end of the answer.',
    labels: ['route', 'cache'] as const,
    buckets: DURATION_BUCKETS_S,
  });
  const meters = new Map<string, Meters>();
  return ({ route, cache }, status) => {
    const statusClass = `${Math.floor(status / 100)}xx`;
    const key = `${route} ${cache} ${statusClass}`;
    const known = meters.get(key);
    if (known !== undefined) return known;
    const made = {
      count: requests.labels({ route, cache, status: statusClass }),
      duration: durations.labels({ route, cache }),
    };
    meters.set(key, made);
    return made;
  };
}

/** The same for mappings: few children, looked up once, there from the start so that a rate has a zero to begin at. */
function createMappingCounter(registry: Registry): (source: MappingSource) => void {
  const mappings = counter({
    registry,
    name: 'origan_edge_mappings_total',
    help: 'Requests by where the mapping of their domain came from.',
    labels: ['source'] as const,
  });
  const childOf = (source: MappingSource): { inc(): void } => mappings.labels({ source });
  const children: Record<MappingSource, { inc(): void }> = {
    near: childOf('near'),
    shared: childOf('shared'),
    loader: childOf('loader'),
    'last-known-good': childOf('last-known-good'),
  };
  return (source) => children[source].inc();
}

function newEvent(): RequestEvent {
  return {
    startedAtMs: performance.now(),
    route: 'refused',
    cache: 'none',
    error: undefined,
    cause: undefined,
    deploymentId: undefined,
    projectId: undefined,
    mapping: undefined,
  };
}

function warn(log: Logger, event: RequestEvent, request: FinishedRequest, durationMs: number): void {
  const { startedAtMs: _startedAtMs, ...what } = event;
  log.warn({ ...request, path: withoutQuery(request.path), ...what, ms: roundMs(durationMs) }, 'request');
}

/**
 * The line of an ordinary request, assembled by hand: pino takes 16 us for it, this takes 3, and a hit in memory costs
 * about 20 in all. Only what a client sends needs escaping; everything else is a number or from a closed set.
 */
function toLine(event: RequestEvent, request: FinishedRequest, durationMs: number): string {
  const head = `{"level":30,"time":${Date.now()},"program":"gateway","id":"${request.id}"`;
  const what = `"method":${JSON.stringify(request.method)},"host":${JSON.stringify(request.host)}`;
  const path = `"path":${JSON.stringify(withoutQuery(request.path))},"status":${request.status}`;
  const how = `"route":"${event.route}","cache":"${event.cache}","isAborted":${request.isAborted}`;
  const site = `${member('error', event.error)}${member('deploymentId', event.deploymentId)}${member('mapping', event.mapping)}`;
  return `${head},${what},${path},${how}${site},"ms":${roundMs(durationMs)},"msg":"request"}\n`;
}

function member(name: string, value: string | undefined): string {
  return value === undefined ? '' : `,"${name}":${JSON.stringify(value)}`;
}

/** Queries carry tokens and personal data: they stay out of the log. */
function withoutQuery(path: string): string {
  const mark = path.indexOf('?');
  return mark === -1 ? path : path.slice(0, mark);
}

function roundMs(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
