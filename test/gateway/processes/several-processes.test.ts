import { Agent } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { childPids, isAlive } from '../../support/child-pids.ts';
import { startGatewayProcess, HOST, type GatewayProcess } from '../../support/gateway-process.ts';
import { startNode } from '../../support/process.ts';
import { visit } from '../../support/visit.ts';
import { waitUntil } from '../../support/wait-until.ts';

type Status = {
  isReady: boolean;
  processes: { slot: number; pid: number; isReady: boolean; instance?: string }[];
};

const start = (env: Record<string, string> = {}, isDetached = false): Promise<GatewayProcess> =>
  startGatewayProcess({
    isDetached,
    runnerUrl: 'http://127.0.0.1:9',
    files: { '/index.html': '<h1>hello</h1>' },
    functions: {},
    env: { GATEWAY_PROCESSES: '2', ...env },
  });

const statusOf = async (gateway: GatewayProcess): Promise<Status> =>
  (await (await fetch(`${gateway.adminUrl}/status`)).json()) as Status;

const allReady = async (gateway: GatewayProcess, count = 2): Promise<boolean> => {
  const { processes } = await statusOf(gateway).catch(() => ({ processes: [] }));
  return processes.filter(({ isReady }) => isReady).length === count;
};

const getPage = async (gateway: GatewayProcess): Promise<string> =>
  (await visit(gateway.port, HOST, '/')).text;

const serving = (gateway: GatewayProcess): number[] => childPids(gateway.process.pid, 'gateway/main.ts');

describe('a gateway of several processes', () => {
  let gateway: GatewayProcess;
  beforeAll(async () => {
    gateway = await start();
  });
  afterAll(() => gateway?.close());
  beforeEach(() => waitUntil(() => allReady(gateway)));

  test('hands connections round: each process serves some', async () => {
    const before = await servedBy(gateway);
    for (let count = 0; count < 20; count += 1) expect(await getPage(gateway)).toBe('<h1>hello</h1>');
    const served = (await servedBy(gateway)).map((count, index) => count - (before[index] ?? 0));
    expect(served.every((count) => count >= 5)).toBe(true);
    expect(served.reduce((sum, count) => sum + count, 0)).toBe(20);
  });

  test('answers operators for all of them', async () => {
    const { isReady, processes } = await statusOf(gateway);
    expect(isReady).toBe(true);
    expect(new Set(processes.map(({ pid }) => pid))).toEqual(new Set(serving(gateway)));
    expect(new Set(processes.map(({ instance }) => instance)).size).toBe(2);
    const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
    expect(metrics).toMatch(/^origan_edge_processes 2$/m);
    const text = await (
      await fetch(`${gateway.adminUrl}/explain?url=${encodeURIComponent(`http://${HOST}/`)}`)
    ).text();
    expect(text).toContain('/index.html');
  });

  test('writes whole log lines, however many processes write at once', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 16 });
    const before = gateway.records().length;
    const path = `/?${'x'.repeat(700)}`;
    await Promise.all(Array.from({ length: 2000 }, () => visit(gateway.port, HOST, path, { agent })));
    agent.destroy();
    // Each line is parsed: one within another would not.
    await waitUntil(() => gateway.records().length >= before + 2000);
  });

  test('replaces a process that is killed, and answers meanwhile', async () => {
    const victim = serving(gateway)[0] ?? 0;
    expect(victim).toBeGreaterThan(0);
    const endsBefore = await endsBySignal(gateway);
    process.kill(victim, 'SIGKILL');
    await gateway.process.waitFor(new RegExp(`"pid":${victim},.*a serving process ended`));
    for (let count = 0; count < 10; count += 1) expect(await getPage(gateway)).toBe('<h1>hello</h1>');
    await waitUntil(() => allReady(gateway));
    const { processes } = await statusOf(gateway);
    expect(processes.map(({ pid }) => pid)).not.toContain(victim);
    expect((await endsBySignal(gateway)) - endsBefore).toBe(1);
  });
});

describe('the end of a gateway of several processes', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('%s to all of them at once lets each finish', async (signal) => {
    const gateway = await start({}, true);
    try {
      await waitUntil(() => allReady(gateway));
      const pids = serving(gateway);
      expect(pids).toHaveLength(2);
      // As a terminal sends it: to the whole group in one call. Sent one after the other, a serving process could have ended
      // before the one that supervises it hears of anything.
      process.kill(-gateway.process.pid, signal);
      expect(await gateway.process.exited).toEqual({ code: 0, signal: null });
      expect(pids.filter(isAlive)).toEqual([]);
      expect(gateway.process.stderr()).not.toContain('a serving process ended');
    } finally {
      await gateway.close();
    }
  });

  test('a supervising process that is killed takes the others with it', async () => {
    const gateway = await start();
    await waitUntil(() => allReady(gateway));
    const pids = serving(gateway);
    await gateway.close();
    await waitUntil(() => !pids.some(isAlive));
  });
});

describe('a gateway of several processes that cannot start', () => {
  const run = async (env: Record<string, string>): Promise<{ code: number | null; stderr: string }> => {
    const program = startNode('gateway/main.ts', {
      env: {
        GATEWAY_HOST: '127.0.0.1',
        GATEWAY_PORT: '0',
        GATEWAY_ADMIN_PORT: '0',
        CONTROL_API_URL: 'http://127.0.0.1:9',
        RUNNER_URL: 'http://127.0.0.1:9',
        BUCKET_URL: '/nowhere',
        GATEWAY_PROCESSES: '2',
        ...env,
      },
    });
    const { code } = await program.exited;
    return { code, stderr: program.stderr() };
  };

  test('says so once, and leaves none running', async () => {
    const { code, stderr } = await run({});
    expect(code).toBe(1);
    expect(stderr.match(/\/nowhere/g)).toHaveLength(1);
  });

  test('refuses a port that is taken', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => {
      taken.listen(0, '127.0.0.1', resolve);
    });
    const port = String((taken.address() as AddressInfo).port);
    try {
      const { code, stderr } = await run({ GATEWAY_PORT: port, BUCKET_URL: import.meta.dirname });
      expect(code).toBe(1);
      expect(stderr).toContain('Stop what uses the port, or set another one');
    } finally {
      taken.close();
    }
  });

  test('refuses a number of processes that is none', async () => {
    const { code, stderr } = await run({ GATEWAY_PROCESSES: 'many' });
    expect(code).toBe(1);
    expect(stderr).toContain('GATEWAY_PROCESSES: must be a number from 1 to 999, or auto');
  });
});

const metricsOf = async (gateway: GatewayProcess): Promise<string> =>
  (await fetch(`${gateway.adminUrl}/metrics`)).text();

/** Requests that each of the two processes has served. */
async function servedBy(gateway: GatewayProcess): Promise<number[]> {
  const metrics = await metricsOf(gateway);
  return ['1', '2'].map((process) => sumOf(metrics, 'origan_edge_requests_total', process));
}

/** Serving processes that a signal has ended. */
async function endsBySignal(gateway: GatewayProcess): Promise<number> {
  const metrics = await metricsOf(gateway);
  return Number(/^origan_edge_process_ends_total\{how="signal"\} (\d+)$/m.exec(metrics)?.[1]);
}

/** The sum of a counter's samples of one process. */
function sumOf(metrics: string, name: string, process: string): number {
  return metrics
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) && line.includes(`process="${process}"`))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}
