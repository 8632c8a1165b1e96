import { resolve } from 'node:path';
import { Command } from 'commander';
import { printResult, withClient, type CliContext, type CommonOptions } from '../context.ts';
import { deploySite, type DeployOptions } from '../deploy.ts';
import { readGitSource } from '../git-source.ts';
import { readVariables } from '../read-variables.ts';
import { createDeployReporter, describeSummary } from '../report-deploy.ts';
import { noProject } from '../project-name.ts';
import { collect } from './project-option.ts';
import { findLayout } from '../find-layout.ts';

type DeployFlags = CommonOptions & {
  project?: string;
  domain: string[];
  track?: string;
  /** `--functions DIR`, or false for `--no-functions`; commander's default is true. */
  functions?: string | boolean;
  env: string[];
  envFile: string[];
  create?: boolean;
  preview?: boolean;
};

export function deployCommand(context: CliContext): Command {
  return new Command('deploy')
    .description('deploy a folder: its files and its functions')
    .argument('[dir]', 'the built site, or its project', '.')
    .option('-p, --project <name>', 'name, ref or id of the project (default: that of origan.json)')
    .option('-d, --domain <host>', 'show it at this host too (repeatable)', collect, [])
    .option('-t, --track <name>', 'the track to deploy to (default: production)')
    .option('--functions <dir>', 'folder of the functions (default: functions/ or api/)')
    .option('--no-functions', 'deploy files only')
    .option('-e, --env <NAME=value>', "set a variable of the track's environment (repeatable)", collect, [])
    .option('--env-file <file>', 'set the variables of a file (repeatable)', collect, [])
    .option('--create', 'create the project when there is none of this name')
    .option('--preview', 'show it at its preview address only')
    .action(async (directory: string, _, command: Command) => {
      await deploy(context, directory, command.optsWithGlobals<DeployFlags>());
    });
}

async function deploy(context: CliContext, named: string, flags: DeployFlags): Promise<void> {
  const options = await toDeployOptions(context, resolve(context.cwd, named), flags);
  const reporter = createDeployReporter(context.terminal);
  const report = flags.json === true ? () => undefined : reporter.report;
  try {
    const summary = await withClient(context, flags, (client) => deploySite(options, client, report));
    reporter.end();
    printResult(context, flags, summary, () => describeSummary(summary, context.terminal));
  } finally {
    reporter.end();
  }
}

async function toDeployOptions(
  context: CliContext,
  directory: string,
  flags: DeployFlags,
): Promise<DeployOptions> {
  const functions = chosenFunctions(context, flags.functions);
  const { config } = await findLayout(directory, functions);
  const project = flags.project ?? config.project;
  if (project === undefined) throw noProject();
  const configured = config.domain === undefined ? [] : [config.domain];
  return {
    directory,
    project,
    domains: flags.domain.length > 0 ? flags.domain : configured,
    track: flags.track ?? config.track,
    functions,
    environment: await readVariables(
      flags.env,
      flags.envFile.map((file) => resolve(context.cwd, file)),
    ),
    source: await readGitSource(directory),
    createProject: flags.create,
    previewOnly: flags.preview,
    signal: context.signal,
    clock: context.clock,
  };
}

function chosenFunctions(
  { cwd }: CliContext,
  flag: string | boolean | undefined,
): string | false | undefined {
  if (typeof flag === 'string') return resolve(cwd, flag);
  return flag === false ? false : undefined;
}
