import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Cache } from '../../cache/cache.ts';
import { keys } from '../../cache/keys.ts';
import { apiPaths } from '../../contracts/control-api.ts';
import { startCacheServer, type CacheServer } from '../support/cache-server.ts';
import { connectCache, deploy, startTestControlApi, type TestControlApi } from '../support/control-api.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';
import { waitUntil } from '../support/wait-until.ts';

let server: CacheServer;
let dir: TempDir;
let gateway: Cache;
let cache: Cache;
let api: TestControlApi;

beforeAll(async () => {
  [server, dir] = await Promise.all([startCacheServer(), makeTempDir('warm')]);
  [cache, gateway] = await Promise.all([connectCache(server), connectCache(server, { holdsLease: true })]);
  await waitUntil(() => gateway.holdsLease());
  api = await startTestControlApi({ directory: dir.path, cache });
  await api.send('POST', apiPaths.projects(), { name: 'warm' });
});
afterAll(async () => {
  await api.close();
  await Promise.all([cache.close(), gateway.close()]);
  await server.close();
  await dir.remove();
});

describe('a deployment with functions', () => {
  it('is in the memory of gateways before anybody asks for it', async () => {
    const { deployment } = await deploy(api, 'warm', [
      { path: '/index.html', content: 'hello' },
      { path: '/api', content: 'export default () => new Response("hi")', kind: 'dynamic' },
    ]);
    const key = keys.deploymentMetadata(deployment.id);
    await expect.poll(() => gateway.peek(key)?.deploymentId).toBe(deployment.id);
  });

  it('without functions has nothing to be fetched', async () => {
    // Another project: its first flip waits for nobody.
    await api.send('POST', apiPaths.projects(), { name: 'plain' });
    const { deployment } = await deploy(api, 'plain', [{ path: '/index.html', content: 'again' }]);
    expect(gateway.peek(keys.deploymentMetadata(deployment.id))).toBeUndefined();
  });
});
