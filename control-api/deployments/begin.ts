import { randomUUID } from 'node:crypto';
import { and, eq } from 'drizzle-orm';
import type { BeginDeployment, BegunDeployment } from '../../contracts/control-api.ts';
import type { Caller } from '../access/caller.ts';
import type { Context } from '../context.ts';
import { inTransaction, type Database } from '../database/database.ts';
import { deployments, environments, tracks } from '../database/schema.ts';
import { refuseForeignDomains } from '../domains/refuse-foreign.ts';
import { refuseNewDomains } from '../domains/refuse-new.ts';
import { Failure } from '../failure.ts';
import { PRODUCTION, toCustomHost } from '../projects/hosts.ts';
import type { ProjectRow } from '../projects/project.ts';
import { checkManifest, type CheckedManifest } from './check-manifest.ts';
import { getDeployment, toDeployment } from './deployment.ts';
import { missingObjects, referToObjects } from './objects.ts';

const MAX_RESOURCES = 50_000;
const PREVIEW_ENVIRONMENT = 'preview';

export type Begin = { project: ProjectRow; caller: Caller; body: BeginDeployment };

/**
 * A new deployment, `pending`: nothing shows it. What it needs of the bucket is referred to from now on, so that
 * nothing that was answered as present is collected before it is finished.
 */
export async function beginDeployment(
  context: Context,
  { project, caller, body }: Begin,
): Promise<BegunDeployment> {
  const { config } = context;
  const checked = checkOrRefuse(body, config.MAX_OBJECT_BYTES);
  const hosts = (body.domains ?? []).map((typed) => toCustomHost(config, caller, typed));
  const track = body.track ?? PRODUCTION;
  await refuseNewDomains(context, { project, caller, track, hosts });
  const id = randomUUID();
  const missing = await inTransaction(context.db, async (tx) => {
    await refuseForeignDomains(tx, project, hosts);
    const { id: trackId } = await ensureTrack(tx, project.id, track);
    await tx.insert(deployments).values({
      id,
      projectId: project.id,
      trackId,
      status: 'pending',
      config: { ...body.manifest, objects: 'by-hash' },
      files: checked.files,
      functions: checked.functions,
      bytes: checked.bytes,
      source: body.source ?? null,
      requestedDomains: hosts,
      environmentRevisionId: await currentRevision(tx, project.id, track),
      createdBy: caller.userId,
    });
    await referToObjects(tx, { projectId: project.id, deploymentId: id, objects: checked.objects });
    return await missingObjects(tx, id);
  });
  const row = await getDeployment(context.db, project, id);
  return {
    deployment: toDeployment(context, project, row),
    missing,
    limits: { maxObjectBytes: config.MAX_OBJECT_BYTES, maxConcurrentUploads: config.MAX_CONCURRENT_UPLOADS },
    warnings: checked.warnings,
  };
}

/** The track's row, made where it is new. */
export async function ensureTrack(
  db: Database,
  projectId: string,
  name: string,
): Promise<{ id: string; name: string; deploymentId: string | null }> {
  await db.insert(tracks).values({ id: randomUUID(), projectId, name }).onConflictDoNothing();
  const [row] = await db
    .select({ id: tracks.id, name: tracks.name, deploymentId: tracks.deploymentId })
    .from(tracks)
    .where(and(eq(tracks.projectId, projectId), eq(tracks.name, name)));
  if (row === undefined) throw new Failure('CONFLICT', 'The project was just deleted.');
  return row;
}

function checkOrRefuse({ manifest }: BeginDeployment, maxObjectBytes: number): CheckedManifest {
  const checked = checkManifest(manifest, { maxObjectBytes, maxResources: MAX_RESOURCES });
  if (checked.problems.length === 0) return checked;
  throw new Failure('BAD_REQUEST', 'The manifest cannot be deployed.', { details: checked.problems });
}

/** Production deployments get the environment `production`, those of every other track `preview`. */
async function currentRevision(db: Database, projectId: string, track: string): Promise<string | null> {
  const name = track === PRODUCTION ? PRODUCTION : PREVIEW_ENVIRONMENT;
  const [row] = await db
    .select({ id: environments.currentRevisionId })
    .from(environments)
    .where(and(eq(environments.projectId, projectId), eq(environments.name, name)));
  return row?.id ?? null;
}
