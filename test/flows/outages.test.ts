import { hostname } from 'node:os';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { keys } from '../../cache/keys.ts';
import { openCache } from '../../cache/open-cache.ts';
import { packageVersion } from '../../core/package-version.ts';
import { scrape, sumOf } from '../../load/support/scrape.ts';
import { configFor, silentParts } from '../cache/rigs.ts';
import { startCacheServer, type CacheServer } from '../support/cache-server.ts';
import { deployFolder } from '../support/deploy-folder.ts';
import { startLightLoad, type LightLoad } from '../support/light-load.ts';
import { startSystem, type System } from '../support/system.ts';
import { visit, type Visit } from '../support/visit.ts';
import { waitUntil } from '../support/wait-until.ts';

// What can fail is killed while the site is under light load: what can still be answered is answered.

const HOST = 'outages.test';
const FILES = ['/', '/style.css', '/about'];
const CALL = '/now';
const REQUESTS_WHILE_DOWN = 150;

let cache: CacheServer;
let system: System;

beforeAll(async () => {
  cache = await startCacheServer();
  system = await startSystem({
    env: { CACHE_URL: cache.url, CACHE_TIMEOUT_MS: '100' },
    // Short leases: the near copy has to be confirmed again and again while the load runs.
    gatewayEnv: { CACHE_LEASE_MS: '1500' },
  });
  const files = {
    'index.html': 'home',
    'about.html': 'about',
    'style.css': 'p {}',
    'functions/now.js': 'export default () => new Response("now")',
  };
  await deployFolder({ apiUrl: system.controlApi.url, token: system.token, files, host: HOST });
  for (const path of [...FILES, CALL])
    await waitUntil(async () => (await visit(gatewayPort(), HOST, path)).status === 200);
});

afterAll(async () => {
  await system?.close();
  await cache?.close();
});

const gatewayPort = (): number => system.gateways[0]?.port ?? 0;
/** Ends with its test at the latest: what fails leaves nothing running. */
function load(paths: readonly string[]): LightLoad {
  const isGood = ({ status }: Visit): boolean => status === 200;
  const running = startLightLoad({ port: gatewayPort(), host: HOST, paths, isGood });
  onTestFinished(async () => void (await running.end()));
  return running;
}

test('a gateway says in the cache where it listens, which version it is and since when', async () => {
  const reader = openCache(configFor(cache.url), silentParts());
  await reader.connect();
  const instance = `${hostname()}-${system.gateways[0]?.process().pid}`;
  // With each heartbeat; the address is known from the first one on after it listens.
  await expect
    .poll(() => reader.get(keys.gateway(instance)))
    .toMatchObject({
      kind: 'hit',
      value: {
        address: `127.0.0.1:${gatewayPort()}`,
        version: packageVersion,
        startedAtMs: expect.any(Number),
      },
    });
  await reader.close();
});

describe('while the site is under light load', () => {
  const outages: [string, { down: () => Promise<void>; up: () => Promise<void> }][] = [
    ['the cache server', { down: () => cache.kill(), up: () => cache.restart() }],
    ['the control API', { down: () => system.controlApi.kill(), up: () => system.controlApi.start() }],
    [
      'cache server and control API at once',
      {
        down: async () => void (await Promise.all([cache.kill(), system.controlApi.kill()])),
        up: async () => void (await Promise.all([cache.restart(), system.controlApi.start()])),
      },
    ],
  ];

  test.each(outages)('%s is killed and comes back: no request fails', async (_what, { down, up }) => {
    const running = load([...FILES, CALL]);
    await running.more(30);
    await down();
    await running.more(REQUESTS_WHILE_DOWN);
    await up();
    await running.more(60);
    expect(await running.end()).toEqual([]);
  });

  test('neither can be asked: answers say so in Cache-Status and in the metrics, until one of them is back', async () => {
    const marked = async (): Promise<number> =>
      sumOf(await scrape(system.gateways[0]?.adminUrl ?? ''), 'origan_edge_mappings_total', {
        source: 'last-known-good',
      });
    const statusOf = async (path: string): Promise<string> =>
      String((await visit(gatewayPort(), HOST, path)).headers['cache-status']);
    const isMarked = async (path: string): Promise<boolean> => /last-known-good/.test(await statusOf(path));
    // A hit of the short way, which has nothing to say but that it is one.
    await waitUntil(async () => (await statusOf('/style.css')) === 'origan-edge; hit');
    await Promise.all([cache.kill(), system.controlApi.kill()]);
    // The lease runs out; from then on not even the short way answers as if nothing were wrong.
    await waitUntil(() => isMarked('/style.css'));
    const before = await marked();
    expect(await statusOf('/style.css')).toBe('origan-edge; hit; detail=last-known-good');
    expect(await statusOf(CALL)).toMatch(/^origan-edge; .*detail=.*last-known-good$/);
    expect(await statusOf('/nothing/here.txt')).toBe('origan-edge; detail=NOT_FOUND+last-known-good');
    for (let count = 0; count < 20; count += 1) expect(await isMarked('/style.css')).toBe(true);
    await waitUntil(async () => (await marked()) - before >= 23);
    await system.controlApi.start();
    // The cache is still gone: the control API's word alone is enough.
    await waitUntil(async () => !(await isMarked('/style.css')));
    await cache.restart();
    await waitUntil(async () => (await statusOf('/style.css')) === 'origan-edge; hit');
  });

  test('a cache server that hangs: no request fails', async () => {
    const running = load([...FILES, CALL]);
    await running.more(30);
    cache.pause();
    await running.more(REQUESTS_WHILE_DOWN).finally(() => cache.resume());
    await running.more(60);
    expect(await running.end()).toEqual([]);
  });

  test('the runner is killed: files go on, functions answer 502 or 503 and recover by themselves', async () => {
    const files = load(FILES);
    const calls = load([CALL]);
    await calls.more(20);
    await system.runner.kill();
    await calls.more(30);
    const failures = calls.forget();
    expect(failures.length).toBeGreaterThan(0);
    for (const failure of failures) expect(failure).toMatch(/^\/now: 50[23] /);
    await system.runner.start();
    await waitUntil(async () => (await visit(gatewayPort(), HOST, CALL)).status === 200);
    calls.forget();
    await calls.more(20);
    expect(await calls.end()).toEqual([]);
    expect(await files.end()).toEqual([]);
  });

  test('an unknown host while the control API is down is 503 with Retry-After, never 404', async () => {
    const host = `never-seen-${crypto.randomUUID()}.test`;
    await system.controlApi.kill();
    const answer = await visit(gatewayPort(), host, '/');
    expect([answer.status, answer.headers['retry-after'] !== undefined]).toEqual([503, true]);
    await system.controlApi.start();
    await waitUntil(async () => (await visit(gatewayPort(), host, '/')).status === 404);
  });
});
