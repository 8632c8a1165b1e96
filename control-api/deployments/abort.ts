import { and, eq, inArray, sql, type SQL } from 'drizzle-orm';
import type { Deployment } from '../../contracts/control-api.ts';
import type { Context } from '../context.ts';
import { inTransaction, type Database } from '../database/database.ts';
import { deploymentObjects, deployments } from '../database/schema.ts';
import { Failure } from '../failure.ts';
import type { ProjectRow } from '../projects/project.ts';
import { getDeployment, toDeployment } from './deployment.ts';

/** Gives up a deployment that is not complete; what only it needed is collected later. */
export async function abortDeployment(
  context: Context,
  { project, id }: { project: ProjectRow; id: string },
): Promise<Deployment> {
  await giveUp(
    context.db,
    and(eq(deployments.id, id), eq(deployments.projectId, project.id)),
    'given up by the client',
  );
  const row = await getDeployment(context.db, project, id);
  if (row.status !== 'success') return toDeployment(context, project, row);
  throw new Failure('CONFLICT', `The deployment ${id} is complete already; delete it, or roll back.`);
}

/** Fails the deployments that are not complete; from then on they need nothing of the bucket. Answers their ids. */
export async function giveUp(db: Database, which: SQL | undefined, why: string): Promise<string[]> {
  return await inTransaction(db, async (tx) => {
    const rows = await tx
      .update(deployments)
      .set({ status: 'failed', failure: why, finishedAt: sql`now()` })
      .where(and(inArray(deployments.status, ['pending', 'deploying']), which))
      .returning({ id: deployments.id });
    const ids = rows.map(({ id }) => id);
    if (ids.length > 0)
      await tx.delete(deploymentObjects).where(inArray(deploymentObjects.deploymentId, ids));
    return ids;
  });
}
