import { expect, test } from 'vitest';
import type { Cache } from '../../cache/cache.ts';
import { defaultCacheConfig } from '../../cache/config.ts';
import { keys } from '../../cache/keys.ts';
import { openCache } from '../../cache/open-cache.ts';
import type { FunctionLogLine } from '../../contracts/function-logs.ts';
import { silentLogger } from '../../core/log.ts';
import { createRegistry } from '../../core/metrics.ts';
import { LogShipper } from '../../runner/log-shipper.ts';
import { manualClock } from '../support/manual-clock.ts';
import { waitUntil } from '../support/wait-until.ts';

const MIB = 1024 * 1024;

/** The memory cache, whose appends can be held up. */
function heldCache(): {
  cache: Cache;
  hold: () => void;
  release: () => void;
  asked: () => number;
  appended: () => number;
} {
  const real = openCache(defaultCacheConfig(), { log: silentLogger(), registry: createRegistry() });
  let gate = Promise.resolve();
  let open = (): void => undefined;
  let [asked, bytes] = [0, 0];
  const append: Cache['append'] = async (key, items) => {
    asked += 1;
    await gate;
    bytes += Buffer.byteLength(JSON.stringify(items));
    return real.append(key, items);
  };
  return {
    cache: new Proxy(real, { get: (target, name) => (name === 'append' ? append : bound(target, name)) }),
    hold: () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      [gate, open] = [promise, resolve];
    },
    release: () => open(),
    asked: () => asked,
    appended: () => bytes,
  };
}

function bound(target: Cache, name: string | symbol): unknown {
  const value: unknown = Reflect.get(target, name);
  return typeof value === 'function' ? value.bind(target) : value;
}

const line = (message: string): FunctionLogLine => ({
  timeMs: 0,
  level: 'info',
  message,
  source: 'function',
});

function start(): ReturnType<typeof heldCache> & {
  shipper: LogShipper;
  counts: Record<'stored' | 'limited' | 'lost', number>;
  clock: ReturnType<typeof manualClock>;
} {
  const held = heldCache();
  const clock = manualClock();
  const counts = { stored: 0, limited: 0, lost: 0 };
  const metrics = {
    logLines: (outcome: keyof typeof counts, count: number) => void (counts[outcome] += count),
  };
  return { ...held, shipper: new LogShipper({ cache: held.cache, metrics, clock }), counts, clock };
}

async function messagesOf(cache: Cache, id: string): Promise<string[]> {
  const page = await cache.readList(keys.functionLogs(id), 0, 5000);
  return page.kind === 'items' ? page.items.map(({ message }) => message) : [];
}

test('what waits for a cache that does not answer is bounded, in all and for each deployment', async () => {
  const { shipper, hold, release, appended, counts, cache } = start();
  hold();
  const long = 'x'.repeat(4096);
  for (let round = 0; round < 100; round += 1)
    for (let index = 0; index < 100; index += 1) shipper.add(`d${index}`, line(long));
  release();
  await shipper.close();
  expect(counts.stored + counts.limited).toBe(10_000);
  expect(appended()).toBeGreaterThan(7 * MIB);
  expect(appended()).toBeLessThan(9 * MIB);
  const own = await messagesOf(cache, 'd0');
  expect(own.length * 4096).toBeLessThan(MIB / 4 + 4096);
  expect(own.at(-1)).toMatch(/^\d+ lines left out: more than 200 lines or 1 MiB a second\.$/);
});

test('lines a second are bounded for each deployment, whatever the others do', async () => {
  const { shipper, clock, cache, counts } = start();
  for (let index = 0; index < 3000; index += 1) shipper.add('loud', line(String(index)));
  for (let index = 0; index < 900; index += 1) shipper.add('calm', line(String(index)));
  clock.advance(1000);
  for (let index = 0; index < 300; index += 1) shipper.add('loud', line(`later ${index}`));
  await shipper.close();
  const loud = await messagesOf(cache, 'loud');
  expect([loud.length, loud[999], loud[1000], loud[1199]]).toEqual([1201, '999', 'later 0', 'later 199']);
  expect(loud[1200]).toMatch(/^2100 lines left out/);
  expect(await messagesOf(cache, 'calm')).toHaveLength(900);
  expect(counts).toEqual({ stored: 2100, limited: 2100, lost: 0 });
});

test('a round that takes too long is given up, and the lines keep their order', async () => {
  const { shipper, hold, release, asked, clock, counts, cache } = start();
  hold();
  shipper.add('a', line('first'));
  shipper.add('b', line('never sent'));
  // Taken by a round, which waits for the cache.
  await waitUntil(() => asked() === 1);
  shipper.add('a', line('second'));
  clock.advance(6000);
  release();
  await shipper.close();
  expect(await messagesOf(cache, 'a')).toEqual(['first', 'second']);
  expect(await messagesOf(cache, 'b')).toEqual([]);
  expect(counts).toEqual({ stored: 2, limited: 0, lost: 1 });
  shipper.add('b', line('again'));
  await shipper.close();
  expect(await messagesOf(cache, 'b')).toEqual([
    '1 line before these could not be kept: the cache was not reachable.',
    'again',
  ]);
});
