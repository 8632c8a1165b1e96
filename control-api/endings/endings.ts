import { asc, inArray } from 'drizzle-orm';
import { keyOf, logsKeyOf, type CacheKey, type ListKey } from '../../cache/keys.ts';
import type { Cache } from '../../cache/cache.ts';
import { inBatches } from '../batches.ts';
import type { Context } from '../context.ts';
import type { Database } from '../database/database.ts';
import { pendingEndings } from '../database/schema.ts';

// A message of the bus names them all.
const KEYS_AT_ONCE = 300;
const ENDINGS_A_RUN = 3000;

const columns = { id: pendingEndings.id, family: pendingEndings.family, name: pendingEndings.name };

type EndedKey = CacheKey<unknown> | ListKey<unknown>;

/** A key whose value a commit ended, noted in the database until the cache has been told. */
export type Ending = { id: number; key: EndedKey };

/**
 * Notes, in the transaction that changes what the cache's values were made from, that they must end. Call `tellEndings`
 * after the commit; what a crash or an outage prevents is told later.
 */
export async function noteEndings(tx: Database, ended: readonly EndedKey[]): Promise<Ending[]> {
  const noted: Ending[] = [];
  for (const batch of inBatches(ended, KEYS_AT_ONCE, () => 1)) {
    const values = batch.map((key) => ({ family: familyOf(key), name: key.name }));
    noted.push(...toEndings(await tx.insert(pendingEndings).values(values).returning(columns)));
  }
  return noted;
}

/** Answers whether no cache holds what ended any more. Where it is false, this control API no longer reads it there. */
export async function tellEndings(context: Context, endings: readonly Ending[]): Promise<boolean> {
  if (endings.length === 0) return true;
  const { cache, db, belief } = context;
  belief.doubt(endings);
  let isTold = true;
  for (const batch of inBatches(endings, KEYS_AT_ONCE, () => 1)) {
    const isGone = await end(
      cache,
      batch.map(({ key }) => key),
    );
    // Switched off, it holds nothing that could be out of date.
    if (!isGone && cache.state() !== 'disabled') {
      isTold = false;
      continue;
    }
    const ids = batch.map(({ id }) => id);
    await db.delete(pendingEndings).where(inArray(pendingEndings.id, ids));
    belief.trust(batch);
  }
  if (!isTold) context.untold.hasAny = true;
  return isTold;
}

/** The same, answering only when no control API answers from what ended, whether or not the cache could be told. */
export async function endEverywhere(context: Context, endings: readonly Ending[]): Promise<void> {
  if (!(await tellEndings(context, endings))) await context.belief.untilAllDoubt();
}

/** Tells what earlier changes could not. */
export async function tellPendingEndings(context: Context): Promise<void> {
  const rows = await context.db
    .select(columns)
    .from(pendingEndings)
    .orderBy(asc(pendingEndings.id))
    .limit(ENDINGS_A_RUN);
  await tellEndings(context, toEndings(rows));
}

/** Answers whether the cache server took it. */
async function end(cache: Cache, ended: readonly EndedKey[]): Promise<boolean> {
  const values = ended.filter((key): key is CacheKey<unknown> => !isList(key));
  const lists = ended.filter((key) => isList(key));
  const outcomes = await Promise.all([
    values.length === 0 ? true : cache.invalidateMany(values).then(({ isComplete }) => isComplete),
    // Nobody keeps a list in memory, so nobody has to confirm.
    lists.length === 0 ? true : cache.del(lists).then(({ kind }) => kind === 'stored'),
  ]);
  return outcomes.every(Boolean);
}

function isList(key: EndedKey): key is ListKey<unknown> {
  return typeof key.family === 'string';
}

function familyOf(key: EndedKey): string {
  return isList(key) ? key.family : key.family.name;
}

function toEndings(rows: readonly { id: number; family: string; name: string }[]): Ending[] {
  return rows.flatMap(({ id, family, name }) => {
    const key = keyOf(family, name) ?? logsKeyOf(family, name);
    return key === undefined ? [] : [{ id, key }];
  });
}
