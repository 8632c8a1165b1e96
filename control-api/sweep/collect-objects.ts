import { and, eq, inArray, notExists, or, sql } from 'drizzle-orm';
import { contentKey } from '../../contracts/object-keys.ts';
import type { Context } from '../context.ts';
import { inTransaction, type Database } from '../database/database.ts';
import { deploymentObjects, encodedForms, objects } from '../database/schema.ts';

const OBJECTS_AT_ONCE = 200;

/**
 * Deletes the objects of a project that no deployment needs. Their rows are held while the bucket deletes, and a
 * deployment that begins meanwhile and needs one of them waits, finds it gone and asks for it again.
 */
export async function collectObjects(
  context: Context,
  projectId: string,
): Promise<{ objects: number; bytes: number }> {
  const collected = { objects: 0, bytes: 0 };
  for (;;) {
    const batch = await inTransaction(context.db, (tx) => collectBatch(tx, context, projectId));
    collected.objects += batch.objects;
    collected.bytes += batch.bytes;
    if (batch.rows < OBJECTS_AT_ONCE) return collected;
  }
}

async function collectBatch(
  tx: Database,
  { store }: Context,
  projectId: string,
): Promise<{ objects: number; bytes: number; rows: number }> {
  const users = tx
    .select({ one: sql`1` })
    .from(deploymentObjects)
    .where(and(eq(deploymentObjects.projectId, objects.projectId), eq(deploymentObjects.hash, objects.hash)));
  const rows = await tx
    .select({ hash: objects.hash, size: objects.size, state: objects.state })
    .from(objects)
    .where(and(eq(objects.projectId, projectId), notExists(users)))
    .orderBy(objects.hash)
    .limit(OBJECTS_AT_ONCE)
    .for('update', { skipLocked: true });
  const free = await stillFree(tx, projectId, rows);
  if (free.length === 0) return { objects: 0, bytes: 0, rows: rows.length };
  const hashes = free.map(({ hash }) => hash);
  await store.delete(hashes.map((hash) => contentKey(projectId, hash)));
  const isForm = or(inArray(encodedForms.formHash, hashes), inArray(encodedForms.hash, hashes));
  await tx.delete(encodedForms).where(and(eq(encodedForms.projectId, projectId), isForm));
  await tx.delete(objects).where(and(eq(objects.projectId, projectId), inArray(objects.hash, hashes)));
  const stored = free.filter(({ state }) => state === 'stored');
  return {
    objects: stored.length,
    bytes: stored.reduce((sum, { size }) => sum + size, 0),
    rows: rows.length,
  };
}

/** A row may have been referred to between the query's snapshot and its lock: asked again under the lock. */
async function stillFree<Row extends { hash: string }>(
  tx: Database,
  projectId: string,
  rows: readonly Row[],
): Promise<Row[]> {
  if (rows.length === 0) return [];
  const hashes = rows.map(({ hash }) => hash);
  const isOne = and(eq(deploymentObjects.projectId, projectId), inArray(deploymentObjects.hash, hashes));
  const used = await tx.selectDistinct({ hash: deploymentObjects.hash }).from(deploymentObjects).where(isOne);
  const taken = new Set(used.map(({ hash }) => hash));
  return rows.filter(({ hash }) => !taken.has(hash));
}
