import { LRUCache } from 'lru-cache';
import type { Cache } from '../../cache/cache.ts';
import { keys } from '../../cache/keys.ts';
import type { Loaded } from '../../cache/lookup.ts';
import { parseManifest, type Manifest } from '../../contracts/manifest.ts';
import { manifestKey } from '../../contracts/object-keys.ts';
import { MAX_RECENT_BUILDS, PIN_DAYS, type RecentBuild } from '../../contracts/recent-builds.ts';
import { EdgeError, messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { ObjectStore } from '../../store/object-store.ts';
import type { CompiledSite } from './compile-site.ts';
import type { ControlApiClient } from './control-api-client.ts';
import type { SiteCompiler } from './site-compiler.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const MAX_MANIFEST_BYTES = 16 * 1024 * 1024;
const MAX_LISTS = 10_000;
/** Builds in all lists together. */
const MAX_LISTED = 500_000;
/** Builds whose manifests are looked into for a file that the present one lacks: each may have to be read. */
const MAX_SEARCHED = 20;
const LIST_TTL_MS = 60_000;
// While the control API is slow or down, requests wait for it once in a while and not each time.
const FAILED_TTL_MS = 15_000;
const MANIFESTS = keys.deploymentConfig('').family.name;

/** The builds that a host showed before the present one. */
export type RecentSites = {
  /** A build that the host showed within the last 30 days; undefined for any other id. */
  find(host: string, present: CompiledSite, deploymentId: string): Promise<CompiledSite | undefined>;
  /** The newest of them that has a file at the path. */
  findWithFile(host: string, present: CompiledSite, path: string): Promise<CompiledSite | undefined>;
};

export type RecentSitesParts = {
  cache: Cache;
  controlApi: Pick<ControlApiClient, 'recentBuilds'>;
  store: ObjectStore;
  compile: SiteCompiler;
  nowMs: () => number;
  log: Logger;
};

/** Looks builds up only when a request asks for one; whatever fails on the way, the present build answers instead. */
export function createRecentSites(parts: RecentSitesParts): RecentSites {
  const listOf = createLists(parts);
  const siteOf = async (present: CompiledSite, id: string): Promise<CompiledSite | undefined> => {
    const { projectId } = present.record;
    const found = await parts.cache.getWithFallback(keys.deploymentConfig(id), (signal) =>
      loadManifest(parts.store, id, signal),
    );
    if (found.kind !== 'found') return undefined;
    return parts.compile({ deploymentId: id, projectId, config: found.value }, present.isPreview);
  };
  return {
    find: async (host, present, id) => {
      const builds = await listOf(host, present);
      return builds.some((build) => build.deploymentId === id) ? siteOf(present, id) : undefined;
    },
    findWithFile: async (host, present, path) => {
      for (const { deploymentId } of (await listOf(host, present)).slice(0, MAX_SEARCHED)) {
        const site = await siteOf(present, deploymentId);
        if (site?.files.has(path) === true) return site;
      }
      return undefined;
    },
  };
}

/** Lists by host and present build, so that a flip is seen at once and a list stands for as long as the build does. */
function createLists({
  cache,
  controlApi,
  nowMs,
  log,
}: RecentSitesParts): (host: string, present: CompiledSite) => Promise<RecentBuild[]> {
  const lists = new LRUCache<string, Promise<RecentBuild[]>>({
    max: MAX_LISTS,
    maxSize: MAX_LISTED,
    ttl: LIST_TTL_MS,
  });
  let generation = 0;
  // A build that was deleted must not be found any more, nor by an answer that was on its way meanwhile.
  cache.onInvalidated((event) => {
    if (event.kind === 'key' && event.family !== MANIFESTS) return;
    generation += 1;
    lists.clear();
  });
  const load = async (key: string, host: string): Promise<RecentBuild[]> => {
    const began = generation;
    const keep = (builds: RecentBuild[], options: { ttl?: number }): RecentBuild[] => {
      if (began === generation)
        lists.set(key, Promise.resolve(builds), { ...options, size: builds.length + 1 });
      return builds;
    };
    try {
      return keep((await controlApi.recentBuilds(host)).slice(0, MAX_RECENT_BUILDS), {});
    } catch (error) {
      log.warn({ error: messageOf(error) }, 'recent builds are not known just now');
      return keep([], { ttl: FAILED_TTL_MS });
    }
  };
  return async (host, present) => {
    const key = `${host} ${present.record.deploymentId}`;
    const known = lists.get(key) ?? load(key, host);
    if (!lists.has(key)) lists.set(key, known, { size: 1 });
    const sinceMs = nowMs() - PIN_DAYS * DAY_MS;
    return (await known).filter(({ shownUntil }) => Date.parse(shownUntil) > sinceMs);
  };
}

async function loadManifest(
  store: ObjectStore,
  deploymentId: string,
  signal: AbortSignal,
): Promise<Loaded<Manifest>> {
  const bytes = await store.read(manifestKey(deploymentId), { maxBytes: MAX_MANIFEST_BYTES, signal });
  if (bytes === undefined) return { kind: 'absent' };
  const parsed = parseManifest(JSON.parse(bytes.toString('utf8')));
  if (parsed.kind === 'valid') return { kind: 'found', value: parsed.manifest };
  throw new EdgeError('BAD_MANIFEST', { detail: parsed.problem });
}
