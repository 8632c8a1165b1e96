import { and, count, eq, gt, inArray, isNull, lt, lte, min, notExists, or, sql, type SQL } from 'drizzle-orm';
import type { CertificateState } from '../../contracts/certificates.ts';
import type { Context } from '../context.ts';
import { inTransaction, type Database } from '../database/database.ts';
import { certificateOrders, certificates, domains } from '../database/schema.ts';
import { CertificateFailure, Overtaken } from './failure.ts';
import { whyUnsupported } from './supported.ts';
import type { Validity } from './when.ts';

// Any number will do, as long as it is none of migrate.ts: who counts, and goes by the count, holds it.
const COUNTING = 7_777_002;
const HOUR_MS = 3_600_000;
// Longer than anything between two statements of an attempt may take: every request has a deadline below.
const LEASE_MS = 120_000;

export type CertificateRow = typeof certificates.$inferSelect;
/** Whether there is one for gateways to serve. */
export function isServed({ installed, state }: Pick<CertificateRow, 'installed' | 'state'>): boolean {
  return installed !== null || state === 'provided';
}

/** Undefined without a certificate that was ordered. */
export function validityOf({
  notBefore,
  notAfter,
}: Pick<CertificateRow, 'notBefore' | 'notAfter'>): Validity | undefined {
  if (notBefore === null || notAfter === null) return undefined;
  return { notBeforeMs: notBefore.getTime(), notAfterMs: notAfter.getTime() };
}

type Changes = Partial<Omit<CertificateRow, 'host' | 'fence' | 'createdAt' | 'leasedUntil'>>;
type Base = Pick<Context, 'db' | 'clock'>;

const leaseEnd: SQL = sql`now() + ${LEASE_MS} * interval '1 millisecond'`;
const isFree: SQL | undefined = or(
  isNull(certificates.leasedUntil),
  lte(certificates.leasedUntil, sql`now()`),
);

/** Makes a row for each domain that is to have a certificate and has none. */
export async function enrol({
  db,
  clock,
  config,
}: Pick<Context, 'db' | 'clock' | 'config'>): Promise<number> {
  const known = db
    .select({ one: sql`1` })
    .from(certificates)
    .where(eq(certificates.host, domains.host));
  const rows = await db
    .select({ host: domains.host })
    .from(domains)
    .where(and(eq(domains.kind, 'custom'), notExists(known)));
  const hosts = rows.filter(({ host }) => whyUnsupported(host, config.ORIGAN_DEPLOY_DOMAIN) === undefined);
  if (hosts.length === 0) return 0;
  const nextAttemptAt = new Date(clock.nowMs());
  const values = hosts.map(({ host }) => ({ host, state: 'pending' as const, nextAttemptAt }));
  await db.insert(certificates).values(values).onConflictDoNothing();
  return values.length;
}

/** Takes those that are due, so many that no more than `maxAtOnce` are anybody's. */
export async function claim({ db, clock }: Base, maxAtOnce: number): Promise<CertificateRow[]> {
  const isDue = and(lte(certificates.nextAttemptAt, new Date(clock.nowMs())), isFree);
  // Asked without a lock: most of the time there is nothing to do.
  const [any] = await db.select({ host: certificates.host }).from(certificates).where(isDue).limit(1);
  if (any === undefined) return [];
  return await inTransaction(db, async (tx) => {
    await tx.execute(sql`select pg_advisory_xact_lock(${COUNTING})`);
    const [taken] = await tx
      .select({ count: count() })
      .from(certificates)
      .where(gt(certificates.leasedUntil, sql`now()`));
    const free = maxAtOnce - (taken?.count ?? 0);
    if (free <= 0) return [];
    const due = await tx
      .select({ host: certificates.host })
      .from(certificates)
      .where(isDue)
      .orderBy(certificates.nextAttemptAt, certificates.host)
      .limit(free)
      .for('update', { skipLocked: true });
    if (due.length === 0) return [];
    const hosts = due.map(({ host }) => host);
    return await tx
      .update(certificates)
      .set({ fence: sql`${certificates.fence} + 1`, leasedUntil: leaseEnd })
      .where(inArray(certificates.host, hosts))
      .returning();
  });
}

/** Nobody but this process ever used an embedded database: what was leased, was by one that is gone. */
export async function endLeases({ db }: Pick<Context, 'db'>): Promise<void> {
  await db.update(certificates).set({ leasedUntil: null });
}

