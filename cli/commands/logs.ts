import { Option, type Command } from 'commander';
import type { Build } from '../../contracts/control-api-admin.ts';
import {
  LOG_LEVELS,
  MAX_LOG_TAIL,
  type FunctionLogPage,
  type LogLevel,
} from '../../contracts/function-logs.ts';
import { CliError, EXIT } from '../cli-error.ts';
import { withClient, type CliContext } from '../context.ts';
import type { ControlApiClient } from '../control-api-client.ts';
import { findDeploymentId } from '../find-deployment.ts';
import { count } from '../format.ts';
import {
  followBuilds,
  listBuilds,
  readBuildLog,
  type BuildPosition,
  type BuildReader,
} from '../logs/build-log.ts';
import { followFunctionLog, readFunctionLog, type FunctionLogReader } from '../logs/function-log.ts';
import { createKeepTrying, type KeepTrying } from '../logs/keep-trying.ts';
import { describeLine, isWanted, type LogLine } from '../logs/log-line.ts';
import { parseSince } from '../logs/since.ts';
import { projectOf, type ProjectOptions } from '../project-name.ts';
import { requireHost } from '../require-host.ts';
import { parseLimit } from './deployments.ts';
import { projectCommand } from './project-option.ts';

const LINES = 100;
const PRODUCTION = 'production';

type LogFlags = ProjectOptions & {
  deployment?: string;
  domain?: string;
  track?: string;
  follow?: boolean;
  level?: LogLevel;
  since?: string;
  request?: string;
  source?: 'build' | 'function';
  lines?: number;
};

export function logsCommand(context: CliContext): Command {
  const since = (text: string): string => parseSince(text, context.clock.nowMs());
  return projectCommand('logs', 'what builds and functions wrote')
    .argument('[build]', 'the whole log of this build instead')
    .addOption(deploymentOption())
    .addOption(new Option('-d, --domain <host>', 'of what this host shows').conflicts('track'))
    .option('-t, --track <name>', 'of what this track shows (default: production)')
    .option('-f, --follow', 'go on until Ctrl-C; that of a build until it ends')
    .addOption(new Option('-l, --level <level>', 'this level and above').choices(LOG_LEVELS))
    .option('-s, --since <time>', 'such as 10m, 2h, 1d, or a date', since)
    .option(
      '-n, --lines <number>',
      `how many of the last lines (default: ${LINES}; all with --since)`,
      parseLimit,
    )
    .option('-r, --request <id>', 'of this request: x-origan-request-id of its answer')
    .addOption(
      new Option('--source <source>', 'of builds or of functions only').choices(['build', 'function']),
    )
    .action(async (build: string | undefined, _, command: Command) => {
      const flags = command.optsWithGlobals<LogFlags>();
      const project = await projectOf(context, flags);
      try {
        await withClient(context, flags, (client) => show({ context, flags, client, project }, build));
      } catch (error) {
        // Ctrl-C is how following ends.
        if (flags.follow !== true || !context.signal.aborted) throw error;
      }
    });
}

function deploymentOption(): Option {
  return new Option(
    '--deployment <id>',
    'of this deployment, by its id or the first characters of it',
  ).conflicts(['domain', 'track']);
}

type Work = { context: CliContext; flags: LogFlags; client: ControlApiClient; project: string };

async function show(work: Work, build: string | undefined): Promise<void> {
  const { context, flags, client, project } = work;
  const { signal, terminal } = context;
  const keepTrying: KeepTrying = flags.follow === true ? createKeepTrying(context) : (attempt) => attempt();
  const onDropped = (lines: number): void =>
    terminal.err(`(${count(lines, 'line')} before these ${lines === 1 ? 'is' : 'are'} gone)\n`);
  const reader: BuildReader = { client, project, signal, keepTrying, onDropped };
  if (build === undefined) {
    await showDeployment(work, reader);
    return;
  }
  const id = requireId(build);
  for await (const lines of readBuildLog(reader, { id, after: 0 }, flags.follow === true))
    print(
      work,
      lines.filter((line) => isWanted(line, flags)),
    );
}

function requireId(build: string): string {
  if (/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(build)) return build;
  throw new CliError('BAD_ID', `${build} is no id of a build.`, {
    exitCode: EXIT.usage,
    hint: 'Without one, origan logs shows the newest; --deployment ID that of a deployment.',
  });
}

