import { and, eq } from 'drizzle-orm';
import { keys, keysOfDeployment } from '../../cache/keys.ts';
import type { Deleted } from '../../contracts/control-api.ts';
import type { Context } from '../context.ts';
import { nextDomainRevision } from '../database/columns.ts';
import { inTransaction, type Database } from '../database/database.ts';
import { deployments, domains, tracks } from '../database/schema.ts';
import { noteEndings, tellEndings, type Ending } from '../endings/endings.ts';
import { Failure, notFound } from '../failure.ts';
import type { ProjectRow } from '../projects/project.ts';
import { collectObjects } from '../sweep/collect-objects.ts';
import { deletePrefix, noteDeletion } from '../sweep/delete-prefix.ts';
import { noteFlips, type Shown } from './move-track.ts';
import { publish } from './publish.ts';

/**
 * Removes a deployment that no track shows: its rows and preview host at once, then what the cache and the bucket have
 * of it. Should that break off, the sweeper does the rest.
 */
export async function deleteDeployment(
  context: Context,
  { project, id }: { project: Pick<ProjectRow, 'id'>; id: string },
): Promise<Deleted> {
  const { hosts, endings } = await inTransaction(context.db, (tx) => deleteRows(tx, project.id, id));
  await publish(context, hosts);
  await tellEndings(context, endings);
  await deletePrefix(context, prefixOfDeployment(id));
  const collected = await collectObjects(context, project.id);
  return { kind: 'deployment', id, ...collected };
}

export function prefixOfDeployment(id: string): string {
  return `deployments/${id}/`;
}

async function deleteRows(
  tx: Database,
  projectId: string,
  id: string,
): Promise<{ hosts: Shown[]; endings: Ending[] }> {
  const isThis = and(eq(deployments.id, id), eq(deployments.projectId, projectId));
  const [row] = await tx.select({ id: deployments.id }).from(deployments).where(isThis).for('update');
  if (row === undefined) throw notFound('deployment', id);
  const [shownBy] = await tx.select({ name: tracks.name }).from(tracks).where(eq(tracks.deploymentId, id));
  if (shownBy !== undefined) {
    throw new Failure(
      'CONFLICT',
      `The track ${shownBy.name} shows this deployment. Show another one there first.`,
    );
  }
  const hosts = await endHosts(tx, id);
  await noteDeletion(tx, prefixOfDeployment(id));
  await tx.delete(deployments).where(isThis);
  return { hosts, endings: await noteEndings(tx, [...keysOfDeployment(id), keys.functionLogs(id)]) };
}

/** A last revision for each host, so that its end beats every earlier answer in the caches. */
async function endHosts(tx: Database, deploymentId: string): Promise<Shown[]> {
  const isPreview = and(eq(domains.deploymentId, deploymentId), eq(domains.kind, 'deployment'));
  const rows = await tx
    .update(domains)
    .set({ rev: nextDomainRevision })
    .where(isPreview)
    .returning({ host: domains.host, rev: domains.rev });
  const hosts = rows.map((row) => ({ ...row, isFirst: false }));
  await tx.delete(domains).where(isPreview);
  await noteFlips(tx, hosts);
  return hosts;
}
