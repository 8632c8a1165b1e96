import { asc, eq } from 'drizzle-orm';
import type { ObjectStore } from '../../store/object-store.ts';
import type { Context } from '../context.ts';
import type { Database } from '../database/database.ts';
import { pendingDeletions } from '../database/schema.ts';

// As many as one call of S3 takes.
const KEYS_AT_ONCE = 1000;
const PREFIXES_A_RUN = 1000;

export type DeletedObjects = { objects: number; bytes: number };

/** Notes, with the rows that are being deleted, what is to go from the bucket. */
export async function noteDeletion(tx: Database, prefix: string): Promise<void> {
  await tx.insert(pendingDeletions).values({ prefix }).onConflictDoNothing();
}

/** Deletes every object below a noted prefix. */
export async function deletePrefix({ db, store }: Context, prefix: string): Promise<DeletedObjects> {
  const deleted = await deleteBelow(store, prefix);
  await db.delete(pendingDeletions).where(eq(pendingDeletions.prefix, prefix));
  return deleted;
}

/** Deletes what earlier deletions noted and did not come to. */
export async function deletePending(context: Context): Promise<number> {
  const rows = await context.db
    .select({ prefix: pendingDeletions.prefix })
    .from(pendingDeletions)
    .orderBy(asc(pendingDeletions.createdAt))
    .limit(PREFIXES_A_RUN);
  let objects = 0;
  for (const { prefix } of rows) objects += (await deletePrefix(context, prefix)).objects;
  return objects;
}

async function deleteBelow(store: ObjectStore, prefix: string): Promise<DeletedObjects> {
  const deleted = { objects: 0, bytes: 0 };
  let keys: string[] = [];
  for await (const { key, size } of store.list(prefix)) {
    keys.push(key);
    deleted.objects += 1;
    deleted.bytes += size;
    if (keys.length < KEYS_AT_ONCE) continue;
    await store.delete(keys);
    keys = [];
  }
  if (keys.length > 0) await store.delete(keys);
  return deleted;
}
