import { and, desc, eq, inArray, isNotNull, lt, ne } from 'drizzle-orm';
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

type Promotion = { project: ProjectRow; id: string; track: string | undefined; isBack?: boolean };

/** Shows a complete deployment on a track, its own unless another is named. */
export async function promoteDeployment(
  context: Context,
  { project, id, track: name, isBack = false }: Promotion,
): Promise<FlipResult> {
  const row = await getDeployment(context.db, project, id);
  const moved = await inTransaction(context.db, async (tx) => {
    const track = await ensureTrack(tx, project.id, name ?? row.track);
    return await moveTrack(tx, context, { project, row, track, intent: 'choose', isBack });
  });
  return await announce(context, { project, id, moved });
}

/** Shows what the track showed before, or the deployment named. The same flip as any other, without an upload. */
export async function rollBack(
  context: Context,
  { project, body }: { project: ProjectRow; body: Rollback },
): Promise<FlipResult> {
  const track = body.track ?? PRODUCTION;
  if (body.deploymentId !== undefined) {
    return await promoteDeployment(context, { project, id: body.deploymentId, track });
  }
  const id = await previousOf(context.db, project, track);
  return await promoteDeployment(context, { project, id, track, isBack: true });
}

/** What the track showed before the present one, whichever track it was deployed to. */
async function previousOf(db: Database, project: ProjectRow, name: string): Promise<string> {
  const [track] = await db
    .select({ id: tracks.id, shownId: tracks.deploymentId, history: tracks.history })
    .from(tracks)
    .where(and(eq(tracks.projectId, project.id), eq(tracks.name, name)));
  if (track === undefined) throw notFound('track', name);
  const { id, shownId, history } = track;
  if (shownId === null) {
    throw new Failure('CONFLICT', `The track ${name} shows nothing yet, so there is nothing to roll back.`);
  }
  const others = history.filter((each) => each !== shownId);
  const previous = (await latestOf(db, project, others)) ?? (await shownBefore(db, { trackId: id, shownId }));
  if (previous !== undefined) return previous;
  throw new Failure(
    'CONFLICT',
    `The track ${name} showed nothing before; deploy again, or name a deployment.`,
  );
}

/** The last of these that is there still. */
async function latestOf(
  db: Database,
  project: ProjectRow,
  ids: readonly string[],
): Promise<string | undefined> {
  if (ids.length === 0) return undefined;
  const rows = await db
    .select({ id: deployments.id })
    .from(deployments)
    .where(
      and(
        inArray(deployments.id, [...ids]),
        eq(deployments.projectId, project.id),
        eq(deployments.status, 'success'),
      ),
    );
  const there = new Set(rows.map(({ id }) => id));
  return ids.findLast((id) => there.has(id));
}

/** For tracks whose history began later than they did: the newest of their deployments, older than the one shown. */
async function shownBefore(
  db: Database,
  { trackId, shownId }: { trackId: string; shownId: string },
): Promise<string | undefined> {
  const { sequence } = deployments;
  const shown = db.select({ sequence }).from(deployments).where(eq(deployments.id, shownId));
  const wasShown = and(
    eq(deployments.trackId, trackId),
    ne(deployments.id, shownId),
    eq(deployments.status, 'success'),
    isNotNull(deployments.shownAt),
    lt(sequence, shown),
  );
  const [row] = await db
    .select({ id: deployments.id })
    .from(deployments)
    .where(wasShown)
    .orderBy(desc(deployments.sequence))
    .limit(1);
  return row?.id;
}
