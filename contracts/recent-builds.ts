import { z } from 'zod';
import { isSafeId } from '../core/object-path.ts';

/** For how long after a build was replaced its pages go on getting its own files and functions. */
export const PIN_DAYS = 30;
/** Most builds that a list names: more than thirty a day, for PIN_DAYS. */
export const MAX_RECENT_BUILDS = 1000;

/** A build that a host showed before the present one. */
export type RecentBuild = {
  deploymentId: string;
  /** When the next one took its place: ISO 8601. */
  shownUntil: string;
};

/**
 * What the control API answers to `deployments.getRecentByDomain`: the builds that the host's track showed before the
 * present one, within PIN_DAYS, newest first. Empty for hosts that show one deployment for ever.
 */
export type RecentBuilds = { builds: RecentBuild[] };

export const recentBuildsSchema: z.ZodType<RecentBuilds> = z.object({
  builds: z.array(
    z.object({
      deploymentId: z.string().refine(isSafeId, 'is no safe id'),
      shownUntil: z.iso.datetime(),
    }),
  ),
});
