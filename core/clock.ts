/** Time as a parameter: production passes `systemClock`, tests pass one that they move by hand. */
export type Clock = {
  /** Wall-clock time in milliseconds since the epoch: for dates that leave the process. */
  nowMs(): number;
  /** Monotonic milliseconds: for durations and deadlines, unaffected by clock corrections. */
  monotonicMs(): number;
};

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};
