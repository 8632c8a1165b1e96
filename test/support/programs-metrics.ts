import { defaultCacheConfig } from '../../cache/config.ts';
import { openCache } from '../../cache/open-cache.ts';
import { ERRORS, type ErrorCode } from '../../core/errors.ts';
import { silentLogger } from '../../core/log.ts';
import { createRegistry, type Registry } from '../../core/metrics.ts';
import type { FlipResult } from '../../contracts/control-api.ts';
import { createCertificateMetrics, type OrderResult } from '../../control-api/certificates/metrics.ts';
import { createMetrics } from '../../control-api/metrics.ts';
import { allOperations } from '../../control-api/operations/all-operations.ts';
import { createRecorder, type CacheResult, type MappingSource, type Route } from '../../gateway/record.ts';
import { createRunnerMetrics, type CallOutcome } from '../../runner-client/runner-metrics.ts';
import { createFunctionMetrics, type FunctionOutcome } from '../../runner/function-metrics.ts';
import type { EndReason } from '../../runner/function-process.ts';
import { freePort } from './free-port.ts';
import { MetricCatalog } from './metric-catalog.ts';
import { startSystem } from './system.ts';
import { visit } from './visit.ts';
import { waitUntil } from './wait-until.ts';

// The closed sets that labels come from. The compiler holds each to the program's own type: a value that is renamed there
// has to be renamed here, and in whatever asks for it.
const ROUTES = namesOf<Route>({
  static: 1,
  function: 1,
  redirect: 1,
  'not-found': 1,
  upgrade: 1,
  challenge: 1,
  refused: 1,
});
const CACHE_RESULTS = namesOf<CacheResult>({ hit: 1, miss: 1, stale: 1, revalidated: 1, bypass: 1, none: 1 });
const MAPPINGS = namesOf<MappingSource>({ near: 1, shared: 1, loader: 1, 'last-known-good': 1 });
const CALL_OUTCOMES = namesOf<CallOutcome>({
  answered: 1,
  switched: 1,
  unreachable: 1,
  'broke-off': 1,
  'timed-out': 1,
  overloaded: 1,
  abandoned: 1,
});
const FUNCTION_OUTCOMES = namesOf<FunctionOutcome>({
  answered: 1,
  failed: 1,
  timeout: 1,
  overloaded: 1,
  refused: 1,
  abandoned: 1,
});
const END_REASONS = namesOf<EndReason>({ crashed: 1, stuck: 1, memory: 1, evicted: 1, idle: 1, closed: 1 });
const ORDER_RESULTS = namesOf<OrderResult>({
  issued: 1,
  restored: 1,
  provided: 1,
  domain: 1,
  authority: 1,
  refused: 1,
  limited: 1,
  internal: 1,
});
const FLIP_OUTCOMES = namesOf<FlipResult['outcome']>({ live: 1, superseded: 1, preview: 1 });

/**
 * Every metric of the programs: the names from running programs, as Prometheus scrapes them; labels and their values also
 * from the programs' own recording functions, called with everything that can happen.
 */
export async function collectMetrics(): Promise<MetricCatalog> {
  const catalog = new MetricCatalog();
  for (const text of await scrapePrograms()) catalog.addScrape(text);
  const running = new Set(catalog.metrics.keys());
  for (const record of [recordRequests, recordCalls, recordFunctions, recordOperations, recordCertificates]) {
    const registry = createRegistry();
    record(registry);
    await catalog.addRegistry(registry);
  }
  await catalog.addRegistry(await unusedCache());
  const unregistered = [...catalog.metrics.keys()].filter((name) => !running.has(name));
  if (unregistered.length > 0) throw new Error(`no running program has ${unregistered.join(', ')}`);
  return catalog;
}

