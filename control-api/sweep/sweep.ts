import { and, eq, gt, isNotNull, isNull, lt, notInArray, sql } from 'drizzle-orm';
import type { SweepReport } from '../../contracts/control-api-admin.ts';
import { PIN_DAYS } from '../../contracts/recent-builds.ts';
import { messageOf } from '../../core/errors.ts';
import { sweepChallenges } from '../certificates/challenges.ts';
import { endOrphans } from '../certificates/orphans.ts';
import type { Context } from '../context.ts';
import { deployments, projects, replacements, tracks } from '../database/schema.ts';
import { giveUp } from '../deployments/abort.ts';
import { deleteDeployment } from '../deployments/delete.ts';
import { publishPending } from '../deployments/publish.ts';
import { collectObjects } from './collect-objects.ts';
import { compareBucket } from './compare-bucket.ts';
import { deletePending } from './delete-prefix.ts';
import { sweepCache } from './sweep-cache.ts';

const FAILED_KEPT_MS = 7 * 24 * 3_600_000;
const DELETIONS_A_RUN = 500;

/**
 * Puts right what crashes and time leave behind. Every step is safe beside deploys and beside a second sweeper; one
 * that fails is logged, the others are done all the same.
 */
export async function sweep(context: Context, signal?: AbortSignal): Promise<SweepReport> {
  const report: SweepReport = {
    pendingFlips: 0,
    givenUp: 0,
    deployments: 0,
    objects: 0,
    bytes: 0,
    strayObjects: 0,
    lostObjects: 0,
    cacheKeys: 0,
  };
  const step = createStep(context);
  await step('flips', async () => {
    report.pendingFlips = await publishPending(context);
  });
  await step('unfinished', async () => {
    report.givenUp = await giveUpSilent(context);
  });
  await step('deletions', async () => {
    report.objects += await deletePending(context);
  });
  await step('certificates', async () => {
    await endOrphans(context);
    await sweepChallenges(context);
  });
  await step('retention', async () => {
    report.deployments = await deleteSuperfluous(context);
  });
  for (const projectId of await allProjects(context)) {
    await step('objects', async () => {
      const collected = await collectObjects(context, projectId);
      report.objects += collected.objects;
      report.bytes += collected.bytes;
      const compared = await compareBucket(context, projectId);
      report.strayObjects += compared.strayObjects;
      report.lostObjects += compared.lostObjects;
    });
  }
  await step('cache', async () => {
    report.cacheKeys = await sweepCache(context, signal);
  });
  return report;
}

function createStep(context: Context): (name: string, work: () => Promise<void>) => Promise<void> {
  return async (name, work) => {
    try {
      await work();
    } catch (error) {
      context.log.warn(
        { step: name, error: messageOf(error) },
        'a step of the sweep failed; the next run tries again',
      );
    }
  };
}

/** Deployments whose client has not been heard of for long. */
async function giveUpSilent({ db, config }: Context): Promise<number> {
  const silence = sql`now() - ${config.UNFINISHED_DEPLOYMENT_TIMEOUT_MS} * interval '1 millisecond'`;
  const ids = await giveUp(db, lt(deployments.touchedAt, silence), 'not heard of for too long');
  return ids.length;
}

/**
 * Complete deployments beyond what their track keeps, and failed ones that nobody will look at any more. Unless the track
 * itself says how many it keeps, what it showed lately stays, whichever track that was deployed to: pages that are still open ask for
 * its files.
 */
async function deleteSuperfluous(context: Context): Promise<number> {
  const { db, config } = context;
  const place = sql<number>`row_number() over (partition by ${deployments.trackId} order by ${deployments.sequence} desc)`;
  const shown = db.select({ id: tracks.deploymentId }).from(tracks).where(isNotNull(tracks.deploymentId));
  const complete = db
    .select({ id: deployments.id, place: place.as('place') })
    .from(deployments)
    .where(and(eq(deployments.status, 'success'), notInArray(deployments.id, shown)))
    .as('complete');
  const recently = sql`now() - ${PIN_DAYS} * interval '1 day'`;
  const open = db
    .select({ id: replacements.deploymentId })
    .from(replacements)
    .innerJoin(tracks, eq(tracks.id, replacements.trackId))
    .where(and(isNull(tracks.retention), gt(replacements.replacedAt, recently)));
  const superfluous = await db
    .select({ id: deployments.id, projectId: deployments.projectId })
    .from(deployments)
    .innerJoin(complete, eq(complete.id, deployments.id))
    .innerJoin(tracks, eq(tracks.id, deployments.trackId))
    .where(
      and(
        sql`${complete.place} > coalesce(${tracks.retention}, ${config.DEPLOYMENT_RETENTION}::int)`,
        notInArray(deployments.id, open),
      ),
    )
    .orderBy(deployments.sequence)
    .limit(DELETIONS_A_RUN);
  const failedBefore = sql`now() - ${FAILED_KEPT_MS} * interval '1 millisecond'`;
  const failed = await db
    .select({ id: deployments.id, projectId: deployments.projectId })
    .from(deployments)
    .where(and(eq(deployments.status, 'failed'), lt(deployments.finishedAt, failedBefore)))
    .limit(DELETIONS_A_RUN);
  for (const { id, projectId } of [...superfluous, ...failed]) {
    await deleteDeployment(context, { project: { id: projectId }, id });
  }
  return superfluous.length + failed.length;
}

async function allProjects({ db }: Context): Promise<string[]> {
  const rows = await db.select({ id: projects.id }).from(projects);
  return rows.map(({ id }) => id);
}
