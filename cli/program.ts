import { Command, CommanderError, Help, type Option } from 'commander';
import { EdgeError } from '../core/errors.ts';
import { CliError, EXIT, type ExitCode } from './cli-error.ts';
import { cacheCommand } from './commands/cache.ts';
import { completeCommand, completionCommand } from './commands/completion.ts';
import { deployCommand } from './commands/deploy.ts';
import { deploymentsCommand, promoteCommand, rollbackCommand } from './commands/deployments.ts';
import { domainsCommand } from './commands/domains.ts';
import { doctorCommand } from './commands/doctor.ts';
import { envCommand } from './commands/env.ts';
import { explainCommand } from './commands/explain.ts';
import { initCommand } from './commands/init.ts';
import { loginCommand, logoutCommand, whoamiCommand } from './commands/login.ts';
import { logsCommand } from './commands/logs.ts';
import { openCommand } from './commands/open.ts';
import { tracksCommand } from './commands/tracks.ts';
import type { CliContext } from './context.ts';
import { DEFAULT_API_URL } from './settings.ts';
import { paint, type Terminal } from './terminal.ts';

/** Runs one command line (without the program's own name) and answers its exit code. Never throws. */
export async function runCli(args: readonly string[], context: CliContext): Promise<ExitCode> {
  const isJson = args.includes('--json');
  try {
    await createProgram(context).parseAsync([...args], { from: 'user' });
    return EXIT.ok;
  } catch (error) {
    if (error instanceof CommanderError) return endOfCommander(error, context.terminal, isJson);
    return printFailure(error, context, isJson);
  }
}

function createProgram(context: CliContext): Command {
  const program = new Command('origan')
    .description('Deploys sites to Origan edge and looks after them.')
    .version(VERSION)
    .option(
      '--api-url <url>',
      `address of the control API (ORIGAN_API_URL; default: that of origan login, else ${DEFAULT_API_URL})`,
    )
    .option('--token <token>', 'API token (ORIGAN_TOKEN, safer than here; default: that of origan login)')
    .option('--json', 'one line of JSON instead of text')
    .showSuggestionAfterError();
  for (const create of COMMANDS) program.addCommand(create(context));
  program.addCommand(
    completeCommand(context, () => program),
    { hidden: true },
  );
  configure(program, context.terminal);
  return program;
}

const VERSION = '0.1.0';
const EXIT_CODES =
  '\nExit codes: 0 done, 1 failed, 2 wrong usage, 3 unreachable, 4 denied, 5 not found, 6 conflict, 130 interrupted.';

const COMMANDS: readonly ((context: CliContext) => Command)[] = [
  loginCommand,
  logoutCommand,
  whoamiCommand,
  initCommand,
  deployCommand,
  deploymentsCommand,
  promoteCommand,
  rollbackCommand,
  domainsCommand,
  tracksCommand,
  envCommand,
  logsCommand,
  openCommand,
  cacheCommand,
  explainCommand,
  doctorCommand,
  completionCommand,
];

/** The same help everywhere; and nothing in commander may end the process or write past the terminal. */
function configure(command: Command, terminal: Terminal): void {
  command.configureHelp({ showGlobalOptions: true, optionDescription: describeOption });
  command.addHelpText('after', EXIT_CODES);
  command.exitOverride().configureOutput({
    writeOut: terminal.out,
    writeErr: terminal.err,
    // Written by runCli, which knows about --json.
    outputError: () => undefined,
  });
  for (const child of command.commands) configure(child, terminal);
}

/** That a list is empty by default goes without saying. */
function describeOption(option: Option): string {
  return new Help().optionDescription(option).replace(/ \(default: \[\]\)$/, '');
}

/** Help and version end the program well; everything else is a wrong argument. */
function endOfCommander(error: CommanderError, terminal: Terminal, isJson: boolean): ExitCode {
  if (error.exitCode === 0 || error.code === 'commander.help') return EXIT.ok;
  const message = error.message.replace(/^error: /, '');
  const hint = 'origan --help lists the commands, origan COMMAND --help their options.';
  printError(new CliError('USAGE', message, { exitCode: EXIT.usage, hint }), terminal, isJson);
  return EXIT.usage;
}

function printFailure(error: unknown, context: CliContext, isJson: boolean): ExitCode {
  if (context.signal.aborted) return fail(asInterrupted(error), context, isJson);
  if (error instanceof CliError) return fail(error, context, isJson);
  if (error instanceof EdgeError) return fail(ofCache(error), context, isJson);
  const detail = error instanceof Error ? error.message : String(error);
  const unknown = new CliError('INTERNAL', `Something unexpected went wrong: ${detail}`, {
    hint: 'Set ORIGAN_DEBUG=1 to see where, and please report it.',
  });
  if ((context.env['ORIGAN_DEBUG'] ?? '') !== '' && error instanceof Error)
    context.terminal.err(`${error.stack ?? ''}\n`);
  return fail(unknown, context, isJson);
}

/** Whatever failed after Ctrl-C failed because of it; who knows more about what was done has said so. */
function asInterrupted(error: unknown): CliError {
  if (error instanceof CliError && error.code === 'INTERRUPTED') return error;
  return new CliError('INTERRUPTED', 'Interrupted.');
}

/** The one part that is talked to without a client which explains its failures. */
function ofCache({ code, message }: EdgeError): CliError {
  if (code !== 'CACHE_FAILED') return new CliError(code, message);
  return new CliError(code, `The cache server failed: ${message}`, { exitCode: EXIT.unreachable });
}

function fail(error: CliError, context: CliContext, isJson: boolean): ExitCode {
  if (!error.isReported) printError(error, context.terminal, isJson);
  return error.exitCode;
}

function printError({ code, message, hint }: CliError, terminal: Terminal, isJson: boolean): void {
  if (isJson) {
    terminal.out(
      `${JSON.stringify({ error: { code, message, ...(hint === undefined ? {} : { hint }) } })}\n`,
    );
    return;
  }
  terminal.err(`${paint(terminal, 'red', 'Error:')} ${message}\n${hint === undefined ? '' : `${hint}\n`}`);
}
