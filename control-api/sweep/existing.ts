import { inArray } from 'drizzle-orm';
import type { Exist } from '../../contracts/control-api-admin.ts';
import type { Database } from '../database/database.ts';
import { deployments, projects } from '../database/schema.ts';

/** Those among the ids that there is a deployment, or a project, of. */
export async function existing(db: Database, asked: Exist): Promise<Exist> {
  const [known, owners] = await Promise.all([
    db.select({ id: deployments.id }).from(deployments).where(inArray(deployments.id, asked.deployments)),
    db.select({ id: projects.id }).from(projects).where(inArray(projects.id, asked.projects)),
  ]);
  return { deployments: known.map(({ id }) => id), projects: owners.map(({ id }) => id) };
}
