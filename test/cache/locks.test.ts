import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { LockKey } from '../../cache/keys.ts';
import type { HeldLock } from '../../cache/lock.ts';
import type { Cache } from '../../cache/cache.ts';
import { serverRig, until, type Rig } from './rigs.ts';

/** Long enough for a machine that stands still, short enough to wait for a renewal. */
const TTL_MS = 3000;

describe('a lock', () => {
  let rig: Rig;
  let cache: Cache;
  let other: Cache;
  beforeAll(async () => {
    rig = await serverRig();
    [cache, other] = await Promise.all([rig.open(), rig.open()]);
  });
  afterAll(() => rig.close());

  let serial = 0;
  const fresh = (): LockKey => ({ family: 'lock', name: `lock:${(serial += 1)}`, ttlMs: TTL_MS });
  const take = async (from: Cache, key: LockKey): Promise<HeldLock> => {
    const attempt = await from.lock(key);
    if (attempt.kind !== 'acquired') throw new Error(`not acquired: ${attempt.kind}`);
    return attempt.lock;
  };

  it('is renewed for as long as it is held', async () => {
    const key = fresh();
    const lock = await take(cache, key);
    const admin = rig.server?.admin();
    let leftMs = TTL_MS;
    await until('its lifetime has grown again', async () => {
      const nowMs = (await admin?.pttl(key.name)) ?? 0;
      const hasGrown = nowMs > leftMs;
      leftMs = nowMs;
      return hasGrown;
    });
    expect(lock.isHeld()).toBe(true);
    expect(lock.lost.aborted).toBe(false);
    expect(await other.lock(key)).toEqual({ kind: 'taken' });
    await lock.release();
    expect(lock.isHeld()).toBe(false);
  });

  it('that was released is not held again by a renewal that was on its way', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    try {
      const lock = await take(cache, fresh());
      vi.advanceTimersByTime(TTL_MS / 3);
      const release = lock.release();
      expect(lock.isHeld()).toBe(false);
      await release;
      // The renewal was sent before the release, on the same connection: its answer is here.
      expect(lock.isHeld()).toBe(false);
    } finally {
      vi.useRealTimers();
    }
  });

  it('that somebody else has by now is lost, is told so, and is not released by who lost it', async () => {
    const key = fresh();
    const lost = await take(cache, key);
    await rig.server?.admin().del(key.name);
    const lock = await take(other, key);
    expect(lock.fence).toBeGreaterThan(lost.fence);
    await until('the first owner is told', () => lost.lost.aborted);
    expect(lost.isHeld()).toBe(false);
    await lost.release();
    expect(await rig.server?.admin().get(key.name)).toBe(lock.owner);
    await lock.release();
  });

  it('has a number that grows after the counter itself was lost', async () => {
    const key = fresh();
    const before = await take(cache, key);
    await rig.server?.admin().flushall();
    const after = await take(other, key);
    expect(after.fence).toBeGreaterThan(before.fence);
    await after.release();
  });
});
