/** One sample of a page of metrics. */
export type Sample = { name: string; labels: Record<string, string>; value: number };

/** Reads Prometheus's text format, as far as counters and gauges go. */
export function parseMetrics(text: string): Sample[] {
  return Array.from(text.matchAll(/^([a-z_:]+)(?:\{([^}]*)\})? (\S+)$/gm), ([, name, labels, sample]) => ({
    name: name ?? '',
    labels: Object.fromEntries(
      Array.from((labels ?? '').matchAll(/(\w+)="([^"]*)"/g), ([, label, value]) => [label, value]),
    ),
    value: Number(sample),
  }));
}

/** The sum over the samples of a name that have these labels. */
export function sumOf(
  samples: readonly Sample[],
  name: string,
  labels: Readonly<Record<string, string>>,
): number {
  return samples
    .filter((sample) => sample.name === name)
    .filter((sample) => Object.entries(labels).every(([key, value]) => sample.labels[key] === value))
    .reduce((sum, { value }) => sum + value, 0);
}

export async function scrape(adminUrl: string): Promise<Sample[]> {
  const answer = await fetch(`${adminUrl}/metrics`);
  if (!answer.ok) throw new Error(`${adminUrl}/metrics answers ${answer.status}`);
  return parseMetrics(await answer.text());
}
