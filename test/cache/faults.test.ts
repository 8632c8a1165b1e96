import { describe, expect, it } from 'vitest';
import { allFaults } from '../../load/cache-faults/faults.ts';
import { runFault, whatIsWrong } from '../../load/cache-faults/run-fault.ts';

describe('a cache server that is', () => {
  // The p99 is compared with a healthy one of the same run; a machine busy with something else during one half of it
  // says nothing about the cache, so one run of three within the limit is enough.
  const options = { timeout: 60_000, retry: 2 };

  it.each(allFaults())('$name costs no request and little time', options, async (fault) => {
    // Few callers: here every request that the cache cannot answer takes its share of a machine that tests keep busy.
    const report = await runFault(fault, { durationMs: 1500, callers: 5 });
    expect(report.requests).toBeGreaterThan(500);
    expect(whatIsWrong(report)).toBeUndefined();
  });
});
