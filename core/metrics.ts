import { AggregatorRegistry, collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

export type { Counter, Registry } from 'prom-client';

/** A registry for one program. Nothing registers itself globally, so several programs fit in one process. */
export function createRegistry(options: { withProcessMetrics?: boolean } = {}): Registry {
  const registry = new Registry();
  if (options.withProcessMetrics === true) collectDefaultMetrics({ register: registry });
  return registry;
}

/** What `Registry.getMetricsAsJSON` answers. */
export type MetricsJson = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

type MetricOptions<Label extends string> = {
  registry: Registry;
  name: string;
  help: string;
  /** Label values must come from closed sets: never a raw host, path or id. */
  labels?: readonly Label[];
};

/** Prometheus' text form of what several processes of one program count, each with a label that tells it from the others. */
export function mergeMetrics(processes: readonly MetricsJson[]): Promise<string> {
  return AggregatorRegistry.aggregate([...processes]).metrics();
}

/** A counter of the registry; asked for twice by name, it is the same one. */
export function counter<Label extends string = never>(options: MetricOptions<Label>): Counter<Label> {
  const { registry, name, help, labels = [] } = options;
  const known = registry.getSingleMetric(name) as Counter<Label> | undefined;
  return known ?? new Counter({ name, help, labelNames: labels, registers: [registry] });
}

/** A gauge of the registry; asked for twice by name, it is the same one. */
export function gauge<Label extends string = never>(options: MetricOptions<Label>): Gauge<Label> {
  const { registry, name, help, labels = [] } = options;
  const known = registry.getSingleMetric(name) as Gauge<Label> | undefined;
  return known ?? new Gauge({ name, help, labelNames: labels, registers: [registry] });
}

/** A gauge whose value is read when the metrics are scraped. */
export function observedGauge(options: MetricOptions<never> & { read: () => number }): void {
  const { registry, name, help, read } = options;
  const observed = new Gauge({
    name,
    help,
    registers: [],
    collect() {
      this.set(read());
    },
  });
  registry.registerMetric(observed);
}

/** A histogram of the registry, in seconds as Prometheus expects. */
export function histogram<Label extends string = never>(
  options: MetricOptions<Label> & { buckets: readonly number[] },
): Histogram<Label> {
  const { registry, name, help, labels = [], buckets } = options;
  const known = registry.getSingleMetric(name) as Histogram<Label> | undefined;
  return (
    known ?? new Histogram({ name, help, labelNames: labels, buckets: [...buckets], registers: [registry] })
  );
}
