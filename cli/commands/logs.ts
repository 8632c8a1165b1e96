import { stripVTControlCharacters } from 'node:util';
import type { Command } from 'commander';
import { z } from 'zod';
import {
  adminPaths,
  buildSchema,
  logPageSchema,
  type Build,
  type LogEntry,
} from '../../contracts/control-api-admin.ts';
import { CliError, EXIT } from '../cli-error.ts';
import { withClient, type CliContext } from '../context.ts';
import type { ControlApiClient } from '../control-api-client.ts';
import { projectOf, type ProjectOptions } from '../project-name.ts';
import { paint, type Style } from '../terminal.ts';
import { projectCommand } from './project-option.ts';

type LogFlags = ProjectOptions & { follow?: boolean };

/** How long the control API may hold a request until there is more; the call's own deadline is longer. */
const WAIT_MS = 20_000;
const CALL_TIMEOUT_MS = 40_000;

const buildsSchema = z.object({ builds: z.array(buildSchema) });

export function logsCommand(context: CliContext): Command {
  return projectCommand('logs', 'the log of a build')
    .argument('[build]', 'its id (default: the newest)')
    .option('-f, --follow', 'go on until the build ends')
    .action(async (id: string | undefined, _, command: Command) => {
      const flags = command.optsWithGlobals<LogFlags>();
      const project = await projectOf(context, flags);
      await withClient(context, flags, async (client) => {
        const build = id ?? (await newestBuild(context, client, project)).id;
        await showLog(context, flags, client, adminPaths.buildLogs(project, build));
      });
    });
}

async function newestBuild(
  { signal }: CliContext,
  client: ControlApiClient,
  project: string,
): Promise<Build> {
  const path = `${adminPaths.builds(project)}?limit=1`;
  const { builds } = await client.call({ method: 'GET', path, answer: buildsSchema, signal });
  if (builds[0] !== undefined) return builds[0];
  throw new CliError('NOT_FOUND', `The project ${project} has no builds.`, { exitCode: EXIT.notFound });
}

async function showLog(
  context: CliContext,
  flags: LogFlags,
  client: ControlApiClient,
  path: string,
): Promise<void> {
  const { signal, terminal } = context;
  let after = 0;
  for (let isComplete = false; !isComplete;) {
    const waitMs = flags.follow === true ? WAIT_MS : 0;
    const page = await client.call({
      method: 'GET',
      path: `${path}?after=${after}&waitMs=${waitMs}`,
      answer: logPageSchema,
      timeoutMs: CALL_TIMEOUT_MS,
      signal,
    });
    if (after === 0 && page.dropped > 0) terminal.err(`(${page.dropped} lines before these are gone)\n`);
    for (const entry of page.entries)
      terminal.out(flags.json === true ? `${JSON.stringify(entry)}\n` : line(context, entry));
    const isAtEnd = page.entries.length === 0 || page.next === after;
    isComplete = page.isComplete || (flags.follow !== true && isAtEnd);
    after = page.next;
  }
}

const STYLES: Readonly<Record<LogEntry['level'], Style>> = {
  debug: 'dim',
  info: 'cyan',
  warn: 'yellow',
  error: 'red',
};

function line({ terminal }: CliContext, { timestamp, level, message }: LogEntry): string {
  const time = paint(terminal, 'dim', timestamp);
  return `${time} ${paint(terminal, STYLES[level], level.padEnd(5))} ${printable(message)}\n`;
}

/** Build output may hold anything: what moves a terminal's cursor or changes its state must not reach it. */
function printable(message: string): string {
  return stripVTControlCharacters(message).replaceAll(/[^\P{Cc}\t\n]/gu, '');
}