/** `/metrics` of a gateway of two processes with HTTPS, a runner and a control API. */
async function scrapePrograms(): Promise<string[]> {
  const [tlsPort, adminPort] = [await freePort(), await freePort()];
  const system = await startSystem({
    gatewayEnv: { GATEWAY_PROCESSES: '2', HAS_TLS_SERVER: 'true', GATEWAY_TLS_PORT: String(tlsPort) },
    // Nobody is asked as long as there is no domain.
    controlApiEnv: {
      CONTROL_API_ADMIN_PORT: String(adminPort),
      ENVIRONMENT_KEY: 'ab'.repeat(32),
      ACME_DIRECTORY_URL: 'https://127.0.0.1:9/directory',
      ACME_TERMS_AGREED: 'true',
    },
  });
  try {
    const [gateway] = system.gateways;
    const urls = [`${gateway?.adminUrl}`, system.runner.url, `http://127.0.0.1:${adminPort}`];
    await waitUntil(
      async () => (await fetchText(`${gateway?.adminUrl}/metrics`))?.includes('process="2"') ?? false,
    );
    // A look-up, so that the cache has a family to count for.
    await visit(gateway?.port ?? 0, 'nobody.example', '/');
    return await Promise.all(urls.map(async (url) => (await fetchText(`${url}/metrics`)) ?? ''));
  } finally {
    await system.close();
  }
}

async function fetchText(url: string): Promise<string | undefined> {
  try {
    return await (await fetch(url)).text();
  } catch {
    // It does not listen yet.
    return undefined;
  }
}

function recordRequests(registry: Registry): void {
  const recorder = createRecorder(registry, silentLogger(), false);
  const finished = { id: 'i', method: 'GET', host: 'h', path: '/', isAborted: false };
  for (const route of ROUTES)
    for (const cache of CACHE_RESULTS)
      for (const status of [101, 200, 304, 404, 500])
        recorder.end({ ...recorder.begin(), route, cache }, { ...finished, status });
  for (const mapping of MAPPINGS)
    recorder.end({ ...recorder.begin(), mapping }, { ...finished, status: 200 });
  for (const error of Object.keys(ERRORS) as ErrorCode[])
    recorder.end({ ...recorder.begin(), error }, { ...finished, status: ERRORS[error].status });
}

function recordCalls(registry: Registry): void {
  const metrics = createRunnerMetrics(registry);
  for (const outcome of CALL_OUTCOMES) metrics.ended(outcome, 1);
  metrics.setCalls('http://runner:9000', 1);
  metrics.setBreaker('http://runner:9000', true);
}

function recordFunctions(registry: Registry): void {
  const metrics = createFunctionMetrics(registry);
  for (const outcome of FUNCTION_OUTCOMES) metrics.callEnded(outcome);
  for (const reason of END_REASONS) metrics.processEnded(reason);
  for (const source of ['disk', 'store'] as const) metrics.codeRead(source);
  for (const source of ['header', 'reference'] as const) metrics.environmentRead(source);
  for (const outcome of ['stored', 'limited', 'lost'] as const) metrics.logLines(outcome, 1);
  metrics.setProcesses(1, 1);
}

function recordOperations(registry: Registry): void {
  const metrics = createMetrics(registry);
  const statuses = [200, 201, ...Object.values(ERRORS).map(({ status }) => status)];
  for (const { name: operation } of allOperations)
    for (const status of new Set(statuses))
      metrics.operations.observe({ operation, status: String(status) }, 1);
  for (const outcome of FLIP_OUTCOMES) metrics.flips.inc({ outcome });
}

function recordCertificates(registry: Registry): void {
  const metrics = createCertificateMetrics(registry);
  for (const result of ORDER_RESULTS) metrics.ordered(result);
}

/** It has every metric with its labels; their values are those of the running programs. */
async function unusedCache(): Promise<Registry> {
  const registry = createRegistry();
  await openCache(defaultCacheConfig(), { log: silentLogger(), registry }).close();
  return registry;
}

function namesOf<Name extends string>(names: Record<Name, 1>): Name[] {
  return Object.keys(names) as Name[];
}
