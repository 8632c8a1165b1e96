import type { Registry } from '../../core/metrics.ts';
import type { Query, Selector } from './promql.ts';

export type MetricFacts = {
  type: string;
  labels: Set<string>;
  /** What each label was seen to be. */
  values: Map<string, Set<string>>;
};

// What Prometheus and the scrape configuration add to every series.
const OF_TARGETS: readonly string[] = ['job', 'instance'];

/** What can be asked for: the metrics that programs have, with their labels and the values of these. */
export class MetricCatalog {
  readonly metrics: Map<string, MetricFacts> = new Map();

  add(name: string, type: string): MetricFacts {
    const known = this.metrics.get(name);
    if (known !== undefined) return known;
    const facts: MetricFacts = {
      type,
      labels: new Set(type === 'histogram' ? [...OF_TARGETS, 'le'] : OF_TARGETS),
      values: new Map(),
    };
    this.metrics.set(name, facts);
    return facts;
  }

  addSample(name: string, labels: Readonly<Record<string, string | number | undefined>>): void {
    const facts = this.metrics.get(this.#metricOf(name));
    if (facts === undefined) throw new Error(`a sample of ${name}, which has no type`);
    for (const [label, value] of Object.entries(labels)) {
      facts.labels.add(label);
      const values = facts.values.get(label) ?? new Set();
      facts.values.set(label, values.add(String(value)));
    }
  }

  /** Everything that was registered, with labels that have no sample yet. */
  async addRegistry(registry: Registry): Promise<void> {
    for (const metric of await registry.getMetricsAsJSON()) {
      const facts = this.add(metric.name, String(metric.type));
      const registered = registry.getSingleMetric(metric.name) as { labelNames?: readonly string[] };
      for (const label of registered.labelNames ?? []) facts.labels.add(label);
      for (const { labels } of metric.values) this.addSample(metric.name, { ...labels });
    }
  }

  /** What a program answered to `GET /metrics`. */
  addScrape(text: string): void {
    for (const [, name = '', type = ''] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm)) this.add(name, type);
    for (const [, name = '', labels = ''] of text.matchAll(/^([a-z_]\w*)(?:\{(.*)\})? \S+$/gm)) {
      const pairs = Array.from(labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g));
      this.addSample(name, Object.fromEntries(pairs.map(([, label = '', value = '']) => [label, value])));
    }
  }

  /** What an expression asks for and nobody has. */
  problemsOf({ selectors, groupings }: Query): string[] {
    const ofSelectors = selectors.flatMap((selector) => this.#problemsOfSelector(selector));
    const ofGroupings = groupings.flatMap(({ labels, selectors: grouped }) =>
      grouped.flatMap(({ name }) => {
        const known = this.metrics.get(this.#metricOf(name))?.labels;
        return labels
          .filter((label) => known !== undefined && !known.has(label))
          .map((label) => `${name} has no label ${label} to group by`);
      }),
    );
    return [...ofSelectors, ...ofGroupings];
  }

  #problemsOfSelector({ name, matchers, hasRange }: Selector): string[] {
    const facts = this.metrics.get(this.#metricOf(name));
    if (facts === undefined) return [`nobody has ${name}`];
    const problems = matchers.flatMap(({ label, operator, value }) => {
      if (!facts.labels.has(label)) return [`${name} has no label ${label}`];
      const isRegex = operator.endsWith('~');
      const wanted = isRegex ? value.split('|') : [value];
      const known = [...(facts.values.get(label) ?? [])];
      return wanted
        .filter(
          (text) => !known.some((have) => (isRegex ? new RegExp(`^(?:${text})$`).test(have) : have === text)),
        )
        .map((text) => `${label} of ${name} is never ${text}`);
    });
    // A rate of what may fall is none.
    if (hasRange && !['counter', 'histogram'].includes(facts.type)) problems.push(`${name} is no counter`);
    return problems;
  }

  /** The parts of a histogram are named after it. */
  #metricOf(name: string): string {
    const base = name.replace(/_(?:bucket|count|sum)$/, '');
    return this.metrics.get(base)?.type === 'histogram' ? base : name;
  }
}
