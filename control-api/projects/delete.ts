import { eq } from 'drizzle-orm';
import { keys, keysOfDeployment } from '../../cache/keys.ts';
import type { Deleted } from '../../contracts/control-api.ts';
import { contentKey } from '../../contracts/object-keys.ts';
import { membersOf, permissionKeys } from '../access/permissions.ts';
import type { Context } from '../context.ts';
import { nextDomainRevision } from '../database/columns.ts';
import { inTransaction, type Database } from '../database/database.ts';
import { deployments, domains, projects, tracks } from '../database/schema.ts';
import { prefixOfDeployment } from '../deployments/delete.ts';
import { noteFlips, type Shown } from '../deployments/move-track.ts';
import { publish } from '../deployments/publish.ts';
import { endEverywhere, noteEndings, type Ending } from '../endings/endings.ts';
import { notFound } from '../failure.ts';
import { deletePrefix, noteDeletion, type DeletedObjects } from '../sweep/delete-prefix.ts';
import { projectKeys, type ProjectRow } from './project.ts';

/** A project with everything in it. Its hosts show nothing from the commit on; the bucket is emptied afterwards. */
export async function deleteProject(context: Context, project: ProjectRow): Promise<Deleted> {
  const { hosts, deploymentIds, endings } = await inTransaction(context.db, (tx) => deleteRows(tx, project));
  await publish(context, hosts);
  await endEverywhere(context, endings);
  const emptied: DeletedObjects[] = [];
  for (const prefix of prefixesOf(project, deploymentIds)) emptied.push(await deletePrefix(context, prefix));
  return {
    kind: 'project',
    id: project.id,
    objects: emptied.reduce((sum, { objects }) => sum + objects, 0),
    bytes: emptied.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

async function deleteRows(
  tx: Database,
  project: ProjectRow,
): Promise<{ hosts: Shown[]; deploymentIds: string[]; endings: Ending[] }> {
  const [held] = await tx
    .select({ id: projects.id })
    .from(projects)
    .where(eq(projects.id, project.id))
    .for('update');
  if (held === undefined) throw notFound('project', project.name);
  const moved = await tx
    .update(domains)
    .set({ rev: nextDomainRevision })
    .where(eq(domains.projectId, project.id))
    .returning({ host: domains.host, rev: domains.rev });
  const hosts = moved.map((host) => ({ ...host, isFirst: false }));
  await noteFlips(tx, hosts);
  const members = await membersOf(tx, project.organizationId);
  await tx.update(tracks).set({ deploymentId: null }).where(eq(tracks.projectId, project.id));
  const rows = await tx
    .delete(deployments)
    .where(eq(deployments.projectId, project.id))
    .returning({ id: deployments.id });
  const deploymentIds = rows.map(({ id }) => id);
  for (const prefix of prefixesOf(project, deploymentIds)) await noteDeletion(tx, prefix);
  await tx.delete(projects).where(eq(projects.id, project.id));
  const ended = [
    ...projectKeys(project),
    ...permissionKeys(members),
    ...deploymentIds.flatMap(keysOfDeployment),
    ...deploymentIds.map((id) => keys.functionLogs(id)),
  ];
  return { hosts, deploymentIds, endings: await noteEndings(tx, ended) };
}

function prefixesOf(project: ProjectRow, deploymentIds: readonly string[]): string[] {
  return [contentKey(project.id, ''), ...deploymentIds.map(prefixOfDeployment)];
}
