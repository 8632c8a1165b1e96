import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Cache } from '../../cache/cache.ts';
import { keys } from '../../cache/keys.ts';
import { adminPaths } from '../../contracts/control-api-admin.ts';
import { trackPaths } from '../../contracts/tracks.ts';
import { apiPaths, type Deployment } from '../../contracts/control-api.ts';
import type { StaticResource } from '../../contracts/manifest.ts';
import { systemClock } from '../../core/clock.ts';
import type { ObjectStore } from '../../store/object-store.ts';
import { startCacheServer, type CacheServer } from '../support/cache-server.ts';
import {
  askConfig,
  connectCache,
  deploy,
  startTestControlApi,
  talkTo,
  TEST_TOKEN,
  type File,
  type TestControlApi,
} from '../support/control-api.ts';
import { startPostgres, type PostgresServer } from '../support/postgres.ts';
import { startHttpProxy } from '../support/http-proxy.ts';
import { startNode } from '../support/process.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';
import { forkCrashing } from './programs/fork-crashing.ts';

const HOST = 'www.crash.example';
const LOCKS_LEFT_EVERY = 8;

let postgres: PostgresServer;
let cacheServer: CacheServer;
let dir: TempDir;
let databaseUrl = '';
let gatewayCache: Cache;
const children = new Set<ChildProcess>();

beforeAll(async () => {
  [postgres, cacheServer, dir] = await Promise.all([
    startPostgres(),
    startCacheServer(),
    makeTempDir('crash'),
  ]);
  databaseUrl = await postgres.createDatabase();
  await mkdir(join(dir.path, 'bucket'));
  gatewayCache = await connectCache(cacheServer);
});
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await gatewayCache.close();
  await cacheServer.close();
  await postgres.close();
  await dir.remove();
});

type Crashing = { child: ChildProcess; api: Pick<TestControlApi, 'url' | 'send'> };

/** A process that has loaded everything and starts when it is told to. */
function forkAhead(): ChildProcess {
  const child = forkCrashing({
    databaseUrl,
    bucket: join(dir.path, 'bucket'),
    cacheUrl: cacheServer.url,
    stateDirectory: dir.path,
  });
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

let ahead: ChildProcess | undefined;

/** A control API in a process of its own that can be told where to die. */
async function startCrashing(): Promise<Crashing> {
  const child = ahead ?? forkAhead();
  ahead = forkAhead();
  child.send({ isToStart: true });
  const [message] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => Promise.reject(new Error('the control API ended while it started'))),
  ]);
  return { child, api: talkTo((message as { url: string }).url) };
}

async function arm({ child }: Crashing, crashAt: number): Promise<void> {
  const armed = once(child, 'message');
  child.send({ crashAt });
  await armed;
}

/**
 * A lock that a dead process holds costs the next deploy two seconds. That it does no more than that is seen now and
 * then; in between it is taken away.
 */
async function freeLock(crashes: number): Promise<void> {
  if (crashes % LOCKS_LEFT_EVERY === 0) return;
  const admin = cacheServer.admin();
  const held = await admin.keys('*deploy:lock:*');
  if (held.length > 0) await admin.del(held);
  admin.disconnect();
}

const filesOf = (round: number): File[] => [
  { path: '/index.html', content: `<p>round ${round}, and on and on\n`.repeat(100) },
  { path: '/same.css', content: 'p { color: red }' },
];

/** What the host shows is one whole deployment that succeeded, in the database, the bucket and the cache alike. */
async function checkShown(
  api: Pick<TestControlApi, 'url' | 'send'>,
  store: ObjectStore,
  cache: Cache | null = gatewayCache,
): Promise<string> {
  const reply = await askConfig(api, HOST);
  expect(reply.status).toBe(200);
  const shown = reply.body.result.data.json;
  const { body } = await api.send('GET', apiPaths.deployment('site', shown.deploymentId));
  expect(body).toMatchObject({ status: 'success', isLive: true });
  const track = await askConfig(api, String(body.previewHost).replace(/^.*--/, ''));
  expect(track.body.result.data.json.deploymentId).toBe(shown.deploymentId);
  for (const resource of shown.config.resources as StaticResource[]) {
    const hashes = [resource.hash, ...Object.values(resource.encodings ?? {}).map((form) => form?.hash)];
    for (const hash of hashes) {
      expect(await store.head(`projects/${shown.projectId}/objects/${hash}`)).toBeDefined();
    }
  }
  for (const name of ['manifest.json', 'metadata.json']) {
    expect(await store.head(`deployments/${shown.deploymentId}/${name}`)).toBeDefined();
  }
  const cached = await cache?.get(keys.domain(HOST));
  if (cached?.kind === 'hit') expect(cached.value.deploymentId).toBe(shown.deploymentId);
  return shown.deploymentId;
}

