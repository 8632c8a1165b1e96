import { startCacheServer } from '../../test/support/cache-server.ts';
import { bentocache, cacheable, origan, rawIoredis, type Contestant } from './contestants.ts';
import { measureLookups } from './lookups.ts';

const ROUNDS = 15;
const KEYS = 1000;
const CONCURRENCY = [1, 10, 100] as const;
const write = (text: string): void => void process.stdout.write(`${text}\n`);

/** Of each contestant, in the order of the rounds. */
type Rates = Map<string, number[]>;
type Operation = 'nearHit' | 'sharedHit' | 'coldLoad';
const SECONDS: Readonly<Record<Operation, number>> = { nearHit: 0.2, sharedHit: 0.3, coldLoad: 0.3 };

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
    const rates = await compare(operation, concurrency);
    const texts = [...rates].map((entry) => describe(entry, rates));
    write(`${operation}, ${concurrency} at once: ${texts.join('; ')}`);
    isGood = judge(operation, rates) && isGood;
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

async function compare(operation: Operation, concurrency: number): Promise<Rates> {
  const rates: Rates = new Map();
  for (let round = 0; round <= ROUNDS; round += 1) {
    // Whoever begins changes: the first of a round may find the machine in another state than the last.
    const order = [
      ...contestants.slice(round % contestants.length),
      ...contestants.slice(0, round % contestants.length),
    ];
    for (const contestant of order) {
      if (contestant[operation] === undefined) continue;
      const rate = await measure(contestant, operation, concurrency);
      // The first round warms the compiler up.
      if (round > 0) rates.set(contestant.name, [...(rates.get(contestant.name) ?? []), rate]);
    }
  }
  return rates;
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

/**
 * Near hits at least twice the best of the others; shared hits within a tenth of raw ioredis. Judged by the median of
 * the ratios within each round: what else the machine does changes from round to round more than within one.
 */
function judge(operation: Operation, rates: Rates): boolean {
  if (operation === 'nearHit')
    return ['bentocache', 'cacheable'].every((name) => ratioBetween(rates, name) >= 2);
  return operation !== 'sharedHit' || ratioBetween(rates, 'ioredis, auto-pipelining') >= 0.9;
}

/** How many times as fast as another one, in the middle of the rounds. */
function ratioBetween(rates: Rates, name: string): number {
  const ours = rates.get('origan') ?? [];
  return median(ours.map((rate, round) => rate / (rates.get(name)?.[round] ?? Number.POSITIVE_INFINITY)));
}

function median(values: readonly number[]): number {
  return [...values].sort((left, right) => left - right)[Math.floor(values.length / 2)] ?? 0;
}

function describe([name, all]: [string, number[]], rates: Rates): string {
  const ratio = name === 'origan' ? '' : ` (origan ${ratioBetween(rates, name).toFixed(2)} times that)`;
  return `${name} ${Math.round(median(all)).toLocaleString('en')}/s${ratio}`;
}
