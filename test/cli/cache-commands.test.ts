import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cache } from '../../cache/cache.ts';
import { defaultCacheConfig, parseCacheUrl } from '../../cache/config.ts';
import { keys } from '../../cache/keys.ts';
import { openCache } from '../../cache/open-cache.ts';
import { apiPaths } from '../../contracts/control-api.ts';
import { silentLogger } from '../../core/log.ts';
import { createRegistry } from '../../core/metrics.ts';
import { startCacheServer, type CacheServer } from '../support/cache-server.ts';
import { deploy, startTestControlApi, TEST_TOKEN, type TestControlApi } from '../support/control-api.ts';
import { origan, type CliRun } from '../support/run-cli.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

const HOST = 'cached.example';
const ORPHAN = '11111111-1111-4111-8111-111111111111';

let server: CacheServer;
let state: TempDir;
let api: TestControlApi;
let cache: Cache;
let deploymentId: string;

beforeAll(async () => {
  server = await startCacheServer();
  state = await makeTempDir('cli-cache');
  const target = parseCacheUrl(server.url) ?? { kind: 'memory' };
  cache = openCache(defaultCacheConfig({ target, timeoutMs: 5000 }), {
    log: silentLogger(),
    registry: createRegistry(),
  });
  await cache.connect();
  api = await startTestControlApi({ directory: state.path, cache });
  await api.send('POST', apiPaths.projects(), { name: 'cached' });
  const shown = await deploy(api, 'cached', [{ path: '/index.html', content: 'x' }], { domains: [HOST] });
  deploymentId = shown.deployment.id;
});

afterAll(async () => {
  await api.close();
  await cache.close();
  await server.close();
  await state.remove();
});

const run = (args: readonly string[], env: Record<string, string> = {}): Promise<CliRun> =>
  origan(['cache', ...args], {
    env: { ORIGAN_API_URL: api.url, ORIGAN_TOKEN: TEST_TOKEN, CACHE_URL: server.url, ...env },
  });

describe('origan cache', () => {
  test('stats names the server and what it counts', async () => {
    const { code, out } = await run(['stats']);
    expect([code, out]).toEqual([0, expect.stringMatching(/^server +(?:Redis|Valkey|Dragonfly) [\d.]+\n/)]);
    expect(JSON.parse((await run(['stats', '--json'])).out)).toMatchObject({
      state: 'up',
      server: { software: expect.any(String) },
    });
  });

  test('get shows a value and its age, and no secret', async () => {
    const found = JSON.parse((await run(['get', `domain:${HOST}`, '--json'])).out);
    expect(found).toMatchObject({ kind: 'hit', value: { deploymentId } });
    await cache.set(keys.deploymentMetadata(deploymentId), {
      deploymentId,
      projectId: 'p',
      environmentRevisionId: null,
      createdAt: '2026-01-01T00:00:00Z',
      environmentVariables: { TOKEN: 'hunter2' },
    });
    const metadata = await run(['get', `deployment:${deploymentId}:metadata`]);
    expect(metadata.out).toContain('"TOKEN": "(hidden)"');
    expect(metadata.out).not.toContain('hunter2');
    expect((await run(['get', 'domain:nobody.example'])).code).toBe(5);
    expect((await run(['get', 'github:token:1:2'])).err).toContain('is no key that can be shown');
  });

  test('keys lists names by pattern', async () => {
    expect((await run(['keys', 'domain:*'])).out.split('\n')).toContain(`domain:${HOST}`);
    expect((await run(['keys', 'domain:*', '-n', '1'])).out.trim().split('\n')).toHaveLength(1);
    expect((await run(['keys', 'nothing:*'])).out).toBe('');
  });

  test('purge ends a domain, a deployment, a tag, or everything of a project', async () => {
    const purge = (...args: string[]): Promise<CliRun> => run(['purge', '-p', 'cached', ...args]);
    const { code, out } = await purge('--domain', HOST);
    expect([code, out]).toEqual([0, expect.stringMatching(/^\d+ keys? ended on 0 of 0 gateways after/)]);
    expect((await cache.get(keys.domain(HOST))).kind).not.toBe('hit');
    expect((await purge('--deployment', deploymentId.slice(0, 8))).code).toBe(0);
    expect((await purge('--tag', 'a', '--tag', 'b', '--soft')).code).toBe(0);
    expect((await purge('--all')).code).toBe(0);
    expect((await purge('--domain', 'nobody.example')).code).toBe(5);
    expect((await purge()).err).toContain('must say what to purge');
    expect((await purge('--all', '--tag', 'x')).code).toBe(2);
  });

  test('warm asks the gateways', async () => {
    expect((await run(['warm', HOST])).out).toContain('Every gateway was asked to warm 1');
    expect((await run(['warm', 'http://x/'])).code).toBe(2);
  });

  test('sweep lists what nothing stands behind, and removes it when told to', async () => {
    await cache.set(keys.deploymentExists(ORPHAN), true);
    await cache.set(keys.deploymentExists(deploymentId), true);
    const listed = await run(['sweep']);
    expect(listed.out).toContain(`deployment:${ORPHAN}:exists\n`);
    expect(listed.out).not.toContain(deploymentId);
    expect((await cache.get(keys.deploymentExists(ORPHAN))).kind).toBe('hit');
    expect((await run(['sweep', '--remove'])).out).toMatch(/, 1 removed\n$/);
    expect((await cache.get(keys.deploymentExists(ORPHAN))).kind).toBe('miss');
    expect((await cache.get(keys.deploymentExists(deploymentId))).kind).toBe('hit');
  });

  test.each([
    ['no server named', { CACHE_URL: '' }, 2, 'Set CACHE_URL'],
    ['a malformed address', { CACHE_URL: 'http://x' }, 2, 'CACHE_URL: must be redis://'],
    ['nothing there', { CACHE_URL: '127.0.0.1:1' }, 3, 'The cache server at 127.0.0.1:1 cannot be used'],
    ['switched off', { CACHE_ENABLED: 'false' }, 2, 'switched off by CACHE_ENABLED'],
  ])('%s: one clear message', async (_, env, exitCode, message) => {
    for (const args of [['stats'], ['get', `domain:${HOST}`], ['keys'], ['warm', HOST], ['sweep']]) {
      const { code, err } = await run(args, env);
      expect([args[0], code, err]).toEqual([args[0], exitCode, expect.stringContaining(message)]);
    }
  });
});