/** One host's attempt; its statements fail once another attempt has begun. */
export type Attempt = {
  readonly host: string;
  /** As it is in the database. */
  row(): CertificateRow;
  /** Writes, and holds the work for longer. @throws Overtaken */
  note(changes: Changes): Promise<void>;
  /** The same in a transaction that holds the row while `work` is done. @throws Overtaken */
  noteAfter(work: () => Promise<Changes>): Promise<void>;
  /** Writes, and gives the work back. */
  end(changes: Changes): Promise<void>;
};

export function createAttempt({ db }: Pick<Context, 'db'>, claimed: CertificateRow): Attempt {
  const { host, fence } = claimed;
  const isMine = and(eq(certificates.host, host), eq(certificates.fence, fence));
  let row = claimed;
  const write = async (on: Database, changes: Changes, leasedUntil: SQL | null): Promise<void> => {
    const [written] = await on
      .update(certificates)
      .set({ ...changes, leasedUntil })
      .where(isMine)
      .returning();
    if (written === undefined) throw new Overtaken();
    row = written;
  };
  return {
    host,
    row: () => row,
    note: (changes) => write(db, changes, leaseEnd),
    noteAfter: (work) =>
      inTransaction(db, async (tx) => {
        const held = await tx
          .select({ host: certificates.host })
          .from(certificates)
          .where(isMine)
          .for('update');
        if (held.length === 0) throw new Overtaken();
        await write(tx, await work(), leaseEnd);
      }),
    end: (changes) => write(db, changes, null),
  };
}

/** Counts an order against the limit for an hour. @throws CertificateFailure `limited` */
export async function takeOrder({ db, clock }: Base, host: string, maxPerHour: number): Promise<void> {
  const nowMs = clock.nowMs();
  const since = new Date(nowMs - HOUR_MS);
  const retryAfterMs = await inTransaction(db, async (tx) => {
    await tx.execute(sql`select pg_advisory_xact_lock(${COUNTING})`);
    await tx.delete(certificateOrders).where(lt(certificateOrders.placedAt, since));
    const [placed] = await tx
      .select({ count: count(), first: min(certificateOrders.placedAt) })
      .from(certificateOrders);
    if ((placed?.count ?? 0) >= maxPerHour) return (placed?.first?.getTime() ?? nowMs) + HOUR_MS - nowMs;
    await tx.insert(certificateOrders).values({ host, placedAt: new Date(nowMs) });
    return undefined;
  });
  if (retryAfterMs === undefined) return;
  throw new CertificateFailure(
    'limited',
    `${maxPerHour} orders were placed within the last hour, which is this installation's limit.`,
    { retryAfterMs },
  );
}

/** Tries again at once where the last attempt failed before the authority heard of it. */
export async function hasten({ db, clock }: Base, host: string): Promise<void> {
  const mayNow = and(eq(certificates.host, host), eq(certificates.failureKind, 'domain'), isFree);
  await db
    .update(certificates)
    .set({ nextAttemptAt: new Date(clock.nowMs()) })
    .where(mayNow);
}

/** Hosts whose domain is gone. */
export async function findOrphans({ db }: Pick<Context, 'db'>): Promise<string[]> {
  const rows = await db
    .select({ host: certificates.host })
    .from(certificates)
    .where(notExists(domainOf(db)));
  return rows.map(({ host }) => host);
}

/** Ends the row of a domain that is gone, under its lock, with `work` done before. Answers false where there is one again. */
export async function endOrphan(
  { db }: Pick<Context, 'db'>,
  host: string,
  work: (row: CertificateRow) => Promise<void>,
): Promise<boolean> {
  return await inTransaction(db, async (tx) => {
    const [row] = await tx.select().from(certificates).where(eq(certificates.host, host)).for('update');
    // Looked for again under the lock: the domain may have come back.
    const [domain] = await tx.select({ host: domains.host }).from(domains).where(isCustom(host));
    if (row === undefined || domain !== undefined) return false;
    await work(row);
    await tx.delete(certificates).where(eq(certificates.host, host));
    return true;
  });
}

const isCustom = (host: string): SQL | undefined => and(eq(domains.host, host), eq(domains.kind, 'custom'));

function domainOf(db: Database): SQL {
  return sql`${db
    .select({ one: sql`1` })
    .from(domains)
    .where(and(eq(domains.host, certificates.host), eq(domains.kind, 'custom')))}`;
}

export type StateCounts = Record<CertificateState, number>;

export async function countStates({ db }: Pick<Context, 'db'>): Promise<StateCounts> {
  const counts: StateCounts = { pending: 0, ordering: 0, issued: 0, failed: 0, provided: 0 };
  const rows = await db
    .select({ state: certificates.state, count: count() })
    .from(certificates)
    .groupBy(certificates.state);
  for (const row of rows) counts[row.state] = row.count;
  return counts;
}
