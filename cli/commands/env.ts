import { resolve } from 'node:path';
import { Command } from 'commander';
import {
  adminPaths,
  environmentInfoSchema,
  type ChangeEnvironment,
  type EnvironmentInfo,
} from '../../contracts/control-api-admin.ts';
import { CliError, EXIT } from '../cli-error.ts';
import { printResult, withClient, type CliContext } from '../context.ts';
import { environmentOf } from '../deploy.ts';
import { ago, table } from '../format.ts';
import { projectOf, type ProjectOptions } from '../project-name.ts';
import { readVariables } from '../read-variables.ts';
import { collect, projectCommand } from './project-option.ts';

type EnvFlags = ProjectOptions & { track?: string; reveal?: boolean; file: string[] };

export function envCommand(context: CliContext): Command {
  return new Command('env')
    .description("variables of a track's functions; the next deployment gets them")
    .addCommand(listCommand(context), { isDefault: true })
    .addCommand(setCommand(context))
    .addCommand(unsetCommand(context));
}

const environmentCommand = (name: string, description: string): Command =>
  projectCommand(name, description).option('-t, --track <name>', 'the track (default: production)');

function listCommand(context: CliContext): Command {
  return environmentCommand('ls', 'list the variables, their names only')
    .option('--reveal', 'show values too')
    .action(async (_, command: Command) => {
      const flags = command.optsWithGlobals<EnvFlags>();
      const path = `${await environmentPath(context, flags)}${flags.reveal === true ? '?reveal=true' : ''}`;
      const info = await withClient(context, flags, (client) =>
        client.call({ method: 'GET', path, answer: environmentInfoSchema, signal: context.signal }),
      );
      printResult(context, flags, info, () => describe(context, info));
    });
}

function setCommand(context: CliContext): Command {
  return environmentCommand('set', 'set variables')
    .argument('[NAME=value...]')
    .option('-f, --file <file>', 'those of a file (repeatable)', collect, [])
    .action(async (pairs: string[], _, command: Command) => {
      const flags = command.optsWithGlobals<EnvFlags>();
      const files = flags.file.map((file) => resolve(context.cwd, file));
      const set = await readVariables(pairs, files);
      if (Object.keys(set).length === 0) throw nothingNamed('NAME=value');
      printChanged(context, flags, await change(context, flags, { set }));
    });
}

function unsetCommand(context: CliContext): Command {
  return environmentCommand('rm', 'remove variables')
    .argument('<name...>')
    .action(async (unset: string[], _, command: Command) => {
      const flags = command.optsWithGlobals<EnvFlags>();
      const before = await namesOf(context, flags);
      const info = await change(context, flags, { unset });
      const unknown = unset.filter((name) => !before.includes(name));
      if (unknown.length > 0) throw unknownVariables(info.name, unknown, unset.length - unknown.length);
      printChanged(context, flags, info);
    });
}

async function namesOf(context: CliContext, flags: EnvFlags): Promise<readonly string[]> {
  const path = await environmentPath(context, flags);
  const info = await withClient(context, flags, (client) =>
    client.call({ method: 'GET', path, answer: environmentInfoSchema, signal: context.signal }),
  );
  return info.names;
}

/** A misspelt name must not pass for a secret that is gone. */
function unknownVariables(environment: string, names: readonly string[], removed: number): CliError {
  const rest = removed === 0 ? '' : ' The others were removed.';
  return new CliError('NOT_FOUND', `The environment ${environment} had no ${names.join(', ')}.${rest}`, {
    exitCode: EXIT.notFound,
    hint: 'origan env ls lists what it has.',
  });
}

async function change(
  context: CliContext,
  flags: EnvFlags,
  body: ChangeEnvironment,
): Promise<EnvironmentInfo> {
  const path = await environmentPath(context, flags);
  return withClient(context, flags, (client) =>
    client.call({ method: 'PATCH', path, answer: environmentInfoSchema, body, signal: context.signal }),
  );
}

function printChanged(context: CliContext, flags: EnvFlags, info: EnvironmentInfo): void {
  printResult(context, flags, info, () => `${describe(context, info)}The next deployment gets them.\n`);
}

async function environmentPath(context: CliContext, flags: EnvFlags): Promise<string> {
  return adminPaths.environment(await projectOf(context, flags), environmentOf(flags.track));
}

function nothingNamed(what: string): CliError {
  return new CliError('USAGE', 'No variable is named.', {
    exitCode: EXIT.usage,
    hint: `Give ${what}, or --file FILE.`,
  });
}

function describe({ clock }: CliContext, { name, names, variables, createdAt }: EnvironmentInfo): string {
  if (names.length === 0) return `The environment ${name} has no variables.\n`;
  const when = createdAt === null ? '' : `, changed ${ago(createdAt, clock.nowMs())}`;
  const rows = names.map((variable) => [
    variable,
    variables === undefined ? '(hidden)' : oneLine(variables[variable] ?? ''),
  ]);
  return `The environment ${name}${when}:\n${table(['NAME', 'VALUE'], rows)}`;
}

/** Values of several lines, or with characters that a terminal obeys, as they stand in JSON. */
function oneLine(value: string): string {
  return /\p{Cc}/u.test(value) ? JSON.stringify(value) : value;
}
