import { counter, gauge, histogram, type Registry } from '../core/metrics.ts';

/** How calls ended: a closed set, fit for a label. */
export type CallOutcome =
  | 'answered'
  | 'switched'
  | 'unreachable'
  | 'broke-off'
  | 'timed-out'
  | 'overloaded'
  | 'abandoned';

export type RunnerMetrics = {
  ended(outcome: CallOutcome, seconds: number): void;
  retried(): void;
  /** Calls under way on a runner; runners are named by their configured URL, a closed set. */
  setCalls(runner: string, calls: number): void;
  setBreaker(runner: string, isOpen: boolean): void;
};

const FIRST_BYTE_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export function createRunnerMetrics(registry: Registry): RunnerMetrics {
  const calls = counter({
    registry,
    name: 'runner_calls_total',
    help: 'Calls to runners by how they ended, as far as the headers of the answer.',
    labels: ['outcome'],
  });
  const firstByte = histogram({
    registry,
    name: 'runner_first_byte_seconds',
    help: 'Time from a call to the headers of its answer, answered calls only.',
    buckets: FIRST_BYTE_BUCKETS,
  });
  const retries = counter({ registry, name: 'runner_retries_total', help: 'Attempts after the first.' });
  const underWay = gauge({
    registry,
    name: 'runner_calls_under_way',
    help: 'Calls under way.',
    labels: ['runner'],
  });
  const breaker = gauge({ registry, name: 'runner_breaker_open', help: '1 while open.', labels: ['runner'] });
  return {
    ended: (outcome, seconds) => {
      calls.inc({ outcome });
      if (outcome === 'answered' || outcome === 'switched') firstByte.observe(seconds);
    },
    retried: () => retries.inc(),
    setCalls: (runner, count) => underWay.set({ runner }, count),
    setBreaker: (runner, isOpen) => breaker.set({ runner }, isOpen ? 1 : 0),
  };
}
