import { describe, expect, it } from 'vitest';
import { allFaults } from '../../load/cache-faults/faults.ts';
import { runFault, whatIsWrong } from '../../load/cache-faults/run-fault.ts';

describe('a cache server that is', () => {
  // The p99 is compared with that of a gateway of the same moment whose cache is well: what else a busy machine does
  // concerns both. Chance still decides what it does to which, so one run of three within the limit is enough.
  const options = { timeout: 120_000, retry: 2 };

  it.each(allFaults())('$name costs no request and little time', options, async (fault) => {
    // Few callers: here every request that the cache cannot answer takes its share of a machine that tests keep busy.
    const report = await runFault(fault, { durationMs: 1500, callers: 4, hasControl: true });
    expect(report.requests).toBeGreaterThan(100);
    expect(whatIsWrong(report)).toBeUndefined();
  });
});
