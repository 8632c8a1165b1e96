import { and, asc, eq } from 'drizzle-orm';
import type { ChangeTrack, Track } from '../../contracts/tracks.ts';
import type { Context } from '../context.ts';
import { tracks } from '../database/schema.ts';
import { notFound } from '../failure.ts';
import { trackHost, urlOf } from './hosts.ts';
import type { ProjectRow } from './project.ts';

const columns = { name: tracks.name, deploymentId: tracks.deploymentId, retention: tracks.retention };

type TrackRow = { name: string; deploymentId: string | null; retention: number | null };

export async function listTracks(context: Context, project: ProjectRow): Promise<Track[]> {
  const rows = await context.db
    .select(columns)
    .from(tracks)
    .where(eq(tracks.projectId, project.id))
    .orderBy(asc(tracks.name));
  return rows.map((row) => toTrack(context, project, row));
}

/** How many deployments the track keeps: from the next sweep on. */
export async function changeTrack(
  context: Context,
  { project, name, body }: { project: ProjectRow; name: string; body: ChangeTrack },
): Promise<Track> {
  const [row] = await context.db
    .update(tracks)
    .set({ retention: body.retention })
    .where(and(eq(tracks.projectId, project.id), eq(tracks.name, name)))
    .returning(columns);
  if (row === undefined) throw notFound('track', name);
  return toTrack(context, project, row);
}

function toTrack({ config }: Context, project: ProjectRow, row: TrackRow): Track {
  return {
    ...row,
    url: urlOf(config, trackHost(config, project.ref, row.name)),
    kept: row.retention ?? config.DEPLOYMENT_RETENTION,
  };
}
