import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keys } from '../../cache/keys.ts';
import type { Cache } from '../../cache/cache.ts';
import { site } from './cache-conformance.ts';
import { serverRig, until, type Rig } from './rigs.ts';

/** Losers of a claim wait 200 ms for a load of 100 ms: on a machine that stands still for longer, another round. */
const MAX_ROUNDS = 20;

// A rate is counted by the second, so one run of three is enough. Without the protection, every run has hundreds of loads.
describe('a stampede', { retry: 2 }, () => {
  let rig: Rig;
  let attempts = 0;
  beforeAll(async () => {
    rig = await serverRig();
  });
  afterAll(() => rig.close());

  it(
    'of three processes with 200 callers each on a cold key ends in one load',
    { timeout: 120_000 },
    async () => {
      attempts += 1;
      const source = await countingSource(100);
      const children = await Promise.all([0, 1, 2].map(() => startCaller(rig, source.url)));
      try {
        const loads: number[] = [];
        for (let round = 0; round < MAX_ROUNDS && loads.at(-1) !== 1; round += 1) {
          const before = source.loads();
          const answers = await Promise.all(
            children.map((child) => askAll(child, `cold-${attempts}-${round}`)),
          );
          expect(answers).toEqual([200, 200, 200]);
          loads.push(source.loads() - before);
          // Whoever waited for too long loads for itself, once for all of its callers.
          expect(loads.at(-1)).toBeLessThanOrEqual(children.length);
        }
        expect(loads.at(-1)).toBe(1);
      } finally {
        for (const child of children) child.kill();
        source.close();
      }
    },
  );

  it('of 100,000 unknown hosts costs the source a bounded number of loads and leaves known hosts alone', async () => {
    const gateway = await rig.open({ timeoutMs: 5000 }, { holdsLease: true, instance: 'scanned' });
    await until('the lease', () => gateway.holdsLease());
    const known = keys.domain('known.example');
    await gateway.set(known, site('known', 1));
    await gateway.getWithFallback(known, () => Promise.reject(new Error('not needed')));
    const loads: number[] = [];
    const startedAtMs = performance.now();
    const scan = async (start: number): Promise<void> => {
      for (let index = start; index < 100_000; index += 1000) {
        await gateway.getWithFallback(keys.domain(`x${index}.example`), async () => {
          loads.push(performance.now());
          return { kind: 'absent' };
        });
        if (index % 10_000 === start) expect((await resolveKnown(gateway)).kind).toBe('found');
      }
    };
    const heapBefore = heapUsed();
    await Promise.all(Array.from({ length: 1000 }, (_, start) => scan(start)));
    const seconds = (performance.now() - startedAtMs) / 1000;
    expect(mostInOneSecond(loads)).toBeLessThanOrEqual(100);
    expect(loads.length).toBeLessThanOrEqual(50 * (seconds + 1));
    expect((await gateway.snapshot()).nearEntries).toBeLessThanOrEqual(10_001);
    expect(heapUsed() - heapBefore).toBeLessThan(64 * 1_048_576);
  });
});

describe('a cold start', () => {
  it('turns away no host that exists, however many there are', async () => {
    const rig = await serverRig();
    try {
      const gateway = await rig.open({ timeoutMs: 5000 }, { holdsLease: true });
      const ask = async (start: number): Promise<number> => {
        let failed = 0;
        for (let index = start; index < 2000; index += 20) {
          const answer = await gateway.getWithFallback(keys.domain(`real${index}.example`), async () => {
            await new Promise((resolve) => setTimeout(resolve, 2));
            return { kind: 'found', value: site(`d${index}`, 1) };
          });
          if (answer.kind !== 'found') failed += 1;
        }
        return failed;
      };
      const failures = await Promise.all(Array.from({ length: 20 }, (_, start) => ask(start)));
      expect(failures.reduce((sum, failed) => sum + failed, 0)).toBe(0);
    } finally {
      await rig.close();
    }
  });
});

function resolveKnown(gateway: Cache): ReturnType<typeof gateway.getWithFallback<unknown>> {
  return gateway.getWithFallback(keys.domain('known.example'), () => Promise.reject(new Error('not needed')));
}

/** The most events within any window of one second. */
function mostInOneSecond(timesMs: readonly number[]): number {
  let most = 0;
  let first = 0;
  for (const [index, timeMs] of timesMs.entries()) {
    while ((timesMs[first] ?? 0) < timeMs - 1000) first += 1;
    most = Math.max(most, index - first + 1);
  }
  return most;
}

// What is still referenced: what only waits for a collection depends on how busy the machine is.
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function heapUsed(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

async function countingSource(delayMs: number): Promise<{ url: string; loads(): number; close(): void }> {
  let loads = 0;
  const server = createServer((_request, response) => {
    loads += 1;
    setTimeout(() => response.end(JSON.stringify(['project'])), delayMs);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    loads: () => loads,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function startCaller(rig: Rig, sourceUrl: string): Promise<ChildProcess> {
  const program = new URL('../support/cache-caller.ts', import.meta.url).pathname;
  const child = fork(program, [rig.server?.url ?? '', sourceUrl]);
  const [message] = (await once(child, 'message')) as [unknown];
  expect(message).toBe('ready');
  return child;
}

async function askAll(child: ChildProcess, name: string): Promise<number> {
  const answered = once(child, 'message');
  child.send(name);
  const [found] = (await answered) as [number];
  return found;
}