/** Both kinds of lines by time, then what comes. */
async function showDeployment(work: Work, builds: BuildReader): Promise<void> {
  const { flags } = work;
  const functions = await functionReader(work, builds);
  const page = await readFunctionLog(functions, tailOf(flags));
  const listed = hasBuilds(flags) ? await listBuilds(builds) : [];
  const build = chooseBuild(flags, listed, page);
  const begun = build === undefined ? undefined : await readSoFar(builds, build);
  const lines = [
    ...(begun?.lines.filter((line) => isWanted(line, flags)) ?? []),
    ...(flags.source === 'build' ? [] : page.entries),
  ];
  const sorted = lines.toSorted((a, b) => Date.parse(a.timestamp) - Date.parse(b.timestamp));
  print(work, sorted.slice(-(tailOf(flags) ?? sorted.length)));
  if (lines.length === 0) explainNothing(work, page);
  if (flags.follow !== true) return;
  await Promise.all([
    ...(flags.source === 'build' ? [] : [printFunctions(work, followFunctionLog(functions, page))]),
    ...(begun?.isComplete === false ? [printBuilds(work, readBuildLog(builds, begun.position, true))] : []),
    ...(hasBuilds(flags) && isOfTrack(flags)
      ? [printBuilds(work, followBuilds(builds, trackOf(flags), listed))]
      : []),
  ]);
}

async function functionReader(
  { flags, client, project }: Work,
  builds: BuildReader,
): Promise<FunctionLogReader> {
  const { signal, keepTrying } = builds;
  const { track, level, since, request } = flags;
  const deployment =
    flags.deployment === undefined ? undefined : await findDeploymentId(client, project, flags.deployment);
  const domain = flags.domain === undefined ? undefined : requireHost(flags.domain);
  return { client, project, signal, keepTrying, query: { deployment, domain, track, level, since, request } };
}

/** Builds know no requests. */
function hasBuilds({ source, request }: LogFlags): boolean {
  return source !== 'function' && request === undefined;
}

function tailOf({ lines, since }: LogFlags): number | undefined {
  if (lines !== undefined) return Math.min(lines, MAX_LOG_TAIL);
  return since === undefined ? LINES : undefined;
}

/** The build that made the deployment; without one that is named also a newer one of the track. */
function chooseBuild(
  flags: LogFlags,
  listed: readonly Build[],
  { deploymentIds }: FunctionLogPage,
): Build | undefined {
  return listed.find(
    ({ deploymentId, track }) =>
      deploymentIds.includes(deploymentId ?? '') || (isOfTrack(flags) && track === trackOf(flags)),
  );
}

function isOfTrack({ deployment, domain }: LogFlags): boolean {
  return deployment === undefined && domain === undefined;
}

function trackOf({ track = PRODUCTION }: LogFlags): string {
  return track;
}

type Begun = { lines: LogLine[]; position: BuildPosition; isComplete: boolean };

async function readSoFar(builds: BuildReader, { id }: Build): Promise<Begun> {
  const lines: LogLine[] = [];
  const pages = readBuildLog(builds, { id, after: 0 }, false);
  for (;;) {
    const { done, value } = await pages.next();
    if (done === true) return { lines, position: { id, after: value.after }, isComplete: value.isComplete };
    lines.push(...value);
  }
}

async function printFunctions(work: Work, pages: AsyncIterable<FunctionLogPage>): Promise<void> {
  for await (const { entries, isTruncated } of pages) {
    if (isTruncated)
      work.context.terminal.err('(lines are missing here: there were more than could be kept)\n');
    print(work, entries);
  }
}

async function printBuilds(work: Work, pages: AsyncIterable<LogLine[]>): Promise<void> {
  for await (const lines of pages)
    print(
      work,
      lines.filter((line) => isWanted(line, work.flags)),
    );
}

function print({ context: { terminal }, flags }: Work, lines: readonly LogLine[]): void {
  for (const line of lines)
    terminal.out(flags.json === true ? `${JSON.stringify(line)}\n` : describeLine(terminal, line));
}

/** An empty answer has a reason, which is a message and no result. */
function explainNothing(
  { context: { terminal }, flags }: Work,
  { deploymentIds, storage }: FunctionLogPage,
): void {
  const what = flags.level ?? flags.since ?? flags.request ?? flags.source;
  if (what !== undefined) terminal.err('No such lines.\n');
  else if (deploymentIds.length === 0) terminal.err(`Nothing is shown on ${trackOf(flags)} yet.\n`);
  else if (storage === 'disabled')
    terminal.err(
      'The control API works without a cache (CACHE_ENABLED): what functions write is not kept.\n',
    );
  else
    terminal.err(
      storage === 'memory'
        ? 'No lines yet. Without a cache server (CACHE_URL), those of a runner in another process do not come here.\n'
        : 'No lines yet.\n',
    );
}
