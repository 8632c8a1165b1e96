import { and, eq, inArray, sql } from 'drizzle-orm';
import type { FlipResult } from '../../contracts/control-api.ts';
import type { Manifest } from '../../contracts/manifest.ts';
import type { Context } from '../context.ts';
import { excluded, type Database } from '../database/database.ts';
import { nextDeploymentOrder, nextDomainRevision } from '../database/columns.ts';
import { deployments, domains, pendingFlips, replacements, tracks } from '../database/schema.ts';
import { Failure } from '../failure.ts';
import { previewHost, trackHost } from '../projects/hosts.ts';
import type { ProjectRow } from '../projects/project.ts';
import type { Fence } from './deploy-lock.ts';
import type { DeploymentRow } from './deployment.ts';

// Nobody goes back further, and retention keeps fewer.
const MAX_HISTORY = 200;

/** A host and the revision that its mapping has since a change. */
export type Shown = {
  host: string;
  rev: number;
  /** Whether it showed nothing before. */
  isFirst: boolean;
};

export type Move = {
  project: ProjectRow;
  row: DeploymentRow;
  /** The track that is to show it: its own, or another at a promotion. */
  track: { id: string; name: string };
  /**
   * `deploy` gives way to anything begun later; `choose` (promote, rollback) is an order, and from then on a
   * deployment begun before it no longer takes the track.
   */
  intent: 'deploy' | 'choose';
  /** A step back through what the track showed: what came after it is forgotten. */
  isBack?: boolean;
  /** Of the lock under which a deploy comes. */
  fence?: Fence;
  completion?: Completion;
};

/** A deployment that becomes complete in the same transaction, with its final manifest. */
export type Completion = { row: DeploymentRow; manifest: Manifest };

export type Moved = Pick<FlipResult, 'outcome' | 'supersededBy'> & { shown: Shown[] };

/**
 * Points every domain of a track at a deployment, within the caller's transaction: all of them or none. The row of the
 * track is held, so that moves of one track come one after the other, whatever number of control APIs there is.
 */
export async function moveTrack(
  tx: Database,
  context: Context,
  { project, row, track, intent, isBack = false, fence, completion }: Move,
): Promise<Moved> {
  const at = await holdTrack(tx, track.id);
  refuseOldFence(track.name, at.fence, fence);
  if (completion !== undefined) await complete(tx, completion);
  await refuseUnlessComplete(tx, row);
  const preview = await showPreview(tx, previewHost(context.config, project.ref, row.id), row);
  if (intent === 'deploy' && at.deploymentId !== row.id && row.sequence < at.shownOrder) {
    return {
      outcome: 'superseded',
      ...(at.deploymentId === null ? {} : { supersededBy: at.deploymentId }),
      shown: preview,
    };
  }
  await addTrackHost(tx, trackHost(context.config, project.ref, track.name), project.id, track.id);
  if (intent === 'deploy') await addRequestedHosts(tx, row, track.id);
  await tx
    .update(tracks)
    .set({
      deploymentId: row.id,
      shownOrder: intent === 'deploy' ? row.sequence : nextDeploymentOrder,
      history: nextHistory(at, row.id, isBack),
      ...(fence === undefined ? {} : { fence }),
    })
    .where(eq(tracks.id, track.id));
  await noteReplaced(tx, track.id, { before: at.deploymentId, now: row.id });
  await tx
    .update(deployments)
    .set({ shownAt: sql`now()` })
    .where(eq(deployments.id, row.id));
  const moved = await pointHosts(tx, track.id, row.id);
  return { outcome: 'live', shown: [...moved, ...preview] };
}

/** Only the preview host shows it; the track stays. */
export async function showOnlyPreview(
  tx: Database,
  context: Context,
  { project, row, completion }: Pick<Move, 'project' | 'row'> & { completion: Completion },
): Promise<Moved> {
  await complete(tx, completion);
  await refuseUnlessComplete(tx, row);
  const shown = await showPreview(tx, previewHost(context.config, project.ref, row.id), row);
  return { outcome: 'preview', shown };
}

/** Notes changed hosts until the cache has been told: what a crash between the two leaves is told later. */
export async function noteFlips(tx: Database, shown: readonly Shown[]): Promise<void> {
  if (shown.length === 0) return;
  await tx
    .insert(pendingFlips)
    .values(shown.map(({ host, rev }) => ({ host, rev })))
    .onConflictDoUpdate({ target: pendingFlips.host, set: { rev: excluded(pendingFlips.rev) } });
}

type HeldTrack = { deploymentId: string | null; shownOrder: number; fence: number; history: string[] };

async function holdTrack(tx: Database, trackId: string): Promise<HeldTrack> {
  const { deploymentId, shownOrder, fence, history } = tracks;
  const [row] = await tx
    .select({ deploymentId, shownOrder, fence, history })
    .from(tracks)
    .where(eq(tracks.id, trackId))
    .for('update');
  if (row === undefined) throw new Failure('CONFLICT', 'The track was just deleted.');
  return row;
}

