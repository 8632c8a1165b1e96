import { and, desc, eq, gt, ne } from 'drizzle-orm';
import { MAX_RECENT_BUILDS, PIN_DAYS, type RecentBuild } from '../../contracts/recent-builds.ts';
import type { Context } from '../context.ts';
import { replacements } from '../database/schema.ts';
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
  const since = new Date(context.clock.nowMs() - PIN_DAYS * DAY_MS);
  const replaced = await context.db
    .select({ id: replacements.deploymentId, at: replacements.replacedAt })
    .from(replacements)
    .where(
      and(
        eq(replacements.trackId, domain.trackId),
        gt(replacements.replacedAt, since),
        domain.deploymentId === null ? undefined : ne(replacements.deploymentId, domain.deploymentId),
      ),
    )
    .orderBy(desc(replacements.replacedAt))
    .limit(MAX_RECENT_BUILDS);
  return replaced.map(({ id, at }) => ({ deploymentId: id, shownUntil: at.toISOString() }));
}
