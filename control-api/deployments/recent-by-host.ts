import { and, desc, eq, isNotNull } from 'drizzle-orm';
import { MAX_RECENT_BUILDS, PIN_DAYS, type RecentBuild } from '../../contracts/recent-builds.ts';
import type { Context } from '../context.ts';
import { deployments } from '../database/schema.ts';
import { findDomainOf } from '../domains/find-domain.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * The builds that the track of a host showed before the present one, newest first: what pages that are still open may
 * ask for. A host without a track shows one deployment for ever and has none.
 */
export async function recentBuildsOf(
  context: Pick<Context, 'db' | 'config' | 'clock'>,
  host: string,
): Promise<RecentBuild[]> {
  const domain = await findDomainOf(context, host);
  if (domain === undefined || domain.trackId === null) return [];
  const shown = await context.db
    .select({ id: deployments.id, shownAt: deployments.shownAt })
    .from(deployments)
    .where(
      and(
        eq(deployments.trackId, domain.trackId),
        eq(deployments.status, 'success'),
        isNotNull(deployments.shownAt),
      ),
    )
    .orderBy(desc(deployments.shownAt))
    // One more: the present one is among them.
    .limit(MAX_RECENT_BUILDS + 1);
  return replaced(shown, domain.deploymentId, context.clock.nowMs() - PIN_DAYS * DAY_MS);
}

type Shown = { id: string; shownAt: Date | null };

/** Each was shown until the one after it came: a build may have been shown for months and replaced a minute ago. */
function replaced(shown: readonly Shown[], presentId: string | null, sinceMs: number): RecentBuild[] {
  const builds: RecentBuild[] = [];
  for (const [index, { id }] of shown.entries()) {
    const until = shown[index - 1]?.shownAt ?? undefined;
    if (id === presentId || until === undefined) continue;
    if (until.getTime() > sinceMs) builds.push({ deploymentId: id, shownUntil: until.toISOString() });
  }
  return builds;
}
