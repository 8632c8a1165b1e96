import { setTimeout as sleep } from 'node:timers/promises';
import { keys } from '../../cache/keys.ts';
import type { Context } from '../context.ts';

// A holder that died keeps the lock until its lifetime is over: longer than a deploy should wait.
const MAX_WAIT_MS = 2000;
const FIRST_PAUSE_MS = 20;
const MAX_PAUSE_MS = 500;

/** The fencing number of the lock; undefined where there is no cache to lock with. */
export type Fence = number | undefined;

/**
 * One deploy of a track at a time is finished, anywhere: it saves work, and it tells operators who is at it. What keeps
 * a track right is the transaction that moves it, which also refuses a fence lower than one it has seen; so where the
 * cache cannot be asked, the deploy goes on without a lock.
 */
export async function withDeployLock<Result>(
  context: Context,
  { projectId, track }: { projectId: string; track: string },
  work: (fence: Fence) => Promise<Result>,
): Promise<Result> {
  const { cache, clock } = context;
  const key = keys.deployLock(projectId, track);
  const giveUpAtMs = clock.monotonicMs() + MAX_WAIT_MS;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(MAX_PAUSE_MS, pauseMs * 2)) {
    const attempt = await cache.lock(key);
    if (attempt.kind === 'error') return await work(undefined);
    if (attempt.kind === 'acquired') {
      try {
        return await work(attempt.lock.fence);
      } finally {
        await attempt.lock.release();
      }
    }
    if (clock.monotonicMs() > giveUpAtMs) return await work(undefined);
    // Spread, so that those who wait do not all ask at once.
    await sleep(pauseMs * (0.5 + Math.random()));
  }
}
