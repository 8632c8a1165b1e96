import { counter, gauge, histogram, type Registry } from '../core/metrics.ts';
import type { EndReason } from './function-process.ts';

export type FunctionOutcome = 'answered' | 'failed' | 'timeout' | 'overloaded' | 'refused' | 'abandoned';

export type FunctionMetrics = {
  callEnded(outcome: FunctionOutcome): void;
  /** From the arrival of a call until its function is loaded. */
  coldStart(seconds: number): void;
  processEnded(reason: EndReason): void;
  setProcesses(assigned: number, spare: number): void;
  codeRead(source: 'disk' | 'store'): void;
  environmentRead(source: 'header' | 'reference'): void;
  /** Lines of functions: kept, left out because there were too many, or lost because the cache failed. */
  logLines(outcome: 'stored' | 'limited' | 'lost', count: number): void;
};

/** Counted from zero, so that the first is an increase for whoever watches. */
const BAD_ENDS: readonly EndReason[] = ['crashed', 'stuck', 'memory'];
const COLD_BUCKETS = [0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1, 2, 5];

export function createFunctionMetrics(registry: Registry): FunctionMetrics {
  const calls = counter({
    registry,
    name: 'function_calls_total',
    help: 'Calls by outcome.',
    labels: ['outcome'],
  });
  const coldStarts = histogram({
    registry,
    name: 'function_cold_start_seconds',
    help: 'Time to find, check and load a function that was not loaded.',
    buckets: COLD_BUCKETS,
  });
  const ends = counter({
    registry,
    name: 'function_process_ends_total',
    help: 'Ended function processes by reason.',
    labels: ['reason'],
  });
  for (const reason of BAD_ENDS) ends.inc({ reason }, 0);
  const processes = gauge({
    registry,
    name: 'function_processes',
    help: 'Function processes.',
    labels: ['state'],
  });
  const codeReads = counter({
    registry,
    name: 'function_code_reads_total',
    help: 'Reads of code by where it was found.',
    labels: ['source'],
  });
  const environmentReads = counter({
    registry,
    name: 'function_environment_reads_total',
    help: 'Environments parsed, by where they came from.',
    labels: ['source'],
  });
  const logLines = counter({
    registry,
    name: 'function_log_lines_total',
    help: 'Lines of functions: stored, limited (too many or too long), lost (the cache failed).',
    labels: ['outcome'],
  });
  return {
    callEnded: (outcome) => calls.inc({ outcome }),
    coldStart: (seconds) => coldStarts.observe(seconds),
    processEnded: (reason) => ends.inc({ reason }),
    setProcesses: (assigned, spare) => {
      processes.set({ state: 'assigned' }, assigned);
      processes.set({ state: 'spare' }, spare);
    },
    codeRead: (source) => codeReads.inc({ source }),
    environmentRead: (source) => environmentReads.inc({ source }),
    logLines: (outcome, count) => logLines.inc({ outcome }, count),
  };
}
