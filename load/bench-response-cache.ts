import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { makeTempDir } from '../test/support/temp-dir.ts';
import { ask } from './support/ask.ts';
import { cpuTimeUs } from './support/cpu-time.ts';
import { FUNCTION_HOST, startFunctionGateway, type FunctionGateway } from './support/function-gateway.ts';
import { generateLoad } from './support/generate-load.ts';
import { listen, type Listening } from './support/listen.ts';
import { ROUND_FLAGS, toRoundOptions, type RoundOptions } from './support/round-options.ts';
import { median } from './support/statistics.ts';

// What answers from the response cache cost: fresh ones, stale ones (while a refresh is under way that takes its time), and
// beside them a static file from memory and calls of a function that answers at once. In turns within one run: only ratios of one run mean anything.

const SERVER_CORE = 0;
const GENERATOR_CORE = 1;
const BODY = Buffer.alloc(1024, 'x');
const FRESH = '/fresh';
const STALE = '/stale';
const CALL = '/call';
const FILE = '/file.txt';
const KINDS = [FILE, FRESH, STALE, CALL];
/** The response to the first one is for it alone, that to the second one for all. */
const CLIENTS = ['first', 'second'];

async function main(): Promise<void> {
  const options = toRoundOptions(parseArgs({ options: ROUND_FLAGS }).values);
  const directory = await makeTempDir('bench');
  const runner = await startFunction();
  const gateway = await startFunctionGateway({
    directory: directory.path,
    runnerPort: runner.port,
    core: SERVER_CORE,
    files: { [FILE]: BODY },
    env: { RUNNER_FIRST_BYTE_TIMEOUT_MS: '3600000' },
  });
  try {
    await prepare(gateway.port);
    const costs = await measureInTurns(gateway, options);
    process.exitCode = report(costs, options);
  } finally {
    await gateway.close();
    await runner.close();
    await directory.remove();
  }
}

/** Answers the refresh of what is stale never: it is under way for as long as the gateway waits. */
async function startFunction(): Promise<Listening> {
  const calls = new Map<string, number>();
  const lifetimes: Record<string, string> = {
    [FRESH]: 'max-age=86400',
    [STALE]: 'max-age=1, stale-while-revalidate=86400',
    [CALL]: 'private',
  };
  return listen(
    createServer((request, response) => {
      const path = request.url ?? '';
      const earlier = calls.get(path) ?? 0;
      if (path === STALE && earlier >= CLIENTS.length) return;
      calls.set(path, earlier + 1);
      response.writeHead(200, {
        'Cache-Control': lifetimes[path] ?? 'no-store',
        'Content-Type': 'text/plain',
      });
      response.end(BODY);
    }),
  );
}

/** Fills the cache, for everybody, and waits for the second after which the stale one is stale. */
async function prepare(port: number): Promise<void> {
  for (const path of KINDS) {
    for (const client of CLIENTS) {
      const headers = { 'x-client': client };
      const { status, body } = await ask({ port, host: FUNCTION_HOST, path, headers });
      if (status !== 200 || body.length !== BODY.length) throw new Error(`${path} answers ${status}`);
    }
  }
  await new Promise((resolve) => setTimeout(resolve, 1500));
}

async function measureInTurns(
  gateway: FunctionGateway,
  options: RoundOptions,
): Promise<Map<string, number[]>> {
  const costs = new Map(KINDS.map((path): [string, number[]] => [path, []]));
  // The first seconds are the compiler's.
  for (const path of KINDS) await measure(gateway, path, options);
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const path of KINDS) {
      const { cpuUs, rate } = await measure(gateway, path, options);
      costs.get(path)?.push(cpuUs);
      print(`round ${round}  ${describe(path, cpuUs)}${rate.toFixed(0).padStart(10)} requests/s`);
    }
  }
  return costs;
}

async function measure(
  { port, process: { pid } }: FunctionGateway,
  path: string,
  { seconds, connections }: RoundOptions,
): Promise<{ cpuUs: number; rate: number }> {
  const before = await cpuTimeUs(pid);
  const load = await generateLoad({
    port,
    host: FUNCTION_HOST,
    path,
    seconds,
    connections,
    core: GENERATOR_CORE,
  });
  return { cpuUs: ((await cpuTimeUs(pid)) - before) / load.requests, rate: load.requestsPerSecond };
}

function report(costs: ReadonlyMap<string, readonly number[]>, options: RoundOptions): number {
  const medians = new Map([...costs].map(([path, values]): [string, number] => [path, median(values)]));
  print(`\nmedian of ${options.rounds} rounds of ${options.seconds} s, ${options.connections} connections:`);
  for (const [path, cpuUs] of medians) print(`         ${describe(path, cpuUs)}`);
  const over = (one: string, other: string): number =>
    (medians.get(one) ?? Number.NaN) / (medians.get(other) ?? Number.NaN);
  const ratio = over(STALE, FRESH);
  print(`CPU per request: a stale answer costs ${ratio.toFixed(2)} times a fresh one`);
  print(`                 a fresh one ${over(FRESH, FILE).toFixed(2)} times a static file from memory`);
  const isWithin = options.maxRatio === undefined || ratio <= options.maxRatio;
  if (!isWithin) print(`more than the ${options.maxRatio} allowed`);
  return isWithin ? 0 : 1;
}

function describe(path: string, cpuUs: number): string {
  return `${path.slice(1).padEnd(8)}${cpuUs.toFixed(1).padStart(8)} µs CPU per request`;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

await main();