/** Until when the track showed what it shows no more: pages that are still open ask for that. */
async function noteReplaced(
  tx: Database,
  trackId: string,
  { before, now }: { before: string | null; now: string },
): Promise<void> {
  if (before === null || before === now) return;
  await tx
    .insert(replacements)
    .values({ trackId, deploymentId: before, replacedAt: sql`now()` })
    .onConflictDoUpdate({
      target: [replacements.trackId, replacements.deploymentId],
      set: { replacedAt: excluded(replacements.replacedAt) },
    });
}

/** What the track has shown once it shows a deployment, the latest last. */
function nextHistory({ deploymentId, history }: HeldTrack, id: string, isBack: boolean): string[] {
  if (isBack) return history.includes(id) ? history.slice(0, history.lastIndexOf(id) + 1) : [id];
  // A track of before there were histories shows one that is in none.
  const before = history.length === 0 && deploymentId !== null ? [deploymentId] : history;
  return before.at(-1) === id ? before : [...before, id].slice(-MAX_HISTORY);
}

/** The lock of the track has gone to another deploy. Nothing was changed; under a new lock it can be tried again. */
export class TakenOver extends Failure {
  constructor(track: string) {
    super(
      'CONFLICT',
      `Another deploy to the track ${track} is under way and has taken over. Deploy again when it has ended.`,
    );
  }
}

/** A deploy that lost its lock while it was stopped comes with a lower fence than the one that took it over. */
function refuseOldFence(track: string, seen: number, fence: Fence): void {
  if (fence === undefined || fence >= seen) return;
  throw new TakenOver(track);
}

async function complete(tx: Database, { row, manifest }: Completion): Promise<void> {
  await tx
    .update(deployments)
    .set({ status: 'success', config: manifest, finishedAt: sql`now()` })
    .where(and(eq(deployments.id, row.id), inArray(deployments.status, ['pending', 'deploying'])));
}

/** Held as well, so that it is not deleted or given up at the same time. */
async function refuseUnlessComplete(tx: Database, row: DeploymentRow): Promise<void> {
  const [now] = await tx
    .select({ status: deployments.status })
    .from(deployments)
    .where(eq(deployments.id, row.id))
    .for('update');
  if (now?.status === 'success') return;
  throw new Failure(
    'CONFLICT',
    now === undefined
      ? `The deployment ${row.id} was deleted.`
      : `The deployment ${row.id} is not complete (${now.status}).`,
  );
}

async function pointHosts(tx: Database, trackId: string, deploymentId: string): Promise<Shown[]> {
  const before = await tx
    .select({ host: domains.host, deploymentId: domains.deploymentId })
    .from(domains)
    .where(eq(domains.trackId, trackId));
  const showedNothing = new Set(
    before.filter((domain) => domain.deploymentId === null).map(({ host }) => host),
  );
  const moved = await tx
    .update(domains)
    .set({ deploymentId, rev: nextDomainRevision })
    .where(eq(domains.trackId, trackId))
    .returning({ host: domains.host, rev: domains.rev });
  const shown = moved.map((host) => ({ ...host, isFirst: showedNothing.has(host.host) }));
  await noteFlips(tx, shown);
  return shown;
}

async function showPreview(tx: Database, host: string, row: DeploymentRow): Promise<Shown[]> {
  const made = await tx
    .insert(domains)
    .values({ host, projectId: row.projectId, deploymentId: row.id, kind: 'deployment' })
    .onConflictDoNothing()
    .returning({ host: domains.host, rev: domains.rev });
  const shown = made.map((domain) => ({ ...domain, isFirst: true }));
  await noteFlips(tx, shown);
  if (shown.length > 0) return shown;
  const known = await tx
    .select({ host: domains.host, rev: domains.rev })
    .from(domains)
    .where(and(eq(domains.host, host), eq(domains.deploymentId, row.id)));
  return known.map((domain) => ({ ...domain, isFirst: true }));
}

async function addTrackHost(tx: Database, host: string, projectId: string, trackId: string): Promise<void> {
  await tx.insert(domains).values({ host, projectId, trackId, kind: 'track' }).onConflictDoNothing();
}

async function addRequestedHosts(tx: Database, row: DeploymentRow, trackId: string): Promise<void> {
  const hosts = row.requestedDomains.toSorted();
  if (hosts.length === 0) return;
  await tx
    .insert(domains)
    .values(hosts.map((host) => ({ host, projectId: row.projectId, trackId, kind: 'custom' as const })))
    .onConflictDoNothing();
  // One that stood with another track of the project moves over.
  await tx
    .update(domains)
    .set({ trackId })
    .where(
      and(inArray(domains.host, hosts), eq(domains.projectId, row.projectId), eq(domains.kind, 'custom')),
    );
  const rows = await tx
    .select({ host: domains.host, projectId: domains.projectId, trackId: domains.trackId })
    .from(domains)
    .where(inArray(domains.host, hosts));
  const foreign = rows.find((domain) => domain.trackId !== trackId);
  if (foreign !== undefined) {
    throw new Failure('CONFLICT', `The domain ${foreign.host} is in use elsewhere; nothing was changed.`);
  }
}
