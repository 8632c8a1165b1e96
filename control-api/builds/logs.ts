import { setTimeout as sleep } from 'node:timers/promises';
import { and, asc, eq, gt, lte } from 'drizzle-orm';
import { keys } from '../../cache/keys.ts';
import { logEntrySchema, type LogEntry, type LogPage } from '../../contracts/control-api-admin.ts';
import type { Context } from '../context.ts';
import { inTransaction, type Database } from '../database/database.ts';
import { buildLogs, builds } from '../database/schema.ts';
import { Failure } from '../failure.ts';
import type { ProjectRow } from '../projects/project.ts';
import { getBuild, hasEnded, readStatus, type BuildRow } from './build.ts';

export const MAX_LINES = 20_000;
const PAGE = 1000;
const POLL_MS = 250;

/**
 * Appends in order. The database gets every line at once, so that no eviction, flush or crash loses one; those who
 * follow a running build read the cache, however many they are.
 */
export async function appendLogs(
  context: Context,
  { project, id, entries }: { project: ProjectRow; id: string; entries: readonly LogEntry[] },
): Promise<{ next: number }> {
  const lines = await inTransaction(context.db, async (tx) => {
    const build = await holdBuild(tx, project, id);
    if (hasEnded(build.status)) throw new Failure('CONFLICT', `The build has ended (${build.status}).`);
    return await insertLines(tx, build, entries);
  });
  await context.cache.append(keys.buildLogs(id), lines);
  return { next: lines.at(-1)?.position ?? (await getBuild(context.db, project, id)).logCount };
}

export type ReadLogs = {
  project: ProjectRow;
  id: string;
  after: number;
  /** How long to wait for more; 0 answers at once. */
  waitMs: number;
  signal: AbortSignal;
};

/** Lines after a position. Held while there are none and the build goes on, for `waitMs` at most. */
export async function readLogs(context: Context, read: ReadLogs): Promise<LogPage> {
  const { clock } = context;
  const untilMs = clock.monotonicMs() + read.waitMs;
  for (;;) {
    // Asked first: what the build wrote before it ended is then certainly seen below.
    const status = await readStatus(context, read.project, read.id);
    const page = await readPage(context, read, hasEnded(status));
    const isOver = clock.monotonicMs() >= untilMs || read.signal.aborted;
    if (page.entries.length > 0 || page.isComplete || isOver) return page;
    await sleep(Math.min(POLL_MS, Math.max(1, untilMs - clock.monotonicMs())));
  }
}

type Line = LogEntry & { position: number };

async function readPage(
  context: Context,
  { project, id, after }: ReadLogs,
  isOver: boolean,
): Promise<LogPage> {
  if (!isOver) {
    const lines = await readCached(context, id, after);
    if (lines !== undefined) {
      return {
        entries: lines.map(toEntry),
        next: lines.at(-1)?.position ?? after,
        isComplete: false,
        dropped: 0,
      };
    }
  }
  return await readStored(context.db, project, { id, after, isOver });
}

/** What the cache has, where nothing is missing in between; undefined where the database must be asked. */
async function readCached({ cache }: Context, id: string, after: number): Promise<Line[] | undefined> {
  const page = await cache.readList(keys.buildLogs(id), after, PAGE);
  if (page.kind === 'error' || page.isTruncated) return undefined;
  // A list that ends exactly here has nothing new; an empty one may be one that was lost.
  if (page.items.length === 0) return after > 0 && page.next === after ? [] : undefined;
  const lines = page.items.flatMap((item, index) => {
    const entry = logEntrySchema.safeParse(item);
    const position = after + 1 + index;
    return entry.success && item.position === position ? [{ ...entry.data, position }] : [];
  });
  return lines.length === page.items.length ? lines : undefined;
}

async function readStored(
  db: Database,
  project: Pick<ProjectRow, 'id'>,
  { id, after, isOver }: { id: string; after: number; isOver: boolean },
): Promise<LogPage> {
  const build = await getBuild(db, project, id);
  const rows = await db
    .select({ position: buildLogs.position, entry: buildLogs.entry })
    .from(buildLogs)
    .where(and(eq(buildLogs.buildId, id), gt(buildLogs.position, after)))
    .orderBy(asc(buildLogs.position))
    .limit(PAGE);
  const next = rows.at(-1)?.position ?? Math.max(after, build.logDropped);
  return {
    entries: rows.map(({ entry }) => entry),
    next,
    isComplete: isOver && next >= build.logCount,
    dropped: Math.max(0, build.logDropped - after),
  };
}

/** Held, so that lines of two writers get positions one after the other. */
async function holdBuild(tx: Database, project: ProjectRow, id: string): Promise<BuildRow> {
  const [row] = await tx
    .select()
    .from(builds)
    .where(and(eq(builds.projectId, project.id), eq(builds.id, id)))
    .for('update');
  return row ?? (await getBuild(tx, project, id));
}

async function insertLines(tx: Database, build: BuildRow, entries: readonly LogEntry[]): Promise<Line[]> {
  if (entries.length === 0) return [];
  const lines = entries.map((entry, index) => ({ ...entry, position: build.logCount + 1 + index }));
  await tx
    .insert(buildLogs)
    .values(lines.map(({ position, ...entry }) => ({ buildId: build.id, position, entry })));
  const logCount = build.logCount + lines.length;
  const logDropped = Math.max(0, logCount - MAX_LINES);
  await tx.update(builds).set({ logCount, logDropped }).where(eq(builds.id, build.id));
  if (logDropped > build.logDropped) {
    await tx
      .delete(buildLogs)
      .where(and(eq(buildLogs.buildId, build.id), lte(buildLogs.position, logDropped)));
  }
  return lines;
}

function toEntry({ timestamp, level, message }: Line): LogEntry {
  return { timestamp, level, message };
}
