import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Cache } from '../../../cache/cache.ts';
import { defaultCacheConfig } from '../../../cache/config.ts';
import { keys } from '../../../cache/keys.ts';
import { createMemoryServer, openCache } from '../../../cache/open-cache.ts';
import type { RecentBuild } from '../../../contracts/recent-builds.ts';
import { silentLogger } from '../../../core/log.ts';
import { createRegistry } from '../../../core/metrics.ts';
import { compileSite } from '../../../gateway/site/compile-site.ts';
import { createRecentSites, type RecentSites } from '../../../gateway/site/recent-sites.ts';
import { createSiteCompiler } from '../../../gateway/site/site-compiler.ts';
import { createDirectoryStore } from '../../../store/directory-store.ts';
import { siteOf } from '../../support/serve-sites.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const present = compileSite(siteOf({ '/index.html': 'present' }, {}, 'present').record, false);
const before = siteOf({ '/index.html': 'before' }, {}, 'before').record;
const log = silentLogger();

let caches: Cache[];
let bucket: Awaited<ReturnType<typeof makeTempDir>>;
let builds: RecentBuild[];
let answering: Promise<unknown>;
let sites: RecentSites;

beforeEach(async () => {
  const memoryServer = createMemoryServer();
  caches = [true, false].map((holdsLease) =>
    openCache(defaultCacheConfig(), { log, registry: createRegistry(), memoryServer, holdsLease }),
  );
  await Promise.all(caches.map((cache) => cache.connect()));
  bucket = await makeTempDir('recent');
  const store = createDirectoryStore(bucket.path, log);
  await store.put('deployments/before/manifest.json', Buffer.from(JSON.stringify(before.config)));
  builds = [{ deploymentId: 'before', shownUntil: new Date().toISOString() }];
  answering = Promise.resolve();
  const recentBuilds = async (): Promise<RecentBuild[]> => {
    const known = builds;
    await answering;
    return known;
  };
  const [cache] = caches;
  if (cache === undefined) throw new Error('no cache');
  const compile = createSiteCompiler();
  sites = createRecentSites({
    cache,
    controlApi: { recentBuilds },
    store,
    compile,
    nowMs: () => Date.now(),
    log,
  });
});

afterEach(async () => {
  await Promise.all(caches.map((cache) => cache.close()));
  await bucket.remove();
});

const find = async (): Promise<string | undefined> =>
  (await sites.find('a.example', present, 'before'))?.record.deploymentId;

/** As the control API does when a deployment is deleted. */
async function deleteBefore(): Promise<void> {
  builds = [];
  expect(await caches[1]?.invalidate(keys.deploymentConfig('before'))).toMatchObject({ isComplete: true });
}

it('a build that was deleted is not found again once that is acknowledged', async () => {
  expect(await find()).toBe('before');
  await deleteBefore();
  expect(await find()).toBeUndefined();
});

it('nor by a list that was on its way when it was deleted', async () => {
  const answer = Promise.withResolvers<void>();
  answering = answer.promise;
  const early = find();
  await deleteBefore();
  answer.resolve();
  await early;
  expect(await find()).toBeUndefined();
});
