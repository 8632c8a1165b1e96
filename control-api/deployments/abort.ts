import { and, eq, inArray, sql } from 'drizzle-orm';
import type { Deployment } from '../../contracts/control-api.ts';
import type { Context } from '../context.ts';
import { deployments } from '../database/schema.ts';
import { Failure } from '../failure.ts';
import type { ProjectRow } from '../projects/project.ts';
import { getDeployment, toDeployment } from './deployment.ts';

/** Gives up a deployment that is not complete; what only it needed is collected later. */
export async function abortDeployment(
  context: Context,
  { project, id }: { project: ProjectRow; id: string },
): Promise<Deployment> {
  const isOpen = and(
    eq(deployments.id, id),
    eq(deployments.projectId, project.id),
    inArray(deployments.status, ['pending', 'deploying']),
  );
  await context.db
    .update(deployments)
    .set({ status: 'failed', failure: 'given up by the client', finishedAt: sql`now()` })
    .where(isOpen);
  const row = await getDeployment(context.db, project, id);
  if (row.status !== 'success') return toDeployment(context, project, row);
  throw new Failure('CONFLICT', `The deployment ${id} is complete already; delete it, or roll back.`);
}
