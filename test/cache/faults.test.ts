import { describe, expect, it } from 'vitest';
import { allFaults } from '../../load/cache-faults/faults.ts';
import { runFault, whatIsWrong } from '../../load/cache-faults/run-fault.ts';

describe('a cache server that is', () => {
  it.each(allFaults())('$name costs no request and little time', { timeout: 60_000 }, async (fault) => {
    const report = await runFault(fault, 1500);
    expect(report.requests).toBeGreaterThan(1000);
    expect(whatIsWrong(report)).toBeUndefined();
  });
});
