import { describe, expect, test } from 'vitest';
import { parseBytes, parseCores, planMemory } from '../src/quantity.ts';

describe('quantities', () => {
  test.each([
    ['2Gi', 2_147_483_648],
    ['1.5Gi', 1_610_612_736],
    ['512Mi', 536_870_912],
    ['1500M', 1_500_000_000],
    ['1000', 1000],
  ])('%s', (quantity, bytes) => {
    expect(parseBytes(quantity)).toBe(bytes);
  });

  test.each(['', '2 Gi', '2GB', 'two', '-1Gi', '2gi'])('%j is none', (quantity) => {
    expect(() => parseBytes(quantity)).toThrow(/is no quantity of memory/);
  });

  test.each([
    ['2', 2],
    ['500m', 1],
    ['1500m', 1],
    ['2500m', 2],
    ['1.5', 1],
  ])('%s cores allow %d threads', (quantity, cores) => {
    expect(parseCores(quantity)).toBe(cores);
  });

  test('of cores that are none', () => {
    expect(() => parseCores('many')).toThrow(/is no quantity of cores/);
  });
});

describe('memory', () => {
  test.each([
    ['2Gi', '2', 1536, 2],
    ['4Gi', '4', 3072, 4],
    ['1Gi', '8', 768, 3],
    ['512Mi', '2', 384, 1],
    ['342Mi', '4', 256, 1],
  ])('%s and %s cores: %d MiB, %d threads', (memory, cpu, maxMemoryMib, threads) => {
    expect(planMemory(memory, cpu)).toEqual({ maxMemoryMib, threads });
  });

  test('is never more than three quarters of the limit, nor less than the threads need', () => {
    for (let limitMib = 342; limitMib < 20_000; limitMib += 97) {
      for (const cores of ['1', '3', '16']) {
        const { maxMemoryMib, threads } = planMemory(`${limitMib}Mi`, cores);
        expect(maxMemoryMib).toBeLessThanOrEqual(limitMib * 0.75);
        expect(maxMemoryMib).toBeGreaterThanOrEqual(threads * 256);
      }
    }
  });

  test('that is too small is refused', () => {
    expect(() => planMemory('256Mi', '1')).toThrow(/is too small/);
  });
});
