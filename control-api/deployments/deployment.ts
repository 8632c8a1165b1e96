import { and, desc, eq, lt, type SQL } from 'drizzle-orm';
import type { Deployment, DeploymentList, DeploymentStatus, Source } from '../../contracts/control-api.ts';
import type { Context } from '../context.ts';
import type { Database } from '../database/database.ts';
import { deployments, tracks } from '../database/schema.ts';
import { Failure, notFound } from '../failure.ts';
import { previewHost, urlOf } from '../projects/hosts.ts';
import type { ProjectRow } from '../projects/project.ts';

/** A deployment's row without its manifest, which is large, and with what is asked for all the time of its track. */
export type DeploymentRow = {
  id: string;
  projectId: string;
  trackId: string;
  track: string;
  /** What the track shows. */
  shownId: string | null;
  sequence: number;
  status: DeploymentStatus;
  files: number;
  functions: number;
  bytes: number;
  source: Source | null;
  requestedDomains: string[];
  environmentRevisionId: string | null;
  failure: string | null;
  createdAt: Date;
  finishedAt: Date | null;
};

const columns = {
  id: deployments.id,
  projectId: deployments.projectId,
  trackId: deployments.trackId,
  track: tracks.name,
  shownId: tracks.deploymentId,
  sequence: deployments.sequence,
  status: deployments.status,
  files: deployments.files,
  functions: deployments.functions,
  bytes: deployments.bytes,
  source: deployments.source,
  requestedDomains: deployments.requestedDomains,
  environmentRevisionId: deployments.environmentRevisionId,
  failure: deployments.failure,
  createdAt: deployments.createdAt,
  finishedAt: deployments.finishedAt,
};

/** @throws Failure NOT_FOUND. */
export async function getDeployment(
  db: Database,
  project: Pick<ProjectRow, 'id'>,
  id: string,
): Promise<DeploymentRow> {
  const [row] = await selectDeployments(
    db,
    and(eq(deployments.projectId, project.id), eq(deployments.id, id)),
    1,
  );
  if (row === undefined) throw notFound('deployment', id);
  return row;
}

export type ListOptions = { track?: string | undefined; before?: string | undefined; limit: number };

/** Newest first. */
export async function listDeployments(
  context: Context,
  project: ProjectRow,
  { track, before, limit }: ListOptions,
): Promise<DeploymentList> {
  const rows = await selectDeployments(
    context.db,
    and(
      eq(deployments.projectId, project.id),
      ...(track === undefined ? [] : [eq(tracks.name, track)]),
      ...(before === undefined
        ? []
        : [lt(deployments.sequence, await sequenceOf(context.db, project, before))]),
    ),
    limit + 1,
  );
  const page = rows.slice(0, limit);
  return {
    deployments: page.map((row) => toDeployment(context, project, row)),
    next: rows.length > limit ? (page.at(-1)?.id ?? null) : null,
  };
}

export function toDeployment(
  { config }: Context,
  project: Pick<ProjectRow, 'ref'>,
  row: DeploymentRow,
): Deployment {
  const host = previewHost(config, project.ref, row.id);
  return {
    id: row.id,
    projectId: row.projectId,
    track: row.track,
    status: row.status,
    isLive: row.shownId === row.id,
    previewHost: host,
    previewUrl: urlOf(config, host),
    createdAt: row.createdAt.toISOString(),
    finishedAt: row.finishedAt?.toISOString() ?? null,
    files: row.files,
    functions: row.functions,
    bytes: row.bytes,
    source: row.source,
    environmentRevisionId: row.environmentRevisionId,
    failure: row.failure,
  };
}

async function sequenceOf(db: Database, project: ProjectRow, id: string): Promise<number> {
  return (await getDeployment(db, project, id)).sequence;
}

async function selectDeployments(
  db: Database,
  where: SQL | undefined,
  limit: number,
): Promise<DeploymentRow[]> {
  return await db
    .select(columns)
    .from(deployments)
    .innerJoin(tracks, eq(tracks.id, deployments.trackId))
    .where(where)
    .orderBy(desc(deployments.sequence))
    .limit(limit);
}

/** @throws Failure CONFLICT unless it can still be uploaded to or finished. */
export function refuseUnlessOpen(row: DeploymentRow): void {
  if (row.status !== 'failed') return;
  throw new Failure(
    'CONFLICT',
    `The deployment ${row.id} failed: ${row.failure ?? 'unknown'}. Begin a new one.`,
  );
}
