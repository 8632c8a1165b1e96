import { and, desc, eq, isNotNull, lt, ne } from 'drizzle-orm';
import type { FlipResult, Rollback } from '../../contracts/control-api.ts';
import type { Context } from '../context.ts';
import { inTransaction, type Database } from '../database/database.ts';
import { deployments, tracks } from '../database/schema.ts';
import { Failure, notFound } from '../failure.ts';
import { PRODUCTION } from '../projects/hosts.ts';
import type { ProjectRow } from '../projects/project.ts';
import { ensureTrack } from './begin.ts';
import { getDeployment } from './deployment.ts';
import { announce } from './finish.ts';
import { moveTrack } from './move-track.ts';

/** Shows a complete deployment on a track, its own unless another is named. */
export async function promoteDeployment(
  context: Context,
  { project, id, track: name }: { project: ProjectRow; id: string; track: string | undefined },
): Promise<FlipResult> {
  const row = await getDeployment(context.db, project, id);
  const moved = await inTransaction(context.db, async (tx) => {
    const track = await ensureTrack(tx, project.id, name ?? row.track);
    return await moveTrack(tx, context, { project, row, track, intent: 'choose' });
  });
  return await announce(context, { project, id, moved });
}

/** Shows what the track showed before, or the deployment named. The same flip as any other, without an upload. */
export async function rollBack(
  context: Context,
  { project, body }: { project: ProjectRow; body: Rollback },
): Promise<FlipResult> {
  const name = body.track ?? PRODUCTION;
  const id = body.deploymentId ?? (await previousOf(context.db, project, name));
  return await promoteDeployment(context, { project, id, track: name });
}

/** The newest deployment, older than the one shown, that the track has shown. */
async function previousOf(db: Database, project: ProjectRow, name: string): Promise<string> {
  const [track] = await db
    .select({ id: tracks.id, shownId: tracks.deploymentId, sequence: deployments.sequence })
    .from(tracks)
    .leftJoin(deployments, eq(deployments.id, tracks.deploymentId))
    .where(and(eq(tracks.projectId, project.id), eq(tracks.name, name)));
  if (track === undefined) throw notFound('track', name);
  if (track.shownId === null || track.sequence === null) {
    throw new Failure('CONFLICT', `The track ${name} shows nothing yet, so there is nothing to roll back.`);
  }
  const wasShown = and(
    eq(deployments.trackId, track.id),
    ne(deployments.id, track.shownId),
    eq(deployments.status, 'success'),
    isNotNull(deployments.shownAt),
    lt(deployments.sequence, track.sequence),
  );
  const [row] = await db
    .select({ id: deployments.id })
    .from(deployments)
    .where(wasShown)
    .orderBy(desc(deployments.sequence))
    .limit(1);
  if (row === undefined) {
    throw new Failure(
      'CONFLICT',
      `The track ${name} showed nothing before; deploy again, or name a deployment.`,
    );
  }
  return row.id;
}
