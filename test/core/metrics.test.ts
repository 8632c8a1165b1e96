import { describe, expect, test } from 'vitest';
import { counter, createRegistry, gauge, histogram, observedGauge } from '../../core/metrics.ts';

describe('metrics', () => {
  test('asked for twice by name, it is the same one', async () => {
    const registry = createRegistry();
    const options = { registry, name: 'requests_total', help: 'Requests.', labels: ['outcome'] as const };
    counter(options).inc({ outcome: 'hit' });
    counter(options).inc({ outcome: 'hit' }, 2);
    expect(await registry.metrics()).toContain('requests_total{outcome="hit"} 3');
    expect(gauge({ registry, name: 'g', help: 'G.' })).toBe(gauge({ registry, name: 'g', help: 'G.' }));
  });

  test('two programs in one process do not share anything', async () => {
    const [one, other] = [
      createRegistry({ withProcessMetrics: true }),
      createRegistry({ withProcessMetrics: true }),
    ];
    counter({ registry: one, name: 'only_here', help: 'X.' }).inc();
    expect(await one.metrics()).toContain('only_here 1');
    expect(await other.metrics()).not.toContain('only_here');
    expect(await other.metrics()).toContain('process_cpu_user_seconds_total');
  });

  test('histograms count in the buckets given', async () => {
    const registry = createRegistry();
    const seconds = histogram({ registry, name: 'seconds', help: 'S.', buckets: [0.01, 0.1] });
    for (const value of [0.005, 0.05, 5]) seconds.observe(value);
    const text = await registry.metrics();
    expect(text).toContain('seconds_bucket{le="0.01"} 1');
    expect(text).toContain('seconds_bucket{le="0.1"} 2');
    expect(text).toContain('seconds_bucket{le="+Inf"} 3');
  });

  test('an observed gauge is read when it is scraped', async () => {
    const registry = createRegistry();
    let value = 1;
    observedGauge({ registry, name: 'depth', help: 'D.', read: () => value });
    expect(await registry.metrics()).toContain('depth 1');
    value = 2;
    expect(await registry.metrics()).toContain('depth 2');
  });
});
