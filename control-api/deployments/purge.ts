import { and, eq, isNotNull } from 'drizzle-orm';
import type { PurgeMode } from '../../cache/cache.ts';
import type { CacheKey } from '../../cache/keys.ts';
import { keys, keysOfDeployment } from '../../cache/keys.ts';
import type { Invalidation } from '../../cache/lookup.ts';
import { deploymentTag } from '../../cache/tags.ts';
import type { Purge, PurgeResult } from '../../contracts/control-api.ts';
import { mapConcurrently } from '../batches.ts';
import type { Context } from '../context.ts';
import { domains } from '../database/schema.ts';
import { findOwnDomain } from '../domains/find-domain.ts';
import type { ProjectRow } from '../projects/project.ts';
import { getDeployment } from './deployment.ts';
import { ownKey } from './own-keys.ts';
import { recentBuildsOf } from './recent-by-host.ts';
import { tagsOfUrl } from './url-tags.ts';

/** Each tag is announced by itself, and awaited. */
const TAGS_AT_ONCE = 32;

/** Ends what caches have, or makes it stale: mappings of hosts, what is kept of a deployment, stored responses by their tags. */
export async function purge(
  context: Context,
  { project, body }: { project: ProjectRow; body: Purge },
): Promise<PurgeResult> {
  const began = context.clock.monotonicMs();
  const outcomes = await endWhatIsNamed(context, project, body);
  const keysEnded = outcomes.reduce((sum, { ended }) => sum + ended, 0);
  const expired = new Set(outcomes.flatMap(({ outcome }) => outcome.expired));
  const acknowledged = new Set(outcomes.flatMap(({ outcome }) => outcome.acknowledged));
  return {
    keys: keysEnded,
    acknowledged: [...acknowledged].filter((instance) => !expired.has(instance)).toSorted(),
    expired: [...expired].toSorted(),
    isComplete: context.cache.state() === 'disabled' || outcomes.every(({ outcome }) => outcome.isComplete),
    durationMs: Math.round((context.clock.monotonicMs() - began) * 100) / 100,
  };
}

type Ended = { ended: number; outcome: Invalidation };

async function endWhatIsNamed(context: Context, project: ProjectRow, body: Purge): Promise<Ended[]> {
  const mode = body.isSoft === true ? 'soft' : 'hard';
  const endTags = (tags: readonly string[]): Promise<Ended[]> => endEachTag(context, { project, tags, mode });
  const end = (ended: readonly CacheKey<unknown>[]): Promise<Ended> => endKeys(context, ended, mode);
  switch (body.kind) {
    case 'domain': {
      const { host, ids } = await shownAt(context, project, body.host);
      return [await end([keys.domain(host)]), ...(await endTags(ids.map(deploymentTag)))];
    }
    case 'deployment': {
      const { id } = await getDeployment(context.db, project, body.deploymentId);
      return [await end(keysOfDeployment(id)), ...(await endTags([deploymentTag(id)]))];
    }
    case 'urls': {
      const tags = await Promise.all(body.urls.map((url) => tagsOfUrl(context, project, url)));
      return await endTags(tags.flat());
    }
    case 'tags':
      return await endTags(body.tags);
    case 'keys': {
      return [await end(await Promise.all(body.keys.map((name) => ownKey(context, project, name))))];
    }
    case 'project': {
      const { hosts, ids } = await shownBy(context, project);
      const ended = [...hosts.map((host) => keys.domain(host)), ...ids.flatMap(keysOfDeployment)];
      return [await end(ended), ...(await endTags(ids.map(deploymentTag)))];
    }
    default:
      return body satisfies never;
  }
}

/** What a host shows, and what it showed to those who are still looking at it. */
async function shownAt(
  context: Context,
  project: ProjectRow,
  typed: string,
): Promise<{ host: string; ids: string[] }> {
  const { host, deploymentId } = await findOwnDomain(context, project, typed);
  const recent = await recentBuildsOf(context, host);
  return {
    host,
    ids: [...(deploymentId === null ? [] : [deploymentId]), ...recent.map((build) => build.deploymentId)],
  };
}

/** Every host of the project, and every deployment that any of them shows: all that are complete have one of their own. */
async function shownBy({ db }: Context, project: ProjectRow): Promise<{ hosts: string[]; ids: string[] }> {
  const rows = await db
    .select({ host: domains.host, deploymentId: domains.deploymentId })
    .from(domains)
    .where(and(eq(domains.projectId, project.id), isNotNull(domains.deploymentId)));
  const ids = new Set(rows.flatMap(({ deploymentId }) => deploymentId ?? []));
  return { hosts: rows.map(({ host }) => host), ids: [...ids] };
}

async function endKeys(
  { cache }: Context,
  ended: readonly CacheKey<unknown>[],
  mode: PurgeMode,
): Promise<Ended> {
  return { ended: ended.length, outcome: await cache.invalidateMany(ended, { mode }) };
}

type Tags = { project: ProjectRow; tags: readonly string[]; mode: PurgeMode };

async function endEachTag({ cache }: Context, { project, tags, mode }: Tags): Promise<Ended[]> {
  return mapConcurrently([...new Set(tags)], TAGS_AT_ONCE, async (tag) => ({
    ended: 1,
    outcome: await cache.purgeTag(project.id, tag, mode),
  }));
}
