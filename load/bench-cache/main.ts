import { startCacheServer } from '../../test/support/cache-server.ts';
import { bentocache, cacheable, origan, rawIoredis, type Contestant } from './contestants.ts';
import { measureLookups } from './lookups.ts';

const ROUNDS = 5;
const KEYS = 1000;
const CONCURRENCY = [1, 10, 100] as const;
const write = (text: string): void => void process.stdout.write(`${text}\n`);

type Operation = 'nearHit' | 'sharedHit' | 'coldLoad';
const SECONDS: Readonly<Record<Operation, number>> = { nearHit: 0.3, sharedHit: 0.5, coldLoad: 0.5 };

// In turns within each round, so that whatever else the machine does meets all of them alike; medians of the rounds.
const server = await startCacheServer();
const contestants = await Promise.all(
  [origan, rawIoredis, bentocache, cacheable].map((open) => open(server.url)),
);
let serial = 0;
for (const contestant of contestants) {
  for (let index = 0; index < KEYS; index += 1) await contestant.prepare(`k${index}`);
}
let isGood = true;
for (const operation of ['nearHit', 'sharedHit', 'coldLoad'] as const) {
  for (const concurrency of CONCURRENCY) {
    const medians = await compare(operation, concurrency);
    write(`${operation}, ${concurrency} at once: ${[...medians].map(describe).join('; ')}`);
    isGood = judge(operation, medians) && isGood;
  }
}
await Promise.all(contestants.map((contestant) => contestant.close()));
const lookups = await measureLookups(server.url);
write(
  `look-ups of one domain at the control API: ${lookups.without} without a cache, ${lookups.with} with it`,
);
await server.close();
process.exitCode = isGood && lookups.with <= lookups.without / 100 ? 0 : 1;
process.exit();

async function compare(operation: Operation, concurrency: number): Promise<Map<string, number>> {
  const rates = new Map<string, number[]>();
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const contestant of contestants) {
      if (contestant[operation] === undefined) continue;
      const rate = await measure(contestant, operation, concurrency);
      // The first round warms the compiler up.
      if (round > 0) rates.set(contestant.name, [...(rates.get(contestant.name) ?? []), rate]);
    }
  }
  return new Map([...rates].map(([name, all]) => [name, median(all)]));
}

/** Operations a second. */
async function measure(contestant: Contestant, operation: Operation, concurrency: number): Promise<number> {
  const endMs = performance.now() + SECONDS[operation] * 1000;
  const startedAtMs = performance.now();
  let done = 0;
  const run = operationOf(contestant, operation);
  const worker = async (): Promise<void> => {
    while (performance.now() < endMs) {
      for (let times = 0; times < 20; times += 1) {
        const result = run(done);
        if (result instanceof Promise) await result;
        done += 1;
      }
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return (done / (performance.now() - startedAtMs)) * 1000;
}

function operationOf(contestant: Contestant, operation: Operation): (count: number) => unknown {
  switch (operation) {
    case 'nearHit':
      return (count) => contestant.nearHit?.(`k${count % KEYS}`);
    case 'sharedHit':
      return (count) => contestant.sharedHit(`k${count % KEYS}`);
    case 'coldLoad':
      return () => contestant.coldLoad(`cold${(serial += 1)}`, () => Promise.resolve());
    default:
      return operation satisfies never;
  }
}

/** Near hits at least twice the best of the others; shared hits within a tenth of raw ioredis. */
function judge(operation: Operation, medians: ReadonlyMap<string, number>): boolean {
  const ours = medians.get('origan') ?? 0;
  const others = [...medians].filter(([name]) => name !== 'origan').map(([, rate]) => rate);
  if (operation === 'nearHit') return ours >= 2 * Math.max(...others);
  if (operation === 'sharedHit') return ours >= 0.9 * (medians.get('ioredis, auto-pipelining') ?? 0);
  return true;
}

function median(values: readonly number[]): number {
  return [...values].sort((left, right) => left - right)[Math.floor(values.length / 2)] ?? 0;
}

function describe([name, rate]: [string, number]): string {
  return `${name} ${Math.round(rate).toLocaleString('en')}/s`;
}
