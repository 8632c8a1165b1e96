import { and, eq, inArray, lt, sql } from 'drizzle-orm';
import type { SweepReport } from '../../contracts/control-api-admin.ts';
import { contentKey } from '../../contracts/object-keys.ts';
import { inBatches } from '../batches.ts';
import type { Context } from '../context.ts';
import { inTransaction } from '../database/database.ts';
import { objects } from '../database/schema.ts';

// Younger objects may belong to an upload or an encoding whose row is not written yet.
const GRACE_MS = 3_600_000;
const HASHES_AT_ONCE = 1000;

type BucketFindings = Pick<SweepReport, 'strayObjects' | 'lostObjects'>;

/** Compares what the bucket has of a project with what the database says. */
export async function compareBucket(context: Context, projectId: string): Promise<BucketFindings> {
  const { store, clock, log } = context;
  const startedAt = new Date(clock.nowMs() - GRACE_MS);
  const prefix = contentKey(projectId, '');
  const modified = new Map<string, number>();
  for await (const { key, modifiedAtMs } of store.list(prefix)) {
    const hash = key.slice(prefix.length);
    if (/^[0-9a-f]{64}$/.test(hash)) modified.set(hash, modifiedAtMs);
  }
  const known = await storedBefore(context, projectId, startedAt);
  const lost = await markLost(
    context,
    projectId,
    known.settled.filter((hash) => !modified.has(hash)),
  );
  const strays = [...modified.keys()].filter(
    (hash) => !known.all.has(hash) && (modified.get(hash) ?? 0) < startedAt.getTime(),
  );
  await deleteStrays(context, projectId, strays);
  if (lost.length > 0) {
    log.error(
      { projectId, objects: lost.length, first: lost[0] },
      'the bucket has lost objects of this project',
    );
  }
  return { strayObjects: strays.length, lostObjects: lost.length };
}

/** Hashes that have a row, and those among them that have been stored since before a time. */
async function storedBefore(
  { db }: Context,
  projectId: string,
  before: Date,
): Promise<{ all: Set<string>; settled: string[] }> {
  const rows = await db
    .select({
      hash: objects.hash,
      state: objects.state,
      isOld: sql<boolean>`${lt(objects.createdAt, before)}`,
    })
    .from(objects)
    .where(eq(objects.projectId, projectId));
  const settled = rows.filter(({ state, isOld }) => state === 'stored' && isOld);
  return { all: new Set(rows.map(({ hash }) => hash)), settled: settled.map(({ hash }) => hash) };
}

/**
 * Under rows made for the purpose, so that a deployment that begins meanwhile and needs one of them waits, and then asks
 * for it: bytes that have got a row since the comparison stay.
 */
async function deleteStrays(
  { db, store }: Context,
  projectId: string,
  hashes: readonly string[],
): Promise<void> {
  for (const batch of inBatches(hashes, HASHES_AT_ONCE, () => 1)) {
    await inTransaction(db, async (tx) => {
      const rows = await tx
        .insert(objects)
        .values(batch.map((hash) => ({ projectId, hash, size: 0, state: 'missing' as const })))
        .onConflictDoNothing()
        .returning({ hash: objects.hash });
      const unknown = rows.map(({ hash }) => hash);
      if (unknown.length === 0) return;
      await store.delete(unknown.map((hash) => contentKey(projectId, hash)));
      await tx.delete(objects).where(and(eq(objects.projectId, projectId), inArray(objects.hash, unknown)));
    });
  }
}

/** Answers those that are gone indeed: one may have been uploaded again since the bucket was listed. */
async function markLost(
  { db, store }: Context,
  projectId: string,
  hashes: readonly string[],
): Promise<string[]> {
  const lost: string[] = [];
  for (const hash of hashes) {
    const isThis = and(eq(objects.projectId, projectId), eq(objects.hash, hash));
    const isLost = await inTransaction(db, async (tx) => {
      // Held, as an upload holds it when it says that the object is there.
      const [row] = await tx.select({ state: objects.state }).from(objects).where(isThis).for('update');
      const isMissing =
        row?.state === 'stored' && (await store.head(contentKey(projectId, hash))) === undefined;
      if (isMissing) await tx.update(objects).set({ state: 'missing' }).where(isThis);
      return isMissing;
    });
    if (isLost) lost.push(hash);
  }
  return lost;
}
