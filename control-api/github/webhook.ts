import { createHmac, timingSafeEqual } from 'node:crypto';
import { and, eq, inArray, isNotNull } from 'drizzle-orm';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { inTransaction } from '../database/database.ts';
import { projects } from '../database/schema.ts';
import { endEverywhere, noteEndings } from '../endings/endings.ts';
import { Failure } from '../failure.ts';
import { projectKeys } from '../projects/project.ts';
import { tokenKeys } from './installation-tokens.ts';

export type Delivery = { event: string | undefined; signature: string | undefined; body: Buffer };

const payloadSchema = z.object({
  action: z.string(),
  installation: z.object({ id: z.number() }),
  repositories_removed: z.array(z.object({ full_name: z.string() })).optional(),
});

/** Takes GitHub's word that an installation is gone, suspended or smaller: its tokens are forgotten at once. */
export async function receiveWebhook(context: Context, delivery: Delivery): Promise<{ forgotten: number }> {
  refuseUnlessSigned(context.config.GITHUB_WEBHOOK_SECRET, delivery);
  const isOfInterest = delivery.event === 'installation' || delivery.event === 'installation_repositories';
  const payload = isOfInterest ? payloadSchema.safeParse(parseJson(delivery.body)) : undefined;
  if (payload?.success !== true) return { forgotten: 0 };
  const { action, installation, repositories_removed: removed } = payload.data;
  if (delivery.event === 'installation_repositories') {
    const names = (removed ?? []).map((repository) => repository.full_name);
    return await forget(context, installation.id, { repositories: names, isUnlinked: false });
  }
  if (action !== 'deleted' && action !== 'suspend') return { forgotten: 0 };
  return await forget(context, installation.id, { isUnlinked: action === 'deleted' });
}

async function forget(
  context: Context,
  installationId: number,
  { repositories, isUnlinked }: { repositories?: string[]; isUnlinked: boolean },
): Promise<{ forgotten: number }> {
  const isConcerned = and(
    eq(projects.githubInstallationId, installationId),
    isNotNull(projects.githubRepository),
    ...(repositories === undefined ? [] : [inArray(projects.githubRepository, repositories)]),
  );
  const { count, endings } = await inTransaction(context.db, async (tx) => {
    const rows = await tx.select().from(projects).where(isConcerned).for('update');
    const covered = rows.map(({ githubRepository }) => ({
      installationId,
      repository: githubRepository ?? '',
    }));
    if (isUnlinked) {
      await tx
        .update(projects)
        .set({ githubInstallationId: null, githubRepository: null })
        .where(eq(projects.githubInstallationId, installationId));
    }
    const ended = [...tokenKeys(covered), ...(isUnlinked ? rows.flatMap(projectKeys) : [])];
    return { count: rows.length, endings: await noteEndings(tx, ended) };
  });
  await endEverywhere(context, endings);
  return { forgotten: count };
}

function refuseUnlessSigned(secret: string | undefined, { signature, body }: Delivery): void {
  if (secret === undefined) {
    throw new Failure('NOT_FOUND', 'No webhook is configured: set GITHUB_WEBHOOK_SECRET.');
  }
  const expected = Buffer.from(`sha256=${createHmac('sha256', secret).update(body).digest('hex')}`);
  const given = Buffer.from(signature ?? '');
  if (given.length === expected.length && timingSafeEqual(given, expected)) return;
  throw new Failure('UNAUTHORIZED', 'The signature of the delivery is not right.');
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new Failure('BAD_REQUEST', 'The delivery is no JSON.', { cause: error });
  }
}
