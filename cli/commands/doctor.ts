import { Command } from 'commander';
import { z } from 'zod';
import { checkCache } from '../check-cache.ts';
import { checkControlApi } from '../check-control-api.ts';
import { CliError } from '../cli-error.ts';
import { printResult, type CliContext, type CommonOptions } from '../context.ts';
import { ok, runCheck, warning, wrong, type Finding } from '../doctor.ts';
import { count } from '../format.ts';
import { judgeClock } from '../judge-clock.ts';
import { askGateway, askGatewayDate, DEFAULT_GATEWAY_ADMIN_URL } from '../gateway-client.ts';
import { resolveConnection } from '../settings.ts';
import { paint, type Style } from '../terminal.ts';
import { collect } from './project-option.ts';

type DoctorFlags = CommonOptions & { gateway: string[] };

const OLDEST_NODE = 24;

export function doctorCommand(context: CliContext): Command {
  return new Command('doctor')
    .description('check every part and say what mends what is wrong (the cache server: with CACHE_URL set)')
    .option(
      '-g, --gateway <url>',
      `admin server of a gateway (repeatable; default: ${DEFAULT_GATEWAY_ADMIN_URL})`,
      collect,
      [],
    )
    .action(async (_, command: Command) => doctor(context, command.optsWithGlobals<DoctorFlags>()));
}

async function doctor(context: CliContext, flags: DoctorFlags): Promise<void> {
  const connection = await resolveConnection(flags, context.env, context.cwd);
  const named = flags.gateway.length > 0 ? flags.gateway : [DEFAULT_GATEWAY_ADMIN_URL];
  const parts = await Promise.all([
    checkControlApi(context, flags, connection),
    checkCache(context),
    ...named.map((url) => checkGateway(context, url)),
  ]);
  const findings = [checkNode(), ...parts.flat()];
  printResult(context, flags, { findings }, () => describe(context, findings));
  const bad = findings.filter(({ state }) => state === 'wrong').length;
  if (bad === 0) return;
  throw new CliError('UNHEALTHY', `${count(bad, 'check')} failed.`, { isReported: flags.json === true });
}

function checkNode(): Finding {
  const major = Number(process.versions.node.split('.')[0]);
  return major >= OLDEST_NODE
    ? ok('Node', process.version)
    : warning(
        'Node',
        `${process.version} is older than what is supported`,
        `Use Node ${OLDEST_NODE} or later.`,
      );
}

const statusSchema = z.object({ isReady: z.boolean(), instance: z.string(), cache: z.string() });

function checkGateway(context: CliContext, url: string): Promise<Finding[]> {
  const fix = 'Start it, or name its admin server with --gateway.';
  return runCheck('gateway', fix, async () => {
    const { isReady, instance, cache } = await askGateway(context, url, {
      path: '/status',
      answer: statusSchema,
    });
    const date = await askGatewayDate(context, url);
    const clock = judgeClock(context, { check: 'gateway clock', whose: instance, date });
    if (!isReady) return [warning('gateway', `${instance} is draining`, 'Wait for its successor.'), clock];
    const ready =
      cache === 'down'
        ? wrong(
            'gateway',
            `${instance} has lost the cache server`,
            'Check its CACHE_URL and the network between them.',
          )
        : ok('gateway', `${instance} is ready, its cache is ${cache}`);
    return [ready, clock];
  });
}

const MARKS: Readonly<Record<Finding['state'], [mark: string, style: Style]>> = {
  ok: ['ok', 'green'],
  warning: ['warning', 'yellow'],
  wrong: ['WRONG', 'red'],
  skipped: ['skipped', 'dim'],
};

function describe({ terminal }: CliContext, findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  return findings
    .map(({ check, state, detail, fix }) => {
      const [mark, style] = MARKS[state];
      const line = `${paint(terminal, style, mark.padEnd(7))}  ${check.padEnd(width)}  ${detail}\n`;
      return fix === undefined ? line : `${line}${' '.repeat(9)}${' '.repeat(width)}  -> ${fix}\n`;
    })
    .join('');
}
