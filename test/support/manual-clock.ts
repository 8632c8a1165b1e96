import type { Clock } from '../../core/clock.ts';

/** A clock that a test moves by hand. */
export type ManualClock = Clock & { advance(ms: number): void };

export function manualClock(startMs = 1_700_000_000_000): ManualClock {
  let elapsedMs = 0;
  return {
    nowMs: () => startMs + elapsedMs,
    monotonicMs: () => elapsedMs,
    advance: (ms) => {
      elapsedMs += ms;
    },
  };
}
