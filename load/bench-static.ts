import { randomBytes } from 'node:crypto';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { makeTempDir } from '../test/support/temp-dir.ts';
import {
  startBareContender,
  startGatewayContender,
  startNginxContender,
  type Contender,
  type Setting,
} from './support/contenders.ts';
import { ask } from './support/ask.ts';
import { cpuTimeUs } from './support/cpu-time.ts';
import { generateLoad } from './support/generate-load.ts';
import { ROUND_FLAGS, toRoundOptions, type RoundOptions } from './support/round-options.ts';
import { median } from './support/statistics.ts';

// npm run bench: a hot static file of 1 KB through the whole gateway, beside a bare node:http server with a constant
// answer and (where installed) nginx. In turns within one run, since a machine's speed changes from minute to
// minute: only ratios of one run mean anything.

const SERVER_CORE = 0;
const GENERATOR_CORE = 1;

type Round = { cpuUsPerRequest: number; requestsPerSecond: number; p99Ms: number };
type Options = RoundOptions & { gatewayEnv: Record<string, string> };

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      ...ROUND_FLAGS,
      // A variable of the gateway, to see what it costs: --env ACCESS_LOG=false
      env: { type: 'string', multiple: true, default: [] },
    },
  });
  const gatewayEnv = Object.fromEntries(values.env.map((entry) => entry.split(/=(.*)/s).slice(0, 2)));
  return { ...toRoundOptions(values), gatewayEnv };
}

async function main(): Promise<void> {
  const options = readOptions();
  const directory = await makeTempDir('bench');
  const body = Buffer.from(randomBytes(768).toString('base64'));
  const setting = { directory: directory.path, core: SERVER_CORE, body, env: options.gatewayEnv };
  const contenders: Contender[] = [];
  try {
    contenders.push(...(await startContenders(setting)));
    for (const contender of contenders) await requireAnswer(contender, body.length);
    const rounds = await measureInTurns(contenders, options);
    process.exitCode = report(contenders, rounds, options);
  } finally {
    for (const contender of contenders) await contender.close();
    await directory.remove();
  }
}

async function startContenders(setting: Setting): Promise<Contender[]> {
  const gateway = await startGatewayContender(setting);
  const bare = await startBareContender(setting);
  const nginx = await startNginxContender(setting);
  return nginx === undefined ? [gateway, bare] : [gateway, bare, nginx];
}

async function requireAnswer(contender: Contender, size: number): Promise<void> {
  const { status, body } = await ask(contender);
  if (status === 200 && body.length === size) return;
  throw new Error(`${contender.name} answers ${status} with ${body.length} bytes`);
}

async function measureInTurns(
  contenders: readonly Contender[],
  options: Options,
): Promise<Map<string, Round[]>> {
  const rounds = new Map(contenders.map(({ name }): [string, Round[]] => [name, []]));
  // The first seconds are the compiler's.
  for (const contender of contenders) await measure(contender, options);
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const contender of contenders) {
      const result = await measure(contender, options);
      rounds.get(contender.name)?.push(result);
      print(`round ${round}  ${describe(contender.name, result)}`);
    }
  }
  return rounds;
}

async function measure(contender: Contender, { seconds, connections }: Options): Promise<Round> {
  const { pid, port, host, path } = contender;
  const before = await cpuTimeUs(pid);
  const load = await generateLoad({ port, host, path, seconds, connections, core: GENERATOR_CORE });
  const cpuUs = (await cpuTimeUs(pid)) - before;
  return {
    cpuUsPerRequest: cpuUs / load.requests,
    requestsPerSecond: load.requestsPerSecond,
    p99Ms: load.p99Ms,
  };
}

function report(
  contenders: readonly Contender[],
  rounds: ReadonlyMap<string, readonly Round[]>,
  options: Options,
): number {
  const medians = new Map(contenders.map(({ name }) => [name, medianRound(rounds.get(name) ?? [])]));
  print(`\nmedian of ${options.rounds} rounds of ${options.seconds} s, ${options.connections} connections:`);
  for (const [name, result] of medians) print(`         ${describe(name, result)}`);
  const ratio = ratioTo('node:http', rounds);
  print(`CPU per request: ${ratio.toFixed(2)} times the bare server, median of the rounds' ratios`);
  if (rounds.has('nginx')) print(`                 ${ratioTo('nginx', rounds).toFixed(2)} times nginx`);
  const isWithin = options.maxRatio === undefined || ratio <= options.maxRatio;
  if (!isWithin) print(`more than the ${options.maxRatio} allowed`);
  return isWithin ? 0 : 1;
}

/** Turns of one round follow each other, so that what else the machine does weighs on both alike. */
function ratioTo(other: string, rounds: ReadonlyMap<string, readonly Round[]>): number {
  const others = rounds.get(other) ?? [];
  const ratios = (rounds.get('gateway') ?? []).map(
    ({ cpuUsPerRequest }, index) => cpuUsPerRequest / (others[index]?.cpuUsPerRequest ?? Number.NaN),
  );
  if (ratios.length === 0) throw new Error('nothing was measured');
  return median(ratios);
}

function medianRound(rounds: readonly Round[]): Round {
  return {
    cpuUsPerRequest: median(rounds.map((round) => round.cpuUsPerRequest)),
    requestsPerSecond: median(rounds.map((round) => round.requestsPerSecond)),
    p99Ms: median(rounds.map((round) => round.p99Ms)),
  };
}

function describe(name: string, { cpuUsPerRequest, requestsPerSecond, p99Ms }: Round): string {
  const cpu = `${cpuUsPerRequest.toFixed(1)} µs CPU per request`.padStart(26);
  const rate = `${requestsPerSecond.toFixed(0)} requests/s`.padStart(18);
  return `${name.padEnd(10)}${cpu}${rate}   p99 ${p99Ms.toFixed(2)} ms`;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

if (cpus().length < 2)
  print('one core only: the load generator competes with the server, ratios are too kind');
await main();
