import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { defaultCacheConfig } from '../../cache/config.ts';
import { openCache } from '../../cache/open-cache.ts';
import { silentLogger } from '../../core/log.ts';
import { createRegistry } from '../../core/metrics.ts';
import { REPOSITORY } from '../support/process.ts';

const rulesFile = z.object({
  groups: z.array(
    z.object({
      name: z.string(),
      rules: z.array(
        z.object({
          alert: z.string(),
          expr: z.string(),
          for: z.string(),
          labels: z.object({ severity: z.enum(['warning', 'critical']) }),
          annotations: z.object({ summary: z.string(), description: z.string() }),
        }),
      ),
    }),
  ),
});

// What Dragonfly's /metrics has, of what is used (read from its source, v1.40.1).
const OF_DRAGONFLY = [
  'dragonfly_memory_used_bytes',
  'dragonfly_memory_max_bytes',
  'dragonfly_evicted_keys_total',
  'dragonfly_keyspace_mutations_total',
  'dragonfly_oom_errors_total',
];
const OF_PROMETHEUS = ['up'];

const text = await readFile(join(REPOSITORY, 'infra/alerts/cache.yaml'), 'utf8');
const rules = rulesFile.parse(parse(text)).groups.flatMap((group) => group.rules);

describe('the alert rules', () => {
  test('cover what an operator of the cache must hear of', () => {
    const expressions = rules.map(({ expr }) => expr.replaceAll(/\s+/g, ' ')).join('\n');
    // Memory above 80 %, p99 above 10 ms, hit ratio below 80 %, no connection, excessive evictions.
    expect(expressions).toMatch(/memory_used_bytes \/ .*memory_max_bytes.* > 0\.8/);
    expect(expressions).toMatch(
      /histogram_quantile\(0\.99, .*cache_command_duration_seconds_bucket.* > 0\.010/,
    );
    expect(expressions).toMatch(/cache_lookups_total.* < 0\.8/);
    expect(expressions).toMatch(/cache_up\) == 0/);
    expect(expressions).toMatch(/dragonfly_evicted_keys_total/);
  });

  test('have names of their own', () => {
    const names = rules.map(({ alert }) => alert);
    expect(new Set(names).size).toBe(names.length);
  });

  test('ask for nothing that nobody measures', async () => {
    const registry = createRegistry({ withProcessMetrics: true });
    const cache = openCache(defaultCacheConfig(), { log: silentLogger(), registry });
    const ours = (await registry.getMetricsAsJSON()).map(({ name }) => name);
    await cache.close();
    const known = new Set([...ours, ...OF_DRAGONFLY, ...OF_PROMETHEUS]);
    for (const { alert, expr } of rules) {
      const asked = metricsOf(expr);
      expect(asked.length, alert).toBeGreaterThan(0);
      expect(
        asked.filter((name) => !known.has(name)),
        alert,
      ).toEqual([]);
    }
  });
});

/** Names of the series in an expression: what stands before a selector, a range or an operator. */
function metricsOf(expression: string): string[] {
  const withoutLabels = expression.replaceAll(/\{[^}]*\}/g, '').replaceAll(/\b(by|on) \([^)]*\)/g, '');
  const words = withoutLabels.match(/\b[a-z_][a-z0-9_]*\b(?!\s*\()/g) ?? [];
  const notSeries = /^(and|or|unless|by|on|m|h|sum|rate|min|absent|time)$|^\d/;
  return words.filter((word) => !notSeries.test(word)).map((word) => word.replace(/_bucket$/, ''));
}
