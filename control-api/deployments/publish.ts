import { and, asc, eq, lte } from 'drizzle-orm';
import { keys } from '../../cache/keys.ts';
import type { Invalidation } from '../../cache/lookup.ts';
import { mapConcurrently } from '../batches.ts';
import type { Context } from '../context.ts';
import { pendingFlips } from '../database/schema.ts';
import type { Shown } from './move-track.ts';

const HOSTS_AT_ONCE = 16;
const MAX_REPLAYED = 1000;

export type Publication = Omit<Invalidation, 'durationMs'> & { durationMs: number };

/**
 * Tells the cache, and through it every gateway, what hosts show since a commit. Nothing here can undo the commit:
 * what the cache did not take is noted in the database and told again later.
 */
export async function publish(context: Context, shown: readonly Shown[]): Promise<Publication> {
  const began = context.clock.monotonicMs();
  const outcomes = await mapConcurrently(shown, HOSTS_AT_ONCE, (host) => publishHost(context, host));
  const acknowledged = new Set(outcomes.flatMap((outcome) => outcome.acknowledged));
  const expired = new Set(outcomes.flatMap((outcome) => outcome.expired));
  return {
    acknowledged: [...acknowledged].filter((instance) => !expired.has(instance)).toSorted(),
    expired: [...expired].toSorted(),
    isComplete: outcomes.every(({ isComplete }) => isComplete),
    durationMs: Math.round((context.clock.monotonicMs() - began) * 100) / 100,
  };
}

/** Publishes what earlier ones left. Answers how many hosts are still to be told. */
export async function publishPending(context: Context): Promise<number> {
  const rows = await context.db
    .select({ host: pendingFlips.host, rev: pendingFlips.rev })
    .from(pendingFlips)
    .orderBy(asc(pendingFlips.createdAt))
    .limit(MAX_REPLAYED);
  const outcomes = await mapConcurrently(rows, HOSTS_AT_ONCE, (host) => publishHost(context, host));
  return outcomes.filter(({ isComplete }) => !isComplete).length;
}

async function publishHost(context: Context, { host, rev }: Shown): Promise<Invalidation> {
  const { cache, db, sites } = context;
  const key = keys.domain(host);
  const outcome = await cache.invalidate(key, { rev });
  if (!outcome.isComplete) return outcome;
  // Warm: the first visitor finds the new mapping there. By now it may be a newer one still, which is as good.
  const site = await sites.read(host);
  if (site !== undefined) await cache.set(key, site, { rev: site.rev });
  await db.delete(pendingFlips).where(and(eq(pendingFlips.host, host), lte(pendingFlips.rev, rev)));
  return outcome;
}
