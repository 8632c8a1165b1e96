import { randomUUID } from 'node:crypto';
import { and, desc, eq, inArray, sql } from 'drizzle-orm';
import { keys } from '../../cache/keys.ts';
import type { Build, BuildStatus, ChangeBuild, StartBuild } from '../../contracts/control-api-admin.ts';
import type { Caller } from '../access/caller.ts';
import type { Context } from '../context.ts';
import { inTransaction, type Database } from '../database/database.ts';
import { builds } from '../database/schema.ts';
import { getDeployment } from '../deployments/deployment.ts';
import { Failure, notFound } from '../failure.ts';
import { PRODUCTION } from '../projects/hosts.ts';
import type { ProjectRow } from '../projects/project.ts';

export type BuildRow = typeof builds.$inferSelect;

const ENDED: readonly BuildStatus[] = ['completed', 'failed'];

export function hasEnded(status: BuildStatus): boolean {
  return ENDED.includes(status);
}

export async function startBuild(
  context: Context,
  { project, caller, body }: { project: ProjectRow; caller: Caller; body: StartBuild },
): Promise<Build> {
  const values = {
    id: randomUUID(),
    projectId: project.id,
    track: body.track ?? PRODUCTION,
    status: 'pending' as const,
    source: body.source ?? null,
    createdBy: caller.userId,
  };
  const [row] = await context.db.insert(builds).values(values).returning();
  if (row === undefined) throw new Error('the new build was not stored');
  await keepStatus(context, row);
  return toBuild(row);
}

/** @throws Failure NOT_FOUND. */
export async function getBuild(db: Database, project: Pick<ProjectRow, 'id'>, id: string): Promise<BuildRow> {
  const [row] = await db
    .select()
    .from(builds)
    .where(and(eq(builds.projectId, project.id), eq(builds.id, id)));
  if (row === undefined) throw notFound('build', id);
  return row;
}

export async function listBuilds({ db }: Context, project: ProjectRow, limit: number): Promise<Build[]> {
  const rows = await db
    .select()
    .from(builds)
    .where(eq(builds.projectId, project.id))
    .orderBy(desc(builds.createdAt))
    .limit(limit);
  return rows.map(toBuild);
}

/** The next status of a build that has not ended; to end it twice in the same way is no error. */
export async function changeBuild(
  context: Context,
  { project, id, body }: { project: ProjectRow; id: string; body: ChangeBuild },
): Promise<Build> {
  if (body.deploymentId !== undefined) await getDeployment(context.db, project, body.deploymentId);
  const row = await inTransaction(context.db, async (tx) => {
    const isOpen = and(
      eq(builds.projectId, project.id),
      eq(builds.id, id),
      inArray(builds.status, ['pending', 'in_progress']),
    );
    const [changed] = await tx
      .update(builds)
      .set({
        status: body.status,
        ...(body.deploymentId === undefined ? {} : { deploymentId: body.deploymentId }),
        ...(hasEnded(body.status) ? { finishedAt: sql`now()` } : {}),
      })
      .where(isOpen)
      .returning();
    return changed ?? (await getBuild(tx, project, id));
  });
  if (row.status !== body.status)
    throw new Failure('CONFLICT', `The build has ended already (${row.status}).`);
  await keepStatus(context, row);
  return toBuild(row);
}

/** Status of a build of this project, from the cache while it is there. @throws Failure NOT_FOUND. */
export async function readStatus(
  context: Context,
  project: Pick<ProjectRow, 'id'>,
  id: string,
): Promise<BuildStatus> {
  const cached = await context.cache.get(keys.buildStatus(id));
  if (cached.kind === 'hit' && cached.value.projectId === project.id) return cached.value.status;
  const row = await getBuild(context.db, project, id);
  await keepStatus(context, row);
  return row.status;
}

export function toBuild(row: BuildRow): Build {
  const { id, projectId, status, track, source, deploymentId } = row;
  return {
    id,
    projectId,
    status,
    track,
    source,
    deploymentId,
    createdAt: row.createdAt.toISOString(),
    finishedAt: row.finishedAt?.toISOString() ?? null,
  };
}

async function keepStatus({ cache, clock }: Context, { id, projectId, status }: BuildRow): Promise<void> {
  await cache.set(keys.buildStatus(id), { projectId, status, updatedAtMs: clock.nowMs() });
}
