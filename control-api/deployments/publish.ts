import { and, asc, eq, inArray, lte, or } from 'drizzle-orm';
import { keys } from '../../cache/keys.ts';
import type { Invalidation } from '../../cache/lookup.ts';
import { messageOf } from '../../core/errors.ts';
import { mapConcurrently } from '../batches.ts';
import type { Context } from '../context.ts';
import { pendingFlips } from '../database/schema.ts';
import type { Shown } from './move-track.ts';

const HOSTS_AT_ONCE = 16;
const MAX_REPLAYED = 1000;

/**
 * Tells the cache, and through it every gateway, what hosts show since a commit. Never throws and cannot undo the
 * commit: what the cache did not take stays noted in the database and is told again.
 */
export async function publish(context: Context, shown: readonly Shown[]): Promise<Invalidation> {
  const began = context.clock.monotonicMs();
  // A host that showed nothing before can be served from no gateway's memory: nobody has to be waited for.
  const [first, changed] = [shown.filter(({ isFirst }) => isFirst), shown.filter(({ isFirst }) => !isFirst)];
  const outcomes = await Promise.all([
    announceHosts(context, first, true),
    announceHosts(context, changed, false),
  ]);
  const expired = new Set(outcomes.flatMap((outcome) => outcome.expired));
  const acknowledged = new Set(outcomes.flatMap((outcome) => outcome.acknowledged));
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
  if (rows.length === 0) return 0;
  const { isComplete } = await publish(
    context,
    rows.map((row) => ({ ...row, isFirst: false })),
  );
  return isComplete ? 0 : rows.length;
}

const NOTHING: Invalidation = { acknowledged: [], expired: [], isComplete: true, durationMs: 0 };

async function announceHosts(
  context: Context,
  shown: readonly Shown[],
  isFirst: boolean,
): Promise<Invalidation> {
  if (shown.length === 0) return NOTHING;
  const { cache } = context;
  try {
    // Switched off, it holds nothing that could be out of date: gateways ask for every request.
    if (cache.state() === 'disabled') {
      await forgetPending(context, shown);
      return NOTHING;
    }
    await mapConcurrently(shown, HOSTS_AT_ONCE, ({ host }) => warm(context, host));
    const outcome = await cache.invalidateMany(
      shown.map(({ host }) => keys.domain(host)),
      { revs: shown.map(({ rev }) => rev), isFirst },
    );
    if (outcome.isComplete) await forgetPending(context, shown);
    else context.untold.hasAny = true;
    return outcome;
  } catch (error) {
    context.untold.hasAny = true;
    context.log.warn(
      { error: messageOf(error) },
      'a change of domains could not be announced; it will be again',
    );
    return { ...NOTHING, isComplete: false };
  }
}

/** The first visitor finds the new mapping there. By now it may be a newer one still, which is as good. */
async function warm({ sites, cache }: Context, host: string): Promise<void> {
  const site = await sites.read(host);
  if (site !== undefined) await cache.set(keys.domain(host), site, { rev: site.rev });
}

async function forgetPending({ db }: Context, shown: readonly Shown[]): Promise<void> {
  const isTold = shown.map(({ host, rev }) => and(eq(pendingFlips.host, host), lte(pendingFlips.rev, rev)));
  // By key first, so that the index is used however many there are.
  const hosts = shown.map(({ host }) => host);
  await db.delete(pendingFlips).where(and(inArray(pendingFlips.host, hosts), or(...isTold)));
}
