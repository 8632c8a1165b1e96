import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startCacheServer, type CacheServer } from '../support/cache-server.ts';
import { deployFolder } from '../support/deploy-folder.ts';
import { startLightLoad } from '../support/light-load.ts';
import { startSystem, type System } from '../support/system.ts';
import { visit } from '../support/visit.ts';
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
    env: { CACHE_URL: cache.url },
    // Short leases: the near copy has to be confirmed again and again while the load runs.
    gatewayEnv: {
      CACHE_LEASE_MS: '1500',
      RUNNER_CONNECT_TIMEOUT_MS: '500',
      RUNNER_FIRST_BYTE_TIMEOUT_MS: '2000',
    },
  });
  const files = {
    'index.html': 'home',
    'about.html': 'about',
    'style.css': 'p {}',
    'functions/now.js': 'export default () => new Response("now")',
  };
  await deployFolder({ apiUrl: system.controlApi.url, token: system.token, files, host: HOST });
  for (const path of [...FILES, CALL]) expect((await visit(gatewayPort(), HOST, path)).status).toBe(200);
});

afterAll(async () => {
  await system?.close();
  await cache?.close();
});

const gatewayPort = (): number => system.gateways[0]?.port ?? 0;
const load = (paths: readonly string[]): ReturnType<typeof startLightLoad> =>
  startLightLoad({ port: gatewayPort(), host: HOST, paths, isGood: ({ status }) => status === 200 });

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

  test('a cache server that hangs: no request fails', async () => {
    const running = load([...FILES, CALL]);
    await running.more(30);
    cache.pause();
    await running.more(REQUESTS_WHILE_DOWN);
    cache.resume();
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
    await system.controlApi.kill();
    const answer = await visit(gatewayPort(), 'never-seen.test', '/');
    expect([answer.status, answer.headers['retry-after'] !== undefined]).toEqual([503, true]);
    await system.controlApi.start();
    await waitUntil(async () => (await visit(gatewayPort(), 'never-seen.test', '/')).status === 404);
  });
});
