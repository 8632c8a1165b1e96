import { and, asc, eq } from 'drizzle-orm';
import type { AddDomain, Deleted, Domain } from '../../contracts/control-api.ts';
import { normalizeDomain } from '../../contracts/domain-names.ts';
import { describeCertificates } from '../certificates/describe.ts';
import { endOrphans } from '../certificates/orphans.ts';
import type { Caller } from '../access/caller.ts';
import type { Context } from '../context.ts';
import { inTransaction, type Database } from '../database/database.ts';
import { nextDomainRevision } from '../database/columns.ts';
import { domains, tracks } from '../database/schema.ts';
import { ensureTrack } from '../deployments/begin.ts';
import { noteFlips } from '../deployments/move-track.ts';
import { publish } from '../deployments/publish.ts';
import { Failure, notFound } from '../failure.ts';
import { PRODUCTION, toCustomHost, urlOf } from '../projects/hosts.ts';
import type { ProjectRow } from '../projects/project.ts';
import { refuseForeignDomains } from './refuse-foreign.ts';

export async function listDomains(context: Context, project: ProjectRow): Promise<Domain[]> {
  const rows = await context.db
    .select({
      host: domains.host,
      kind: domains.kind,
      track: tracks.name,
      deploymentId: domains.deploymentId,
      rev: domains.rev,
    })
    .from(domains)
    .leftJoin(tracks, eq(tracks.id, domains.trackId))
    .where(eq(domains.projectId, project.id))
    .orderBy(asc(domains.kind), asc(domains.host));
  const certificates = await describeCertificates(context, rows);
  return rows.map((row) => ({
    ...row,
    url: urlOf(context.config, row.host),
    certificate: certificates.get(row.host) ?? null,
  }));
}

export type Add = { project: ProjectRow; caller: Caller; body: AddDomain };

/** Points a custom domain at a track; one that stands with another track of the project moves over. */
export async function addDomain(context: Context, { project, caller, body }: Add): Promise<Domain> {
  const host = toCustomHost(context.config, caller, body.host);
  const shown = await inTransaction(context.db, async (tx) => {
    await refuseForeignDomains(tx, project, [host]);
    const track = await ensureTrack(tx, project.id, body.track ?? PRODUCTION);
    // Under the lock of the track, so that a flip that is under way counts this domain in or comes after it.
    const [held] = await tx
      .select({ deploymentId: tracks.deploymentId })
      .from(tracks)
      .where(eq(tracks.id, track.id))
      .for('update');
    const values = { host, projectId: project.id, trackId: track.id, kind: 'custom' as const };
    const made = await tx
      .insert(domains)
      .values(values)
      .onConflictDoNothing()
      .returning({ host: domains.host });
    const isOwn = and(eq(domains.host, host), eq(domains.projectId, project.id), eq(domains.kind, 'custom'));
    const rows = await tx
      .update(domains)
      .set({ trackId: track.id, deploymentId: held?.deploymentId ?? null, rev: nextDomainRevision })
      .where(isOwn)
      .returning({ host: domains.host, rev: domains.rev });
    if (rows.length === 0) throw new Failure('CONFLICT', `The domain ${host} belongs to another project.`);
    const changed = rows.map((row) => ({ ...row, isFirst: made.length > 0 }));
    await noteFlips(tx, changed);
    return changed;
  });
  await publish(context, shown);
  context.certificates?.wake(host);
  const added = (await listDomains(context, project)).find((domain) => domain.host === host);
  if (added === undefined) throw new Failure('CONFLICT', `The domain ${host} was just removed.`);
  return added;
}

/** Nothing shows a custom domain from then on. */
export async function removeDomain(
  context: Context,
  { project, host: typed }: { project: ProjectRow; host: string },
): Promise<Deleted> {
  const host = normalizeDomain(typed) ?? typed;
  const shown = await inTransaction(context.db, async (tx) => {
    const row = await findDomain(tx, project, host);
    if (row === undefined) throw notFound('domain', typed);
    if (row.kind !== 'custom') {
      throw new Failure(
        'CONFLICT',
        `${host} belongs to the project itself; only custom domains can be removed.`,
      );
    }
    await tx.delete(domains).where(eq(domains.host, host));
    // A revision of its own, so that the removal ends every earlier answer in the caches.
    const [next] = await tx
      .select({ rev: nextDomainRevision })
      .from(tracks)
      .where(eq(tracks.projectId, project.id))
      .limit(1);
    const gone = [{ host, rev: next?.rev ?? row.rev + 1, isFirst: false }];
    await noteFlips(tx, gone);
    return gone;
  });
  await publish(context, shown);
  await endOrphans(context);
  return { kind: 'domain', id: host, objects: 0, bytes: 0 };
}

async function findDomain(
  db: Database,
  project: ProjectRow,
  host: string,
): Promise<{ kind: Domain['kind']; rev: number } | undefined> {
  const [row] = await db
    .select({ kind: domains.kind, rev: domains.rev })
    .from(domains)
    .where(and(eq(domains.host, host), eq(domains.projectId, project.id)))
    .for('update');
  return row;
}
