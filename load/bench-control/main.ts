import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { defaultCacheConfig, parseCacheUrl } from '../../cache/config.ts';
import { openCache } from '../../cache/open-cache.ts';
import { keys } from '../../cache/keys.ts';
import { apiPaths } from '../../contracts/control-api.ts';
import { silentLogger } from '../../core/log.ts';
import { createRegistry } from '../../core/metrics.ts';
import { visit } from '../../test/support/visit.ts';
import { scrape, sumOf } from '../support/scrape.ts';
import { percentile } from '../support/statistics.ts';
import { GATEWAYS, HOST, PROJECT, setStage, type MeasuredApi, type Stage } from './stage.ts';

// npm run bench:control: what a flip, a look-up and a check of rights cost, on real parts: Postgres, Redis, the control
// API and three gateways, each a process of its own. Fails when a gateway does not confirm a flip, when one serves the old
// build after it, or when a request with a warm cache costs a database query.

const LOOKUP_TIMEOUT_MS = 5000;

const problems: string[] = [];

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      flips: { type: 'string', default: '200' },
      requests: { type: 'string', default: '2000' },
      smoke: { type: 'boolean', default: false },
    },
  });
  const flips = values.smoke ? 20 : Number(values.flips);
  const requests = values.smoke ? 200 : Number(values.requests);
  const stage = await setStage();
  try {
    print('| Measured | Samples | p50 | p99 |');
    print('|---|---|---|---|');
    await measureFlips(stage, flips);
    await measureLookups(stage, requests);
    await measureChecks(stage, requests);
  } finally {
    await stage.close();
  }
}

/** The two builds in turns. The first flip of all is no sample: it waits for gateways that a new registry may not know. */
async function measureFlips(stage: Stage, flips: number): Promise<void> {
  const { builds } = stage;
  const fromCommit: number[] = [];
  const wholeCall: number[] = [];
  for (let index = 0; index <= flips; index += 1) {
    const { id } = builds[index % 2 === 0 ? 0 : 1].deployment;
    const startedMs = performance.now();
    const { status, body } = await stage.send('POST', apiPaths.promote(PROJECT, id), {});
    const tookMs = performance.now() - startedMs;
    if (status !== 200 || !body.isComplete || body.acknowledged.length !== GATEWAYS)
      problems.push(
        `flip ${index}: ${status}, confirmed by ${body.acknowledged?.length} of ${GATEWAYS} gateways`,
      );
    await requireShown(stage, index);
    if (index === 0) continue;
    fromCommit.push(body.durationMs);
    wholeCall.push(tookMs);
  }
  row(`flip: commit to the last acknowledgement of ${GATEWAYS} gateways`, fromCommit);
  row('flip: the whole call (promote)', wholeCall);
}

/** From the answer on, every gateway serves the new build. */
async function requireShown({ system }: Stage, index: number): Promise<void> {
  const expected = `build ${index % 2 === 0 ? 1 : 2}`;
  for (const { port } of system.gateways) {
    const { text } = await visit(port, HOST, '/');
    if (text !== expected)
      problems.push(`flip ${index}: a gateway answers "${text}" after it, not "${expected}"`);
  }
}

/** What a gateway pays to learn what a host shows: from the cache server, or from the control API and its database. */
async function measureLookups({ cached, cacheUrl }: Stage, requests: number): Promise<void> {
  const target = parseCacheUrl(cacheUrl);
  if (target === undefined) throw new Error(`${cacheUrl} is no address of a cache server`);
  const parts = { log: silentLogger(), registry: createRegistry() };
  // With its own deadline one slow answer of hundreds would be none: how slow it is, the table says.
  const cache = openCache(defaultCacheConfig({ target, timeoutMs: LOOKUP_TIMEOUT_MS }), parts);
  await cache.connect();
  const input = encodeURIComponent(JSON.stringify({ json: { domain: HOST } }));
  const path = `/trpc/deployments.getConfigByDomain?input=${input}`;
  const [withCache, without] = await inTurns(requests, [
    async () => {
      // No lease, so no near copy: each of these goes to the server.
      const found = await cache.get(keys.domain(HOST));
      if (found.kind !== 'hit') problems.push(`the shared cache answers ${found.kind} for ${HOST}`);
    },
    () => ask(cached, path),
  ]);
  await cache.close();
  row('config query, from the shared cache', withCache ?? []);
  row('config query, from the control API (`getConfigByDomain`)', without ?? []);
}

/** One request that needs a token, a project and a right in its organization, by somebody who is no administrator. */
async function measureChecks({ cached, uncached, memberToken }: Stage, requests: number): Promise<void> {
  const path = apiPaths.project(PROJECT);
  const headers = { authorization: `Bearer ${memberToken}` };
  await ask(cached, path, headers);
  const before = [await queries(cached), await queries(uncached)];
  const [warm, without] = await inTurns(requests, [
    () => ask(cached, path, headers),
    () => ask(uncached, path, headers),
  ]);
  const counted = [await queries(cached), await queries(uncached)].map(
    (now, index) => now - (before[index] ?? 0),
  );
  row('permission check, warm cache', warm ?? []);
  row('permission check, cache switched off', without ?? []);
  const [warmQueries = Number.NaN, allQueries = Number.NaN] = counted;
  print('');
  print(`database queries of ${requests} requests with a warm cache: ${warmQueries}`);
  print(`database queries of ${requests} requests without a cache: ${allQueries}`);
  if (warmQueries !== 0) problems.push(`requests with a warm cache cost ${warmQueries} database queries`);
}

async function queries({ adminUrl }: MeasuredApi): Promise<number> {
  return sumOf(await scrape(adminUrl), 'control_api_database_queries_total', { operation: 'projects.get' });
}

async function ask({ pool }: MeasuredApi, path: string, headers: Record<string, string> = {}): Promise<void> {
  const reply = await pool.request({ method: 'GET', path, headers });
  await reply.body.dump();
  if (reply.statusCode !== 200) problems.push(`${path} answers ${reply.statusCode}`);
}

/** One after the other in every round, so that whatever the machine does meanwhile happens to all of them. */
async function inTurns(rounds: number, ways: readonly (() => Promise<void>)[]): Promise<number[][]> {
  const took: number[][] = ways.map(() => []);
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, way] of ways.entries()) {
      const startedMs = performance.now();
      await way();
      took[index]?.push(performance.now() - startedMs);
    }
  }
  return took;
}

function row(what: string, valuesMs: readonly number[]): void {
  const ms = (share: number): string => `${percentile(valuesMs, share).toFixed(2)} ms`;
  print(`| ${what} | ${valuesMs.length} | ${ms(0.5)} | ${ms(0.99)} |`);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

await main();
for (const problem of problems.slice(0, 20)) print(`PROBLEM: ${problem}`);
if (problems.length > 0) process.exitCode = 1;