describe('kill -9 of the control API', () => {
  it('at any step of a deploy leaves the old or the new one shown, whole, and nothing for ever', async () => {
    const store = (await startTestStore()).store;
    let current = await startCrashing();
    await current.api.send('POST', apiPaths.projects(), { name: 'site' });
    await deploy(current.api, 'site', filesOf(0), { domains: [HOST] });
    let before = await checkShown(current.api, store);
    let crashes = 0;
    for (let step = 1; ; step += 1) {
      await arm(current, step);
      const ended = once(current.child, 'exit');
      const outcome = await deploy(current.api, 'site', filesOf(step), { domains: [HOST] }).catch(
        () => undefined,
      );
      if (outcome !== undefined) break;
      crashes += 1;
      await ended;
      [current] = await Promise.all([startCrashing(), freeLock(crashes)]);
      const after = await checkShown(current.api, store);
      // Either the one of before, or, where it died after the commit, the new one; nothing else.
      if (after !== before) {
        const { body } = await current.api.send('GET', apiPaths.deployments('site'));
        expect(body.deployments[0].id).toBe(after);
      }
      before = after;
    }
    // Begin, an upload and finish: some dozens of statements, commits, objects and entries.
    expect(crashes).toBeGreaterThan(20);
    current.child.kill('SIGKILL');
    await expectNothingLeaks(store);
  }, 900_000);
});

describe('kill -9 of the deploying process', () => {
  it('at any of its requests leaves the old one shown, and the next deploy works', async () => {
    const own = await makeTempDir('crash-cli');
    const api = await startTestControlApi({ directory: own.path });
    await api.send('POST', apiPaths.projects(), { name: 'site' });
    const site = join(own.path, 'site');
    await mkdir(site);
    const write = async (round: number): Promise<void> => {
      for (const { path, content } of filesOf(round)) await writeFile(join(site, path), content);
    };
    await write(0);
    await deploy(api, 'site', filesOf(0), { domains: [HOST] });
    const before = await checkShown(api, api.store, null);
    let kills = 0;
    for (let request = 1; ; request += 1) {
      await write(request);
      const proxy = await startHttpProxy(api.url);
      const cli = startNode('cli/main.ts', {
        args: ['deploy', site, '--project', 'site', '--domain', HOST],
        env: { ORIGAN_API_URL: proxy.url, ORIGAN_TOKEN: TEST_TOKEN, NO_COLOR: '1' },
      });
      // Killed in the middle of its request, which has begun to arrive.
      proxy.onRequest = (count) => count === request && cli.child.kill('SIGKILL');
      const { code, signal } = await cli.exited;
      await proxy.close();
      if (signal === null) {
        expect([code, cli.stderr()]).toEqual([0, expect.any(String)]);
        break;
      }
      kills += 1;
      const after = await checkShown(api, api.store, null);
      // Its last request may have been taken before it died.
      const { body } = await api.send('GET', apiPaths.deployments('site'));
      if (after !== before) expect(body.deployments[0].id).toBe(after);
    }
    expect(kills).toBeGreaterThan(2);
    expect(await checkShown(api, api.store, null)).not.toBe(before);
    await api.close();
    await own.remove();
  }, 300_000);
});

async function startTestStore(): Promise<{ store: ObjectStore }> {
  const { openStore } = await import('../../store/open-store.ts');
  const { silentLogger } = await import('../../core/log.ts');
  return { store: openStore({ kind: 'directory', root: join(dir.path, 'bucket') }, { log: silentLogger() }) };
}

/** Three hours later: what the crashes left behind is gone, what is in use is not. */
async function expectNothingLeaks(store: ObjectStore): Promise<void> {
  const api = await startTestControlApi({
    directory: dir.path,
    env: { DATABASE_URL: databaseUrl, UNFINISHED_DEPLOYMENT_TIMEOUT_MS: '1000' },
    clock: { ...systemClock, nowMs: () => Date.now() + 3 * 3_600_000 },
  });
  // What was replaced lately would stay, unless the track wants none of it.
  const kept = await api.send('PATCH', trackPaths.track('site', 'production'), { retention: 0 });
  expect(kept.status).toBe(200);
  await expect
    .poll(async () => {
      await api.send('POST', adminPaths.sweep());
      const { body } = await api.send('GET', apiPaths.deployments('site'));
      return (body.deployments as Deployment[]).filter(
        ({ status }) => status === 'pending' || status === 'deploying',
      );
    })
    .toEqual([]);
  const live = await checkShown(api, store);
  const { body } = await askConfig(api, HOST);
  const resources: StaticResource[] = body.result.data.json.config.resources;
  const needed = resources.flatMap(({ hash, encodings = {} }) => [
    hash,
    ...Object.values(encodings).map((form) => form?.hash),
  ]);
  const objects: string[] = [];
  const deployments = new Set<string>();
  for await (const { key } of store.list('')) {
    if (key.startsWith('deployments/')) deployments.add(key.split('/')[1] ?? '');
    else objects.push(key.split('/').at(-1) ?? '');
  }
  expect(new Set(objects)).toEqual(new Set(needed));
  // Failed ones are kept for a week, for their owners to read why; only one that shows has anything to show.
  expect([...deployments]).toContain(live);
  await api.close();
}
