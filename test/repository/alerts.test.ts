import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { ERRORS } from '../../core/errors.ts';
import type { MetricCatalog } from '../support/metric-catalog.ts';
import { REPOSITORY, startProcess } from '../support/process.ts';
import { collectMetrics } from '../support/programs-metrics.ts';
import { parseQuery } from '../support/promql.ts';
import { dashboardQueries, readDashboard } from '../support/read-dashboard.ts';

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

const configuration = z
  .object({
    rule_files: z.array(z.string()),
    scrape_configs: z.array(z.object({ job_name: z.string() })),
  })
  .parse(parse(await readFile(join(REPOSITORY, 'infra/prometheus.yaml'), 'utf8')));

// What Dragonfly's /metrics has, of what is used (read from its source, v1.40.1).
const OF_DRAGONFLY: readonly (readonly [name: string, type: string])[] = [
  ['dragonfly_memory_used_bytes', 'gauge'],
  ['dragonfly_memory_max_bytes', 'gauge'],
  ['dragonfly_evicted_keys_total', 'counter'],
  ['dragonfly_keyspace_mutations_total', 'counter'],
  ['dragonfly_oom_errors_total', 'counter'],
];

const inFolder = (await readdir(join(REPOSITORY, 'infra/alerts'))).filter((file) => file.endsWith('.yaml'));
const tests = inFolder.filter((file) => file.endsWith('.test.yaml'));
const files = inFolder.filter((file) => !tests.includes(file));
const texts = await Promise.all(
  files.map((file) => readFile(join(REPOSITORY, 'infra/alerts', file), 'utf8')),
);
const rules = texts.flatMap((text) => rulesFile.parse(parse(text)).groups.flatMap((group) => group.rules));
const panels = await dashboardQueries('edge.json');
const expressionOf = (name: string): string => {
  const rule = rules.find(({ alert }) => alert === name);
  if (rule === undefined) throw new Error(`no alert ${name}`);
  return rule.expr.replaceAll(/\s+/g, ' ');
};

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

  test('count every failure of the edge, and no mistake of a client', () => {
    const counted = new Set(expressionOf('EdgeErrorRatioHigh').match(/[A-Z][A-Z_]+(?=[|"])/g));
    // Of these a function may be the cause; an orderly stop is no failure.
    const left = ['RUNNER_BROKE_OFF', 'RUNNER_OVERLOADED', 'RUNNER_TIMEOUT', 'DRAINING'];
    const ours = Object.entries(ERRORS).filter(
      ([, { status, source }]) => status >= 500 && source !== 'client',
    );
    const expected = ours.map(([code]) => code).filter((code) => !left.includes(code));
    expect([...counted].toSorted()).toEqual(expected.toSorted());
  });

  test('have names of their own', () => {
    const names = rules.map(({ alert }) => alert);
    expect(new Set(names).size).toBe(names.length);
  });

  test('have a line each in the installation guide, which names no other', async () => {
    const guide = await readFile(join(REPOSITORY, 'docs/installation.md'), 'utf8');
    const chapter = /^## Watching it$([\s\S]*?)^## /m.exec(guide)?.[1] ?? '';
    const named = Array.from(chapter.matchAll(/^\| `([A-Z]\w+)` \|/gm), ([, name = '']) => name);
    expect(named.toSorted()).toEqual(rules.map(({ alert }) => alert).toSorted());
  });

  test('are all in the configuration of Prometheus', () => {
    expect(configuration.rule_files.toSorted()).toEqual(files.map((file) => `alerts/${file}`).toSorted());
  });
});

describe('what is asked of Prometheus', () => {
  let catalog: MetricCatalog;
  beforeAll(async () => {
    catalog = await collectMetrics();
    for (const [name, type] of OF_DRAGONFLY) catalog.add(name, type);
    catalog.add('up', 'gauge');
    for (const { job_name: job } of configuration.scrape_configs) catalog.addSample('up', { job });
  });

  test.each(rules)('$alert asks for nothing that nobody measures', ({ expr }) => {
    const query = parseQuery(expr);
    expect(query.selectors.length).toBeGreaterThan(0);
    expect(catalog.problemsOf(query)).toEqual([]);
  });

  test.each(panels)('"$panel" shows what somebody measures', ({ expression }) => {
    const query = parseQuery(expression);
    expect(query.selectors.length).toBeGreaterThan(0);
    expect(catalog.problemsOf(query)).toEqual([]);
  });

  test.each([
    ['rate(origan_edge_request_total[5m])', 'nobody has origan_edge_request_total'],
    ['origan_edge_requests_total{status="5xy"}', 'status of origan_edge_requests_total is never 5xy'],
    ['origan_edge_errors_total{code=~"INTERNAL|GONE"}', 'code of origan_edge_errors_total is never GONE'],
    ['up{job="edge"}', 'job of up is never edge'],
    ['origan_edge_requests_total{code="1"}', 'origan_edge_requests_total has no label code'],
    [
      'sum by (host) (rate(origan_edge_requests_total[5m]))',
      'origan_edge_requests_total has no label host to group by',
    ],
    ['rate(origan_edge_connections[5m])', 'origan_edge_connections is no counter'],
  ])('%s would be found', (expression, problem) => {
    expect(catalog.problemsOf(parseQuery(expression))).toEqual([problem]);
  });

  test('an expression that is none would be found', () => {
    expect(() => parseQuery('sum by (le) (rate(up[5m])')).toThrow(/no expression/);
  });
});

test('no panel of the dashboard covers another one, and each has a number of its own', async () => {
  const { panels: all } = await readDashboard('edge.json');
  expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
  const cells = all.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, index) => `${x + (index % w)} ${y + Math.floor(index / w)}`),
  );
  expect(new Set(cells).size).toBe(cells.length);
  expect(all.every(({ gridPos: { x, w } }) => x + w <= 24)).toBe(true);
});

const hasPromtool = await startProcess('promtool', { args: ['--version'] }).exited.then(
  ({ code }) => code === 0,
  () => false,
);

// Of the Debian package `prometheus`; without it the expressions are parsed all the same (above).
describe.skipIf(!hasPromtool)('promtool', () => {
  test.each([
    ['accepts the rules', ['check', 'rules', ...files.map((file) => `infra/alerts/${file}`)]],
    [
      'sees the alerts fire, and not fire, when they should',
      ['test', 'rules', ...tests.map((file) => `infra/alerts/${file}`)],
    ],
  ])('%s', async (_, args) => {
    const promtool = startProcess('promtool', { args });
    const { code } = await promtool.exited;
    expect(promtool.stdout() + promtool.stderr()).not.toMatch(/FAILED/);
    expect(code).toBe(0);
  });
});
