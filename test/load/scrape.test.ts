import { expect, test } from 'vitest';
import { counter, createRegistry } from '../../core/metrics.ts';
import { parseMetrics, sumOf } from '../../load/support/scrape.ts';

test('metrics are summed over the samples with the labels wanted', async () => {
  const registry = createRegistry();
  const requests = counter({
    registry,
    name: 'requests_total',
    help: 'R.',
    labels: ['route', 'cache'] as const,
  });
  requests.inc({ route: 'file', cache: 'hit' }, 9);
  requests.inc({ route: 'file', cache: 'miss' }, 1);
  requests.inc({ route: 'function', cache: 'bypass' }, 5);
  counter({ registry, name: 'other_total', help: 'O.' }).inc(7);
  const samples = parseMetrics(await registry.metrics());
  expect(sumOf(samples, 'requests_total', { route: 'file' })).toBe(10);
  expect(sumOf(samples, 'requests_total', { route: 'file', cache: 'hit' })).toBe(9);
  expect(sumOf(samples, 'requests_total', {})).toBe(15);
  expect(sumOf(samples, 'other_total', {})).toBe(7);
  expect(sumOf(samples, 'missing_total', {})).toBe(0);
});
