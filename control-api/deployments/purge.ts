import { and, eq, isNotNull } from 'drizzle-orm';
import type { CacheKey } from '../../cache/keys.ts';
import { keys, keysOfDeployment } from '../../cache/keys.ts';
import type { Invalidation } from '../../cache/lookup.ts';
import { deploymentTag } from '../../cache/tags.ts';
import type { Purge, PurgeResult } from '../../contracts/control-api.ts';
import { normalizeHost } from '../../core/host.ts';
import type { Context } from '../context.ts';
import { domains } from '../database/schema.ts';
import { notFound } from '../failure.ts';
import type { ProjectRow } from '../projects/project.ts';
import { getDeployment } from './deployment.ts';

/** Ends what caches have: mappings of hosts, what is kept of a deployment, stored responses by their tags. */
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
  switch (body.kind) {
    case 'domain':
      return [await endKeys(context, [keys.domain(await ownHost(context, project, body.host))])];
    case 'deployment': {
      const { id } = await getDeployment(context.db, project, body.deploymentId);
      return [
        await endKeys(context, keysOfDeployment(id)),
        await endTag(context, project, deploymentTag(id), 'hard'),
      ];
    }
    case 'tags': {
      const mode = body.isSoft === true ? 'soft' : 'hard';
      return await Promise.all(body.tags.map((tag) => endTag(context, project, tag, mode)));
    }
    case 'project':
      return await endProject(context, project);
    default:
      return body satisfies never;
  }
}

/** Every host of the project, and every response that any of its shown deployments has stored. */
async function endProject(context: Context, project: ProjectRow): Promise<Ended[]> {
  const rows = await context.db
    .select({ host: domains.host, deploymentId: domains.deploymentId })
    .from(domains)
    .where(and(eq(domains.projectId, project.id), isNotNull(domains.deploymentId)));
  const ids = new Set(rows.flatMap(({ deploymentId }) => deploymentId ?? []));
  const hosts = rows.map(({ host }) => keys.domain(host));
  const tags = [...ids].map((id) => endTag(context, project, deploymentTag(id), 'hard'));
  return [
    await endKeys(context, [...hosts, ...[...ids].flatMap(keysOfDeployment)]),
    ...(await Promise.all(tags)),
  ];
}

async function endKeys({ cache }: Context, ended: readonly CacheKey<unknown>[]): Promise<Ended> {
  return { ended: ended.length, outcome: await cache.invalidateMany(ended) };
}

async function endTag(
  { cache }: Context,
  project: ProjectRow,
  tag: string,
  mode: 'soft' | 'hard',
): Promise<Ended> {
  return { ended: 1, outcome: await cache.purgeTag(project.id, tag, mode) };
}

async function ownHost({ db }: Context, project: ProjectRow, typed: string): Promise<string> {
  const host = normalizeHost(typed) ?? typed;
  const isOwn = and(eq(domains.host, host), eq(domains.projectId, project.id));
  const [row] = await db.select({ host: domains.host }).from(domains).where(isOwn);
  if (row === undefined) throw notFound('domain', typed);
  return row.host;
}
