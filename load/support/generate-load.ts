import { startProcess } from '../../test/support/process.ts';
import { findOnPath } from './find-on-path.ts';
import { pinnedTo } from './pin.ts';

export type Load = {
  port: number;
  host: string;
  path: string;
  seconds: number;
  connections: number;
  /** The core that the generator alone uses. */
  core: number;
};

export type LoadResult = { requests: number; requestsPerSecond: number; p99Ms: number };

/**
 * Keeps `connections` keep-alive connections busy with GET for some seconds, from a process of its own: wrk where it
 * is installed, which takes a tenth of the CPU, else autocannon.
 *
 * @throws when any answer was not 2xx or any connection failed: a rate of errors is no result.
 */
export async function generateLoad(load: Load): Promise<LoadResult> {
  return findOnPath('wrk') === undefined ? withAutocannon(load) : withWrk(load);
}

async function withWrk({ port, host, path, seconds, connections, core }: Load): Promise<LoadResult> {
  // An answer that a busy machine takes its time for is slow, and no error.
  const time = ['--duration', `${seconds}s`, '--timeout', '30s'];
  const args = ['--threads', '1', '--connections', String(connections), ...time];
  const { command, args: all } = pinnedTo(core, 'wrk', [
    ...args,
    '--latency',
    '--header',
    `Host: ${host}`,
    `http://127.0.0.1:${port}${path}`,
  ]);
  const wrk = startProcess(command, { args: all });
  const { code } = await wrk.exited;
  if (code !== 0) throw new Error(`wrk failed: ${wrk.stderr()}`);
  return readWrkReport(wrk.stdout());
}

/** @throws when the report speaks of errors, or is none. */
export function readWrkReport(text: string): LoadResult {
  const problem = /Non-2xx[^\n]*|Socket errors[^\n]*/.exec(text)?.[0];
  if (problem !== undefined) throw new Error(`wrk: ${problem}`);
  const requests = Number(/(\d+) requests in/.exec(text)?.[1]);
  const requestsPerSecond = Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]);
  const [, p99 = '', unit = ''] = /99%\s+([\d.]+)(us|ms|s)/.exec(text) ?? [];
  const p99Ms = Number(p99) * ({ us: 0.001, ms: 1, s: 1000 }[unit] ?? Number.NaN);
  if (!(requests > 0) || Number.isNaN(p99Ms)) throw new Error(`wrk: no result in\n${text}`);
  return { requests, requestsPerSecond, p99Ms };
}

async function withAutocannon({ port, host, path, seconds, connections, core }: Load): Promise<LoadResult> {
  const { command, args } = pinnedTo(core, process.execPath, [
    'node_modules/autocannon/autocannon.js',
    '--json',
    '--no-progress',
    '--connections',
    String(connections),
    '--duration',
    String(seconds),
    '--headers',
    `Host=${host}`,
    `http://127.0.0.1:${port}${path}`,
  ]);
  const cannon = startProcess(command, { args });
  const { code } = await cannon.exited;
  if (code !== 0) throw new Error(`autocannon failed: ${cannon.stderr()}`);
  return readAutocannonReport(JSON.parse(cannon.stdout()));
}

type AutocannonReport = {
  errors: number;
  non2xx: number;
  requests: { total: number; average: number };
  latency: { p99: number };
};

function readAutocannonReport(report: AutocannonReport): LoadResult {
  const { errors, non2xx, requests, latency } = report;
  if (errors > 0 || non2xx > 0) throw new Error(`autocannon: ${errors} errors, ${non2xx} answers not 2xx`);
  return { requests: requests.total, requestsPerSecond: requests.average, p99Ms: latency.p99 };
}
