import { describe, expect, it } from 'vitest';
import { isUnmarked, runHammer } from '../../load/hammer/hammer.ts';

const MINUTE = 60_000;

describe('coherence under fire', () => {
  it.each(['single', 'cluster'] as const)(
    'never shows an older build after a flip was acknowledged: %s',
    { timeout: 4 * MINUTE, retry: 0 },
    async (topology) => {
      const report = await runHammer({ topology, minObservations: 10_000, maxDurationMs: 3 * MINUTE });
      expect(report.violations).toEqual([]);
      expect(report.failures).toEqual([]);
      expect(report.absences).toBe(0);
      expect(report.refusals).toEqual([]);
      // As many as a busy machine gets through: every fault once. The whole number is for `npm run hammer`.
      expect(report.observations).toBeGreaterThan(1000);
      expect(report.flips).toBeGreaterThan(50);
    },
  );

  it.each(['compareAndSet', 'generationCheck', 'leases'] as const)(
    'finds violations within a minute when %s is off',
    // Chance decides when a violation shows: one run of three is enough.
    { timeout: 2 * MINUTE, retry: 2 },
    async (protection) => {
      const report = await runHammer({
        protections: { [protection]: false },
        minObservations: Number.POSITIVE_INFINITY,
        maxDurationMs: MINUTE,
        isStoppedByViolation: true,
        flipPauseMs: 80,
      });
      expect(report.violations.filter(isUnmarked).length).toBeGreaterThan(0);
    },
  );
});
