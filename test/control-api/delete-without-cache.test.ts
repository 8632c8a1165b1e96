import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Cache } from '../../cache/cache.ts';
import { keys, keysOfDeployment } from '../../cache/keys.ts';
import { apiPaths } from '../../contracts/control-api.ts';
import { startCacheServer, type CacheServer } from '../support/cache-server.ts';
import {
  askConfig,
  connectCache,
  deploy,
  startTestControlApi,
  type TestControlApi,
} from '../support/control-api.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

// What is deleted while the control API is cut off from the cache server must be gone there, too, once it is back:
// gateways that reach the server all the time serve by what it holds.

const LINE = { timeMs: 1, level: 'info', message: 'secret of a user', source: 'function' } as const;

let dir: TempDir;
let server: CacheServer;
let way: TcpProxy;
let caches: { own: Cache; others: Cache };
let api: TestControlApi;

beforeAll(async () => {
  [dir, server] = await Promise.all([makeTempDir('delete'), startCacheServer()]);
  way = await startTcpProxy(server);
  caches = { own: await connectCache(way), others: await connectCache(server) };
  api = await startTestControlApi({ directory: dir.path, cache: caches.own });
});
afterAll(async () => {
  await api.close();
  await caches.own.close();
  await caches.others.close();
  await way.close();
  await server.close();
  await dir.remove();
});

async function cut(): Promise<void> {
  way.refuse();
  await expect.poll(() => caches.own.state()).toBe('down');
}

async function mend(): Promise<void> {
  way.allow();
  await expect.poll(() => caches.own.state()).toBe('up');
}

/** What the cache server says of the deployment and the host to somebody who has not asked before. */
async function kept(id: string, host: string): Promise<string[]> {
  const reader = await connectCache(server);
  try {
    const found: string[] = [];
    for (const key of [...keysOfDeployment(id), keys.domain(host)])
      if ((await reader.get(key)).kind === 'hit') found.push(key.name);
    const logs = await reader.readList(keys.functionLogs(id), 0);
    if (logs.kind === 'error') throw logs.cause;
    return logs.items.length === 0 ? found : [...found, 'logs'];
  } finally {
    await reader.close();
  }
}

/** A deployment that nothing shows, with all that the cache can hold of one. */
async function makeOld(project: string): Promise<{ id: string; host: string }> {
  await api.send('POST', apiPaths.projects(), { name: project });
  const old = await deploy(api, project, [{ path: '/a.txt', content: `old ${project}` }]);
  await deploy(api, project, [{ path: '/a.txt', content: `new ${project}` }]);
  const { id, previewHost: host } = old.deployment;
  const { body } = await askConfig(api, host);
  const site = body.result.data.json;
  await caches.others.set(keys.domain(host), site, { rev: site.rev });
  await caches.others.set(keys.deploymentExists(id), true);
  await caches.others.set(keys.deploymentConfig(id), site.config);
  await caches.others.append(keys.functionLogs(id), [LINE]);
  return { id, host };
}

it('a deployment leaves nothing in the cache once it is back', async () => {
  const { id, host } = await makeOld('one');
  expect(await kept(id, host)).toEqual(
    expect.arrayContaining([`domain:${host}`, `deployment:${id}:exists`, `deployment:${id}:config`, 'logs']),
  );
  await cut();
  const deleted = await api.send('DELETE', apiPaths.deployment('one', id));
  expect([deleted.status, deleted.body.kind]).toEqual([200, 'deployment']);
  expect((await askConfig(api, host)).status).toBe(404);
  expect(await kept(id, host)).not.toEqual([]);
  await mend();
  await expect.poll(() => kept(id, host)).toEqual([]);
});

it('a project likewise', async () => {
  const { id, host } = await makeOld('two');
  await cut();
  expect((await api.send('DELETE', apiPaths.project('two'))).status).toBe(200);
  expect(await kept(id, host)).not.toEqual([]);
  await mend();
  await expect.poll(() => kept(id, host)).toEqual([]);
});
