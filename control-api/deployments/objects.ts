import { and, eq, sql } from 'drizzle-orm';
import type { Database } from '../database/database.ts';
import { deploymentObjects, objects } from '../database/schema.ts';

export type ObjectUse = {
  projectId: string;
  deploymentId: string;
  /** Size by content hash. */
  objects: ReadonlyMap<string, number>;
  /** What those become that the project does not have yet; `stored` also mends the ones it lost. Default `missing`. */
  state?: 'missing' | 'stored' | undefined;
};

/** Notes that a deployment needs objects. */
export async function referToObjects(
  db: Database,
  { projectId, deploymentId, objects: needed, state = 'missing' }: ObjectUse,
): Promise<void> {
  const list = JSON.stringify([...needed].map(([hash, size]) => ({ hash, size })));
  const given = sql`json_to_recordset(${list}::json) as given(hash text, size bigint)`;
  const conflict =
    state === 'missing' ? sql`do nothing` : sql`(project_id, hash) do update set state = excluded.state`;
  // In the order of the hashes, so that two deployments that begin at once wait for each other in one direction only.
  await db.execute(sql`
    insert into objects (project_id, hash, size, state)
    select ${projectId}::uuid, given.hash, given.size, ${state} from ${given} order by given.hash
    on conflict ${conflict}`);
  await db.execute(sql`
    insert into deployment_objects (deployment_id, project_id, hash)
    select ${deploymentId}::uuid, ${projectId}::uuid, given.hash from ${given} order by given.hash
    on conflict do nothing`);
}

/** Hashes that a deployment needs and that were not uploaded yet, sorted. */
export async function missingObjects(db: Database, deploymentId: string): Promise<string[]> {
  const rows = await db
    .select({ hash: objects.hash })
    .from(deploymentObjects)
    .innerJoin(
      objects,
      and(eq(objects.projectId, deploymentObjects.projectId), eq(objects.hash, deploymentObjects.hash)),
    )
    .where(and(eq(deploymentObjects.deploymentId, deploymentId), eq(objects.state, 'missing')))
    .orderBy(objects.hash);
  return rows.map(({ hash }) => hash);
}
