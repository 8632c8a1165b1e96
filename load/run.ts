import { parseArgs } from 'node:util';
import { startCacheServer } from '../test/support/cache-server.ts';
import { startCountingProxy, type CountingProxy } from '../test/support/counting-proxy.ts';
import { freePort } from '../test/support/free-port.ts';
import { startNode } from '../test/support/process.ts';
import { startSystem, type System } from '../test/support/system.ts';
import { visit } from '../test/support/visit.ts';
import { drive, type Traffic, type TrafficResult } from './support/drive.ts';
import { scrape, sumOf } from './support/scrape.ts';

// npm run load: a few seconds of traffic against a whole system (control API, runner, gateway and cache server in
// processes of their own, the example site deployed by the real command): a hot file, a function, unknown hosts. Fails
// on any error, on a hit ratio of 85 % or less, and when the cache saves less than 90 % of the control API's calls. The
// last is counted over as many requests with and without the cache, one after the other: a machine's speed, and
// requests that happen to share a call, change nothing.

const HOST = 'load.example';
const MIN_HIT_RATIO = 0.85;
const MIN_CALLS_SAVED = 0.9;
const UNKNOWN_HOSTS = 20;
const REQUESTS_TO_COMPARE = 300;

type Gateway = { name: string; port: number; adminUrl: string; controlApi: CountingProxy };
type Scenario = { name: string; targets: { host: string; path: string }[]; expectedStatus: number };

/** Requests of each kind; the unknown hosts are others for each `round`, so that none is known from before. */
const scenarios = (round: string): Scenario[] => [
  { name: 'hot file', targets: [{ host: HOST, path: '/style.css' }], expectedStatus: 200 },
  { name: 'function', targets: [{ host: HOST, path: '/api/coffees' }], expectedStatus: 200 },
  {
    name: 'unknown hosts',
    targets: Array.from({ length: UNKNOWN_HOSTS }, (_, index) => ({
      host: `nobody-${round}-${index}.example`,
      path: '/',
    })),
    expectedStatus: 404,
  },
];

const problems: string[] = [];
const closers: (() => Promise<unknown>)[] = [];

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { seconds: { type: 'string', default: '3' }, smoke: { type: 'boolean', default: false } },
  });
  const seconds = values.smoke ? 1 : Number(values.seconds);
  const { cached, uncached } = await startEverything();
  await untilServed(cached);
  await untilServed(uncached);
  for (const scenario of scenarios('load')) {
    await send(cached, scenario, { until: { seconds }, connections: 20 });
  }
  await requireHits(cached);
  requireSavedCalls(await countedCalls(cached), await countedCalls(uncached));
}

async function startEverything(): Promise<{ cached: Gateway; uncached: Gateway }> {
  const cache = await startCacheServer();
  closers.push(() => cache.close());
  const controlPort = await freePort();
  const controlApi = await countCalls(controlPort);
  const system = await startSystem({
    controlPort,
    env: { CACHE_URL: cache.url, ACCESS_LOG: 'false' },
    gatewayEnv: { CONTROL_API_URL: controlApi.url },
  });
  closers.push(() => system.close());
  const [gateway] = system.gateways;
  if (gateway === undefined) throw new Error('no gateway was started');
  await deployExample(system);
  const cached = { name: 'with cache', port: gateway.port, adminUrl: gateway.adminUrl, controlApi };
  return { cached, uncached: await startUncached(system) };
}

/** The same gateway once more, told to use no cache. */
async function startUncached(system: System): Promise<Gateway> {
  const controlApi = await countCalls(system.controlApi.port);
  const [port, adminPort] = [await freePort(), await freePort()];
  const gateway = startNode('gateway/main.ts', {
    env: {
      ...system.env,
      CACHE_ENABLED: 'false',
      CONTROL_API_URL: controlApi.url,
      GATEWAY_PORT: String(port),
      GATEWAY_ADMIN_PORT: String(adminPort),
    },
  });
  closers.push(() => gateway.stop());
  await gateway.waitFor(/gateway listens/);
  return { name: 'without cache', port, adminUrl: `http://127.0.0.1:${adminPort}`, controlApi };
}

/** Stands between a gateway and the control API, so that nobody's own count has to be believed. */
async function countCalls(controlPort: number): Promise<CountingProxy> {
  const proxy = await startCountingProxy(`http://127.0.0.1:${controlPort}`);
  closers.push(() => proxy.close());
  return proxy;
}

async function deployExample(system: System): Promise<void> {
  const command = startNode('cli/main.ts', {
    args: ['deploy', 'examples', '--create', '--project', 'load', '--domain', HOST],
    env: { ORIGAN_API_URL: system.controlApi.url, ORIGAN_TOKEN: system.token },
  });
  const { code } = await command.exited;
  if (code !== 0) throw new Error(`the example was not deployed:\n${command.stdout()}${command.stderr()}`);
}

async function untilServed({ port, name }: Gateway): Promise<void> {
  const { status } = await visit(port, HOST, '/style.css');
  if (status !== 200) throw new Error(`${name}: the example answers ${status}`);
}

type Way = Pick<Traffic, 'until' | 'connections'>;

async function send(gateway: Gateway, { name, targets, expectedStatus }: Scenario, way: Way): Promise<void> {
  const result = await drive({ port: gateway.port, targets, expectedStatus, ...way });
  print(`${gateway.name.padEnd(14)} ${name.padEnd(14)} ${describe(result)}`);
  if (result.failures > 0) problems.push(`${gateway.name}, ${name}: ${result.failures} failed requests`);
  for (const [status, count] of Object.entries(result.unexpected)) {
    problems.push(`${gateway.name}, ${name}: ${count} answers ${status}, expected ${expectedStatus}`);
  }
}

/** Calls of the control API that a fixed number of requests cost. */
async function countedCalls(gateway: Gateway): Promise<number> {
  const before = gateway.controlApi.count('/trpc/');
  for (const scenario of scenarios('compared')) {
    await send(gateway, scenario, { until: { requests: REQUESTS_TO_COMPARE }, connections: 1 });
  }
  return gateway.controlApi.count('/trpc/') - before;
}

async function requireHits({ adminUrl }: Gateway): Promise<void> {
  const samples = await scrape(adminUrl);
  const files = { route: 'static' };
  const hits = sumOf(samples, 'origan_edge_requests_total', { ...files, cache: 'hit' });
  const ratio = hits / sumOf(samples, 'origan_edge_requests_total', files);
  print(`hit ratio of files: ${percent(ratio)}`);
  if (!(ratio > MIN_HIT_RATIO)) problems.push(`hit ratio ${percent(ratio)}, expected more than 85 %`);
}

function requireSavedCalls(withCache: number, withoutCache: number): void {
  const saved = 1 - withCache / withoutCache;
  print(
    `calls of the control API: ${withoutCache} without cache, ${withCache} with it, ${percent(saved)} fewer`,
  );
  if (!(saved >= MIN_CALLS_SAVED)) problems.push(`only ${percent(saved)} of the calls saved, expected 90 %`);
}

function describe({ requestsPerSecond, p50Ms, p99Ms }: TrafficResult): string {
  return `${requestsPerSecond.toFixed(0).padStart(6)} requests/s, p50 ${p50Ms} ms, p99 ${p99Ms} ms`;
}

function percent(ratio: number): string {
  return `${(ratio * 100).toFixed(1)} %`;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

try {
  await main();
} finally {
  for (const close of closers.toReversed()) await close();
}
for (const problem of problems) print(`problem: ${problem}`);
process.exitCode = problems.length === 0 ? 0 : 1;
