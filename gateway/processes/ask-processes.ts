import { mergeMetrics, type MetricsJson } from '../../core/metrics.ts';
import type { Listening } from './messages.ts';

/** A process that does not answer by then is left out. */
const ANSWER_MS = 2000;

/** One serving process as operators ask for it. */
export type Process = { slot: number; pid: number | undefined; listening: Listening | undefined };

/** `/status` of each process; one that does not answer is not ready. */
export async function statusOfProcesses(processes: readonly Process[]): Promise<object[]> {
  return Promise.all(
    processes.map(async ({ slot, pid, listening }) => {
      const status = await askJson(listening, '/status');
      return { slot, pid, ...(status ?? { isReady: false }) };
    }),
  );
}

/** What all of them count, with the label `process` to tell one from the other, after what `own` says. */
export async function metricsOfProcesses(processes: readonly Process[], own: string): Promise<string> {
  const answers = await Promise.all(
    processes.map(async ({ slot, listening }) => {
      const metrics = (await askJson(listening, '/metrics.json')) as MetricsJson | undefined;
      return metrics?.map((metric) => withLabel(metric, String(slot)));
    }),
  );
  return own + (await mergeMetrics(answers.filter((answer) => answer !== undefined)));
}

/** The answer of whichever process has one; undefined when none answers. */
export async function askAny(processes: readonly Process[], path: string): Promise<Response | undefined> {
  for (const { listening } of processes) {
    // One after the other: the first that answers is enough.
    const response = await ask(listening, path);
    if (response !== undefined) return response;
  }
  return undefined;
}

function withLabel(metric: MetricsJson[number], process: string): MetricsJson[number] {
  const values = metric.values.map((value) => ({ ...value, labels: { ...value.labels, process } }));
  // Told apart by the label, nothing is left to be averaged or left out (as the time of a process's start would be).
  return { ...metric, values, aggregator: 'sum' };
}

async function askJson(listening: Listening | undefined, path: string): Promise<object | undefined> {
  try {
    return (await (await ask(listening, path))?.json()) as object | undefined;
  } catch {
    return undefined;
  }
}

async function ask(listening: Listening | undefined, path: string): Promise<Response | undefined> {
  if (listening === undefined) return undefined;
  try {
    const url = new URL(path, `http://127.0.0.1:${listening.adminPort}`);
    return await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS) });
  } catch {
    return undefined;
  }
}
