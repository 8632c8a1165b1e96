import { setTimeout as sleep } from 'node:timers/promises';
import { keys } from '../../cache/keys.ts';
import {
  LOG_LEVELS,
  type FunctionLogEntry,
  type FunctionLogLine,
  type FunctionLogPage,
  type LogLevel,
} from '../../contracts/function-logs.ts';
import type { Context } from '../context.ts';
import { Failure } from '../failure.ts';
import type { ProjectRow } from '../projects/project.ts';
import { decodeCursor, encodeCursor, MAX_DEPLOYMENTS, type Positions } from './cursor.ts';
import { routesOf, type RouteOf } from './routes.ts';
import { findTarget, keepOwn, type LogTarget } from './targets.ts';

const PAGE = 500;
const MAX_LINES = 1000;
const POLL_MS = 250;
/** How often a follower's target is looked up again: it may show another deployment by now. */
const LOOK_UP_MS = 2000;

export type ReadFunctionLogs = LogTarget & {
  project: ProjectRow;
  cursor?: string | undefined;
  /** Without a cursor: begin with the last so many of the lines that are wanted. */
  tail?: number | undefined;
  level?: LogLevel | undefined;
  sinceMs?: number | undefined;
  request?: string | undefined;
  /** How long to wait for more; 0 answers at once. */
  waitMs: number;
  signal: AbortSignal;
};

/** Lines of functions after a position, from the shared cache. Held while there are none, for `waitMs` at most. */
export async function readFunctionLogs(context: Context, read: ReadFunctionLogs): Promise<FunctionLogPage> {
  const { clock } = context;
  const untilMs = clock.monotonicMs() + read.waitMs;
  let positions = await ownPositions(context, read);
  for (let lookUpAtMs = 0; ;) {
    if (clock.monotonicMs() >= lookUpAtMs) {
      positions = withTarget(positions, await findTarget(context, read.project, read));
      lookUpAtMs = clock.monotonicMs() + LOOK_UP_MS;
    }
    const page = await readOnce(context, positions, read);
    positions = page.positions;
    const isOver = clock.monotonicMs() >= untilMs || read.signal.aborted;
    if (page.entries.length > 0 || page.isTruncated || isOver) return toAnswer(context, page);
    if (page.isAtEnd) await sleep(Math.min(POLL_MS, Math.max(1, untilMs - clock.monotonicMs())));
  }
}

/** Positions of the cursor, of deployments that are the project's. */
async function ownPositions(context: Context, { project, cursor }: ReadFunctionLogs): Promise<Positions> {
  if (cursor === undefined) return new Map();
  const given = decodeCursor(cursor);
  const own = await keepOwn(context, project, [...given.keys()]);
  return new Map([...given].filter(([id]) => own.has(id)));
}

/** What is shown now comes last; of those before it as many stay as a cursor holds. */
function withTarget(positions: Positions, id: string | undefined): Positions {
  if (id === undefined || positions.has(id)) return positions;
  return new Map([...[...positions].slice(1 - MAX_DEPLOYMENTS), [id, 0]]);
}

type Page = Pick<FunctionLogPage, 'entries' | 'isAtEnd' | 'isTruncated'> & { positions: Positions };

async function readOnce(context: Context, before: Positions, read: ReadFunctionLogs): Promise<Page> {
  const positions = new Map(before);
  const isTail = read.cursor === undefined && read.tail !== undefined;
  let entries: FunctionLogEntry[] = [];
  let isAtEnd = true;
  let isTruncated = false;
  for (const [id, after] of before) {
    const part = await readDeployment(context, id, { after, maxLines: isTail ? Infinity : MAX_LINES });
    positions.set(id, part.next);
    isAtEnd &&= part.isAtEnd;
    isTruncated ||= part.isTruncated;
    const wanted = part.lines.filter((line) => isWanted(line, read));
    const routeOf = await routesOf(context, id, wanted);
    entries.push(...wanted.map((line) => toEntry(id, line, routeOf)));
  }
  if (before.size > 1) entries = entries.toSorted((a, b) => a.timestamp.localeCompare(b.timestamp));
  if (isTail) entries = entries.slice(-(read.tail ?? 0) || entries.length);
  return { entries, isAtEnd, isTruncated, positions };
}

type Part = { lines: FunctionLogLine[]; next: number; isAtEnd: boolean; isTruncated: boolean };

/** @throws Failure CACHE_FAILED. */
async function readDeployment(
  { cache }: Context,
  id: string,
  { after, maxLines }: { after: number; maxLines: number },
): Promise<Part> {
  const lines: FunctionLogLine[] = [];
  let [next, isTruncated] = [after, false];
  if (cache.state() === 'disabled') return { lines, next, isAtEnd: true, isTruncated };
  while (lines.length < maxLines) {
    const page = await cache.readList(keys.functionLogs(id), next, PAGE);
    if (page.kind === 'error') throw unreadable(page.cause);
    isTruncated ||= page.isTruncated && next > 0 && page.next !== 0;
    if (page.next === next || page.items.length === 0) return { lines, next, isAtEnd: true, isTruncated };
    next = page.next;
    lines.push(...page.items);
  }
  return { lines, next, isAtEnd: false, isTruncated };
}

function unreadable(cause: unknown): Failure {
  return new Failure('CACHE_FAILED', 'The logs cannot be read just now: the cache does not answer.', {
    cause,
  });
}

function isWanted(
  line: FunctionLogLine,
  { level = 'debug', sinceMs = 0, request }: ReadFunctionLogs,
): boolean {
  return (
    LOG_LEVELS.indexOf(line.level) >= LOG_LEVELS.indexOf(level) &&
    line.timeMs >= sinceMs &&
    (request === undefined || line.requestId === request)
  );
}

function toEntry(
  deploymentId: string,
  { timeMs, path, ...line }: FunctionLogLine,
  routeOf: RouteOf,
): FunctionLogEntry {
  const route = routeOf(path);
  const timestamp = new Date(timeMs).toISOString();
  return { timestamp, ...line, deploymentId, ...(route === undefined ? {} : { route }) };
}

function toAnswer({ cache }: Context, { positions, ...page }: Page): FunctionLogPage {
  const state = cache.state();
  return {
    ...page,
    cursor: encodeCursor(positions),
    deploymentIds: [...positions.keys()],
    storage: state === 'memory' || state === 'disabled' ? state : 'shared',
  };
}
