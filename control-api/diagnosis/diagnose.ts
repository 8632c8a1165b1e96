import { count, sql } from 'drizzle-orm';
import { describeServer, findMissingRight } from '../../cache/describe-cache.ts';
import { keys } from '../../cache/keys.ts';
import type { Diagnosis } from '../../contracts/diagnosis.ts';
import { messageOf } from '../../core/errors.ts';
import { diagnoseCertificates } from '../certificates/diagnose.ts';
import type { Context } from '../context.ts';
import { historyProblem, readMigrations } from '../database/migrate.ts';
import { pendingEndings, pendingFlips } from '../database/schema.ts';
import { probeBucket } from './probe-bucket.ts';
import { within } from './within.ts';

const BUS_WAIT_MS = 4000;
// A tag of no project: nothing carries it.
const PROBE = keys.tag('doctor', 'probe');

/** Tries every part that the control API needs, as it needs it. Never throws; no part waits for another. */
export async function diagnose(context: Context): Promise<Diagnosis> {
  const [problems, database, migrations, cache, bus, untold, certificates] = await Promise.all([
    probeBucket(context.store),
    askDatabase(context),
    compareMigrations(context),
    askCache(context),
    askBus(context),
    countUntold(context),
    diagnoseCertificates(context),
  ]);
  return {
    bucket: { kind: context.store.kind, problems },
    database: { kind: context.database.kind, ...database },
    migrations,
    cache,
    bus,
    untold,
    certificates,
    isEnvironmentSealed: context.config.ENVIRONMENT_KEY !== undefined,
  };
}

async function askDatabase({ db, clock }: Context): Promise<Omit<Diagnosis['database'], 'kind'>> {
  try {
    const askedMs = clock.nowMs();
    const rows = await within(() =>
      rowsOf(db.execute(sql`select extract(epoch from clock_timestamp()) * 1000 as now`)),
    );
    // It looked at its clock at some time between: half-way is the best guess.
    const halfWayMs = (askedMs + clock.nowMs()) / 2;
    return { skewMs: Math.round(Number(rows[0]?.['now']) - halfWayMs), problem: null };
  } catch (error) {
    return { skewMs: null, problem: causeOf(error) };
  }
}

/** Without the lock and the transaction that changing the schema takes: other requests go on. */
async function compareMigrations({ db }: Context): Promise<Diagnosis['migrations']> {
  try {
    const migrations = await readMigrations();
    const rows = await within(() =>
      rowsOf(db.execute(sql`select name, checksum from schema_migrations order by name`)),
    );
    const problem = historyProblem(rows, migrations) ?? null;
    return {
      pending: problem === null ? migrations.slice(rows.length).map(({ name }) => name) : [],
      problem,
    };
  } catch (error) {
    return { pending: [], problem: causeOf(error) };
  }
}

async function askCache({ cache, cacheAccess, probeCacheTls }: Context): Promise<Diagnosis['cache']> {
  const isServer = cache.state() === 'up';
  const [{ server }, tls] = await Promise.all([cache.snapshot(), probeCacheTls()]);
  return {
    state: cache.state(),
    access: cacheAccess ?? null,
    tls: tls ?? null,
    server: describeServer(server) ?? null,
    problem: isServer ? ((await findMissingRight(cache)) ?? null) : null,
  };
}

/** Gateways that a registry which has just begun does not know are not waited for. */
async function askBus({ cache }: Context): Promise<Diagnosis['bus']> {
  const outcome = await cache.invalidate(PROBE, { waitMs: BUS_WAIT_MS, isFirst: true });
  const { gateways = [] } = await cache.snapshot();
  const acknowledged = [...outcome.acknowledged];
  const silent = gateways.filter((instance) => !acknowledged.includes(instance));
  return { acknowledged, silent, isComplete: outcome.isComplete, durationMs: outcome.durationMs };
}

async function countUntold({ db }: Context): Promise<number | null> {
  try {
    const [flips] = await within(async () => await db.select({ count: count() }).from(pendingFlips));
    const [endings] = await within(async () => await db.select({ count: count() }).from(pendingEndings));
    return (flips?.count ?? 0) + (endings?.count ?? 0);
  } catch {
    // The database, or its schema, is what is wrong: that is said elsewhere.
    return null;
  }
}

/** Both drivers answer `{ rows }`. */
async function rowsOf(answer: PromiseLike<unknown>): Promise<Record<string, unknown>[]> {
  const { rows } = (await answer) as { rows: Record<string, unknown>[] };
  return rows;
}

/** What the database said, and not the query. */
function causeOf(error: unknown): string {
  return messageOf(error instanceof Error && error.cause !== undefined ? error.cause : error);
}
