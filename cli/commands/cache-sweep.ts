import { Command } from 'commander';
import { adminPaths, existSchema } from '../../contracts/control-api-admin.ts';
import type { SweepReport } from '../../cache/sweep.ts';
import { CliError } from '../cli-error.ts';
import { printResult, withClient, type CliContext, type CommonOptions } from '../context.ts';
import type { ControlApiClient } from '../control-api-client.ts';
import { count } from '../format.ts';
import { withCache } from '../open-cli-cache.ts';
import { busy } from './cache-busy.ts';

type SweepFlags = CommonOptions & { remove?: boolean };

/** Families whose keys name a deployment or a project of the source of truth. */
const PATTERNS: readonly string[] = ['deployment:*', 'response:*', 'project:*', 'tag:*'];

export function sweepCommand(context: CliContext): Command {
  return new Command('sweep')
    .description(
      'find keys that no deployment or project stands behind (needs CACHE_URL and an administrator’s token)',
    )
    .option('--remove', 'remove them; without it they are only listed')
    .action(async (_, command: Command) => {
      const flags = command.optsWithGlobals<SweepFlags>();
      const reports = await withClient(context, flags, (client) => sweepAll(context, client, flags));
      const orphans = reports.flatMap(({ orphans: names }) => names);
      const scanned = reports.reduce((sum, report) => sum + report.scanned, 0);
      const removed = reports.reduce((sum, report) => sum + report.removed, 0);
      printResult(context, flags, { scanned, orphans, removed }, () => {
        const list = flags.remove === true ? '' : orphans.map((name) => `${name}\n`).join('');
        return `${list}${count(scanned, 'key')} looked at, ${count(orphans.length, 'orphan')}, ${removed} removed\n`;
      });
    });
}

type Swept = Extract<SweepReport, { kind: 'swept' }>;

async function sweepAll(context: CliContext, client: ControlApiClient, flags: SweepFlags): Promise<Swept[]> {
  return withCache(context, async (cache) => {
    const reports: Swept[] = [];
    for (const pattern of PATTERNS) {
      const report = await cache.sweep({
        pattern,
        isDryRun: flags.remove !== true,
        areOrphans: (names) => askWhichExist(client, names),
        signal: context.signal,
      });
      if (report.kind === 'busy') throw busy();
      if (report.kind === 'error') throw askFailure(report.cause) ?? report.cause;
      reports.push(report);
    }
    return reports;
  });
}

/** The sweeper knows nothing of who is asked for orphans: what that one refused is the cause within. */
function askFailure({ cause }: Error): CliError | undefined {
  return cause instanceof CliError ? cause : undefined;
}

/** `deployment:ID:…` and `response:ID:…` belong to a deployment, `project:ID:…` and `tag:ID:…` to a project. */
async function askWhichExist(client: ControlApiClient, names: readonly string[]): Promise<boolean[]> {
  const owners = names.map((name) => name.split(':', 2));
  const idsOf = (families: readonly string[]): string[] => [
    ...new Set(owners.filter(([family]) => families.includes(family ?? '')).map(([, id]) => id ?? '')),
  ];
  const isUuid = (id: string): boolean => /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id);
  const body = {
    deployments: idsOf(['deployment', 'response']).filter(isUuid),
    projects: idsOf(['project', 'tag']).filter(isUuid),
  };
  const known = await client.call({ method: 'POST', path: adminPaths.exist(), answer: existSchema, body });
  const existing = new Set([...known.deployments, ...known.projects]);
  // An id of another form is none that this control API gave: such a key is left to whoever wrote it.
  return owners.map(([, id]) => isUuid(id ?? '') && !existing.has(id ?? ''));
}
