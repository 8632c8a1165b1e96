import { keys } from '../../cache/keys.ts';
import { messageOf } from '../../core/errors.ts';
import type { Closable } from '../../core/lifecycle.ts';
import type { Context } from '../context.ts';
import { tellPendingEndings } from '../endings/endings.ts';
import { publishPending } from '../deployments/publish.ts';
import { sweep } from './sweep.ts';

// What the cache did not take waits for no sweep.
const RETRY_MS = 2000;
// What another control API noted before it died is looked for less often.
const LOOK_EVERY = 8;

/** Sweeps now and then, and tells the cache again what it did not take. Closing waits for what is under way. */
export function scheduleSweeps(context: Context): Closable {
  const { SWEEP_INTERVAL_MS: intervalMs } = context.config;
  const closing = new AbortController();
  const timers = [repeat(RETRY_MS, createTeller(context))];
  if (intervalMs > 0) timers.push(repeat(intervalMs, () => sweepAlone(context, closing.signal)));
  return {
    close: async () => {
      closing.abort();
      await Promise.all(timers.map((timer) => timer.close()));
    },
  };
}

function createTeller(context: Context): () => Promise<void> {
  let turn = 0;
  return async () => {
    turn += 1;
    if (!context.untold.hasAny && turn % LOOK_EVERY !== 0) return;
    context.untold.hasAny = false;
    try {
      await publishPending(context);
      await tellPendingEndings(context);
    } catch (error) {
      context.untold.hasAny = true;
      context.log.warn({ error: messageOf(error) }, 'what the cache is still to be told could not be read');
    }
  };
}

/** One control API at a time, to save work only: two at once do no harm, so without a cache each of them sweeps. */
async function sweepAlone(context: Context, signal: AbortSignal): Promise<void> {
  const attempt = await context.cache.lock(keys.lock('collect'));
  if (attempt.kind === 'taken') return;
  try {
    const report = await sweep(context, signal);
    const hasFound = Object.values(report).some((count) => count > 0);
    context.log[hasFound ? 'info' : 'debug']({ ...report }, 'swept');
  } catch (error) {
    context.log.warn({ error: messageOf(error) }, 'the sweep failed');
  } finally {
    if (attempt.kind === 'acquired') await attempt.lock.release();
  }
}

/** Runs `work` again `everyMs` after its last end. */
function repeat(everyMs: number, work: () => Promise<void>): Closable {
  let isClosed = false;
  let running: Promise<void> = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;
  const arm = (): void => {
    if (isClosed) return;
    timer = setTimeout(() => {
      running = work().finally(arm);
    }, everyMs);
    timer.unref();
  };
  arm();
  return {
    close: async () => {
      isClosed = true;
      clearTimeout(timer);
      await running;
    },
  };
}
