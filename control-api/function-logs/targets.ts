import { and, eq, inArray } from 'drizzle-orm';
import { normalizeHost } from '../../core/host.ts';
import type { Context } from '../context.ts';
import { deployments, tracks } from '../database/schema.ts';
import { getDeployment } from '../deployments/deployment.ts';
import { Failure, notFound } from '../failure.ts';
import { PRODUCTION } from '../projects/hosts.ts';
import type { ProjectRow } from '../projects/project.ts';

/** Whose log is meant; a track where nothing is named. */
export type LogTarget = {
  deployment?: string | undefined;
  domain?: string | undefined;
  track?: string | undefined;
};

/** The deployment that is meant at this moment; undefined where nothing is shown yet. @throws Failure NOT_FOUND. */
export async function findTarget(
  context: Context,
  project: Pick<ProjectRow, 'id'>,
  { deployment, domain, track }: LogTarget,
): Promise<string | undefined> {
  if ([deployment, domain, track].filter((named) => named !== undefined).length > 1)
    throw new Failure('BAD_REQUEST', 'Name one of deployment, domain and track.');
  if (deployment !== undefined) return (await getDeployment(context.db, project, deployment)).id;
  if (domain !== undefined) return shownAt(context, project, domain);
  return shownBy(context, project, track ?? PRODUCTION);
}

async function shownAt(context: Context, project: Pick<ProjectRow, 'id'>, domain: string): Promise<string> {
  const site = await context.sites.read(normalizeHost(domain) ?? domain);
  if (site?.projectId === project.id) return site.deploymentId;
  throw new Failure('NOT_FOUND', `This project shows nothing at ${JSON.stringify(domain)}.`);
}

async function shownBy(
  { db }: Context,
  project: Pick<ProjectRow, 'id'>,
  name: string,
): Promise<string | undefined> {
  const [row] = await db
    .select({ deploymentId: tracks.deploymentId })
    .from(tracks)
    .where(and(eq(tracks.projectId, project.id), eq(tracks.name, name)));
  if (row === undefined && name !== PRODUCTION) throw notFound('track', name);
  return row?.deploymentId ?? undefined;
}

/** Those of the ids that are deployments of the project: a cursor comes from outside. */
export async function keepOwn(
  { db }: Context,
  project: Pick<ProjectRow, 'id'>,
  ids: readonly string[],
): Promise<ReadonlySet<string>> {
  if (ids.length === 0) return new Set();
  const rows = await db
    .select({ id: deployments.id })
    .from(deployments)
    .where(and(eq(deployments.projectId, project.id), inArray(deployments.id, [...ids])));
  return new Set(rows.map(({ id }) => id));
}
