import type { Clock } from '../core/clock.ts';
import { toEdgeError, type EdgeError } from '../core/errors.ts';
import type { Backend } from './backend.ts';
import type { LockKey } from './family.ts';

/** Renewed this often within its lifetime. */
const RENEWALS_PER_TTL = 3;

export type LockAttempt =
  | { kind: 'acquired'; lock: HeldLock }
  /** Somebody else holds it. */
  | { kind: 'taken' }
  | { kind: 'error'; cause: EdgeError };

/**
 * A lock that renews itself until released. Nothing can keep a stopped process from believing that it still holds
 * one: whatever it protects must refuse a `fence` lower than one it has seen.
 */
export type HeldLock = {
  readonly owner: string;
  /** Grows with every owner. */
  readonly fence: number;
  /** Fires when the lock was lost: renewal failed for as long as it lives, or somebody else has it. */
  readonly lost: AbortSignal;
  isHeld(): boolean;
  release(): Promise<void>;
};

export type LockOptions = { backend: Backend; clock: Clock; instance: string };

export async function acquireLock(key: LockKey, options: LockOptions): Promise<LockAttempt> {
  const { backend, clock, instance } = options;
  const owner = `${instance}:${crypto.randomUUID()}`;
  const sentAtMs = clock.monotonicMs();
  try {
    const fence = await backend.lock.acquire(key.name, owner, { ttlMs: key.ttlMs, nowMs: clock.nowMs() });
    if (fence === undefined) return { kind: 'taken' };
    return { kind: 'acquired', lock: holdLock(key, { ...options, owner, fence, sentAtMs }) };
  } catch (error) {
    // Perhaps it was taken and only the answer got lost: give it back, else nobody has it for its lifetime.
    void backend.lock.release(key.name, owner).catch(() => undefined);
    return { kind: 'error', cause: toEdgeError(error) };
  }
}

function holdLock(
  key: LockKey,
  held: LockOptions & { owner: string; fence: number; sentAtMs: number },
): HeldLock {
  const { backend, clock, owner, fence } = held;
  const controller = new AbortController();
  let heldUntilMs = held.sentAtMs + key.ttlMs;
  let isOver = false;
  const renew = async (): Promise<void> => {
    const sentAtMs = clock.monotonicMs();
    try {
      if (await backend.lock.renew(key.name, owner, key.ttlMs)) heldUntilMs = sentAtMs + key.ttlMs;
      else heldUntilMs = 0;
    } catch {
      // Tried again at the next beat; lost when the lifetime is over.
    }
    // Released while this renewal was on its way: that counts.
    if (isOver) return;
    if (clock.monotonicMs() >= heldUntilMs) stop();
  };
  const timer = setInterval(() => void renew(), key.ttlMs / RENEWALS_PER_TTL).unref();
  const stop = (): void => {
    clearInterval(timer);
    isOver = true;
    controller.abort();
  };
  return {
    owner,
    fence,
    lost: controller.signal,
    isHeld: () => !isOver && clock.monotonicMs() < heldUntilMs,
    release: async () => {
      clearInterval(timer);
      isOver = true;
      // Should it fail, the lock ends with its lifetime.
      await backend.lock.release(key.name, owner).catch(() => false);
    },
  };
}
