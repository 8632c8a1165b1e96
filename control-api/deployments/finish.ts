import { and, eq } from 'drizzle-orm';
import { keys } from '../../cache/keys.ts';
import type { FlipResult } from '../../contracts/control-api.ts';
import type { Manifest } from '../../contracts/manifest.ts';
import { manifestKey, metadataKey } from '../../contracts/object-keys.ts';
import type { Context } from '../context.ts';
import { inTransaction } from '../database/database.ts';
import { deployments } from '../database/schema.ts';
import { Failure } from '../failure.ts';
import { urlOf } from '../projects/hosts.ts';
import type { ProjectRow } from '../projects/project.ts';
import { withDeployLock, type Fence } from './deploy-lock.ts';
import { getDeployment, refuseUnlessOpen, toDeployment, type DeploymentRow } from './deployment.ts';
import { encodeObjects } from './encode-objects.ts';
import { describeForRunner } from './metadata.ts';
import { moveTrack, showOnlyPreview, TakenOver, type Moved } from './move-track.ts';
import { missingObjects } from './objects.ts';
import { publish } from './publish.ts';

const MAX_ATTEMPTS = 3;

export type Finish = { project: ProjectRow; id: string; flip: boolean };

/**
 * From uploaded to shown. Everything that can fail or takes time comes before the one transaction that moves the
 * domains; a failure leaves what was shown, and the same call may be sent again.
 */
export async function finishDeployment(context: Context, finish: Finish): Promise<FlipResult> {
  const key = `${finish.id} ${finish.flip}`;
  const underWay = context.finishing.get(key);
  if (underWay !== undefined) return await underWay;
  const work = finishOnce(context, finish).finally(() => context.finishing.delete(key));
  context.finishing.set(key, work);
  return await work;
}

async function finishOnce(context: Context, finish: Finish): Promise<FlipResult> {
  const { project, id } = finish;
  const row = await getDeployment(context.db, project, id);
  refuseUnlessOpen(row);
  return await announce(context, { project, id, moved: await moveLocked(context, finish, row) });
}

/** Again where the lock was lost: who lost it once to a pause of the machine comes in time under the next. */
async function moveLocked(context: Context, finish: Finish, row: DeploymentRow): Promise<Moved> {
  const lock = { projectId: finish.project.id, track: row.track };
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await withDeployLock(context, lock, (fence) => prepareAndMove(context, finish, { row, fence }));
    } catch (error) {
      if (!(error instanceof TakenOver) || attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

async function prepareAndMove(
  context: Context,
  { project, flip }: Finish,
  { row, fence }: { row: DeploymentRow; fence: Fence },
): Promise<Moved> {
  const manifest =
    row.status === 'success' ? await storedManifest(context, row) : await prepare(context, row);
  const track = { id: row.trackId, name: row.track };
  const completion = { row, manifest };
  return await inTransaction(context.db, (tx) =>
    flip
      ? moveTrack(tx, context, { project, row, track, intent: 'deploy', fence, completion })
      : showOnlyPreview(tx, context, { project, row, completion }),
  );
}

/** Tells the gateways what was moved, and the caller what came of it. */
export async function announce(
  context: Context,
  { project, id, moved }: { project: ProjectRow; id: string; moved: Moved },
): Promise<FlipResult> {
  const { outcome, supersededBy, shown } = moved;
  const { durationMs, ...acknowledgements } = await publish(context, shown);
  context.metrics.flips.inc({ outcome });
  context.metrics.flipSeconds.observe(
    { is_complete: String(acknowledgements.isComplete) },
    durationMs / 1000,
  );
  const row = await getDeployment(context.db, project, id);
  return {
    outcome,
    deployment: toDeployment(context, project, row),
    ...(supersededBy === undefined ? {} : { supersededBy }),
    domains: shown.map(({ host, rev }) => ({ host, url: urlOf(context.config, host), rev })),
    ...acknowledgements,
    durationMs,
  };
}

/** Checks, encodes, writes what gateways and runners read, and warms the cache. Answers the final manifest. */
async function prepare(context: Context, row: DeploymentRow): Promise<Manifest> {
  const missing = await missingObjects(context.db, row.id);
  if (missing.length > 0) {
    const message = `${missing.length} of the deployment's objects are not uploaded yet.`;
    throw new Failure('CONFLICT', message, { missing });
  }
  await markDeploying(context, row);
  const given = await storedManifest(context, row);
  const manifest = await encodeObjects(context, { projectId: row.projectId, deploymentId: row.id }, given);
  const metadata = await describeForRunner(context, row, manifest);
  await Promise.all([
    putJson(context, manifestKey(row.id), manifest),
    putJson(context, metadataKey(row.id), metadata),
    context.cache.set(keys.deploymentMetadata(row.id), metadata),
  ]);
  // Before the flip, so that the first visitor of a function finds it in his gateway's memory.
  if (manifest.resources.some(({ kind }) => kind === 'dynamic')) {
    await context.cache.warmEverywhere([keys.deploymentMetadata(row.id)]);
  }
  return manifest;
}

async function markDeploying({ db }: Context, row: DeploymentRow): Promise<void> {
  await db
    .update(deployments)
    .set({ status: 'deploying' })
    .where(and(eq(deployments.id, row.id), eq(deployments.status, 'pending')));
}

async function storedManifest({ sites }: Context, row: DeploymentRow): Promise<Manifest> {
  const manifest = await sites.manifest(row.id);
  if (manifest === undefined) throw new Failure('CONFLICT', `The deployment ${row.id} was deleted.`);
  return manifest;
}

async function putJson({ store }: Context, key: string, value: unknown): Promise<void> {
  const bytes = Buffer.from(JSON.stringify(value));
  await store.put(key, bytes, { size: bytes.length, contentType: 'application/json' });
}
