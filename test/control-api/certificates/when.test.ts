import { describe, expect, test } from 'vitest';
import { isLate, nextLookMs, renewAtMs, retryAtMs } from '../../../control-api/certificates/when.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const NOW_MS = Date.UTC(2026, 0, 1);
const MIDDLE = 0.5;

describe('after a failure', () => {
  test('pauses double and end somewhere', () => {
    const pauses = [1, 2, 3, 40].map(
      (failures) => retryAtMs({ kind: 'domain' }, failures, NOW_MS, MIDDLE) - NOW_MS,
    );
    expect(pauses).toEqual([30_000, MINUTE_MS, 2 * MINUTE_MS, HOUR_MS]);
  });

  test('a host whose validation fails is tried fewer than five times within an hour, however the chance falls', () => {
    for (const random of [0, MIDDLE, 1]) {
      let atMs = 0;
      let attempts = 0;
      for (let failures = 1; atMs < HOUR_MS; failures += 1) {
        attempts += 1;
        atMs = retryAtMs({ kind: 'refused' }, failures, atMs, random);
      }
      expect(attempts).toBeLessThan(5);
    }
  });

  test('never before the authority asked, and not in a year’s time either', () => {
    const waitMs = (retryAfterMs: number, random: number): number =>
      retryAtMs({ kind: 'limited', retryAfterMs }, 1, NOW_MS, random) - NOW_MS;
    expect(waitMs(5 * HOUR_MS, 0)).toBe(5 * HOUR_MS);
    expect(waitMs(5 * HOUR_MS, 1)).toBe(6 * HOUR_MS);
    expect(waitMs(365 * DAY_MS, 1)).toBeLessThanOrEqual(1.2 * DAY_MS);
  });

  test('those who fail together do not come back together', () => {
    const early = retryAtMs({ kind: 'authority' }, 3, NOW_MS, 0);
    const late = retryAtMs({ kind: 'authority' }, 3, NOW_MS, 1);
    expect(late - early).toBeGreaterThan(MINUTE_MS);
  });
});

describe('renewal', () => {
  const ninetyDays = { notBeforeMs: NOW_MS, notAfterMs: NOW_MS + 90 * DAY_MS };

  test('comes when the margin is left, or somewhat earlier, for long lives and short ones', () => {
    expect(renewAtMs(ninetyDays, 1 / 3, 0)).toBe(NOW_MS + 60 * DAY_MS);
    expect(renewAtMs(ninetyDays, 1 / 3, 1)).toBe(NOW_MS + 54 * DAY_MS);
    const sixDays = { notBeforeMs: NOW_MS, notAfterMs: NOW_MS + 6 * DAY_MS };
    expect(renewAtMs(sixDays, 1 / 3, 0)).toBe(NOW_MS + 4 * DAY_MS);
  });

  test('never comes before the certificate has begun', () => {
    expect(renewAtMs(ninetyDays, 0.9, 1)).toBeGreaterThan(NOW_MS);
  });

  test('is late when half of the margin has gone by', () => {
    expect(isLate(ninetyDays, 1 / 3, NOW_MS + 74 * DAY_MS)).toBe(false);
    expect(isLate(ninetyDays, 1 / 3, NOW_MS + 76 * DAY_MS)).toBe(true);
  });

  test('what was issued is looked at every day, and at its renewal', () => {
    const lifetimeMs = 90 * DAY_MS;
    const look = (renewalMs: number): number => nextLookMs({ renewalMs, lifetimeMs }, NOW_MS, 0);
    expect(look(NOW_MS + 60 * DAY_MS)).toBe(NOW_MS + DAY_MS);
    expect(look(NOW_MS + 2 * HOUR_MS)).toBe(NOW_MS + 2 * HOUR_MS);
  });

  test('is never due at once, though a clock be years ahead of the authority’s', () => {
    const look = (lifetimeMs: number): number => nextLookMs({ renewalMs: 0, lifetimeMs }, NOW_MS, 1);
    expect(look(90 * DAY_MS)).toBe(NOW_MS + HOUR_MS);
    expect(look(HOUR_MS)).toBe(NOW_MS + 6 * MINUTE_MS);
    expect(look(0)).toBe(NOW_MS + MINUTE_MS);
  });
});
