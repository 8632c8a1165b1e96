import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Cache } from '../../cache/cache.ts';
import { keys } from '../../cache/keys.ts';
import { deploymentTag } from '../../cache/tags.ts';
import { adminPaths } from '../../contracts/control-api-admin.ts';
import { apiPaths } from '../../contracts/control-api.ts';
import { trackPaths } from '../../contracts/tracks.ts';
import { startCacheServer, type CacheServer } from '../support/cache-server.ts';
import { connectCache, deploy, startTestControlApi, type TestControlApi } from '../support/control-api.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

let server: CacheServer;
let cache: Cache;
let dir: TempDir;
let api: TestControlApi;

beforeEach(async () => {
  [server, dir] = await Promise.all([startCacheServer(), makeTempDir('sweep-cache')]);
  cache = await connectCache(server);
  api = await startTestControlApi({ directory: dir.path, cache });
  await api.send('POST', apiPaths.projects(), { name: 'site' });
});
afterEach(async () => {
  await api.close();
  await cache.close();
  await server.close();
  await dir.remove();
});

it('removes from the cache what the retention removed from the database, and nothing of what is left', async () => {
  const build = (text: string): ReturnType<typeof deploy> =>
    deploy(api, 'site', [{ path: '/index.html', content: text }]);
  const gone = (await build('one')).deployment;
  const kept = (await build('two')).deployment;
  // What the track itself says counts at once: what was shown a moment ago is otherwise kept for open pages.
  await api.send('PATCH', trackPaths.track('site', 'production'), { retention: 0 });
  const ofBoth = [gone.id, kept.id].flatMap((id) => [keys.deploymentExists(id), keys.deploymentMetadata(id)]);
  await cache.set(keys.deploymentExists(gone.id), true);
  await cache.set(keys.deploymentExists(kept.id), true);
  for (const { id } of [gone, kept]) await cache.set(keys.response(id, 'stored'), Buffer.from('answer'));
  await cache.tagVersions(kept.projectId, [deploymentTag(kept.id)]);
  await server.admin().set('deployment:of-somebody-else:config', 'x');

  const { body } = await api.send('POST', adminPaths.sweep());
  // Its own keys end with the deployment; the response is what is left behind.
  expect(body).toMatchObject({ deployments: 1, cacheKeys: expect.any(Number) });
  expect(body.cacheKeys).toBeGreaterThanOrEqual(1);
  const kindOf = async (key: Parameters<Cache['get']>[0]): Promise<string> => (await cache.get(key)).kind;
  expect(await Promise.all(ofBoth.map(kindOf))).toEqual(['miss', 'miss', 'hit', 'hit']);
  expect(await kindOf(keys.response(gone.id, 'stored'))).toBe('miss');
  expect(await kindOf(keys.response(kept.id, 'stored'))).toBe('hit');
  expect(await kindOf(keys.tag(kept.projectId, deploymentTag(kept.id)))).toBe('hit');
  expect(await server.admin().get('deployment:of-somebody-else:config')).toBe('x');
  expect((await api.send('POST', adminPaths.sweep())).body.cacheKeys).toBe(0);
});
