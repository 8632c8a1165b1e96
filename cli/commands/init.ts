import { access, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Command } from 'commander';
import { projectSchema } from '../../contracts/control-api-answers.ts';
import { projectNameSchema } from '../../contracts/control-api-requests.ts';
import { apiPaths, type CreateProject, type Project } from '../../contracts/control-api.ts';
import { CliError, EXIT } from '../cli-error.ts';
import { printResult, withClient, type CliContext } from '../context.ts';
import type { ControlApiClient } from '../control-api-client.ts';
import { ApiRefusalError } from '../control-api-errors.ts';
import type { ProjectOptions } from '../project-name.ts';
import { SITE_CONFIG_NAME } from '../site-config.ts';
import { projectOption } from './project-option.ts';

type InitOptions = ProjectOptions & {
  domain?: string;
  directory?: string;
  organization?: string;
  force?: boolean;
};

export function initCommand(context: CliContext): Command {
  return new Command('init')
    .description(`create the project, unless it exists, and write ${SITE_CONFIG_NAME} into this folder`)
    .addOption(projectOption())
    .option('-d, --domain <host>', 'host at which it is shown')
    .option('--directory <dir>', 'folder of the built site, from here')
    .option('--organization <name>', 'organization that a new project belongs to')
    .option('--force', `replace an ${SITE_CONFIG_NAME} that is there`)
    .action(async (_, command: Command) => init(context, command.optsWithGlobals<InitOptions>()));
}

async function init(context: CliContext, options: InitOptions): Promise<void> {
  const file = join(context.cwd, SITE_CONFIG_NAME);
  if (options.force !== true) await requireAbsent(file);
  const name = options.project ?? suggestName(context.cwd);
  const project = await withClient(context, options, (client) =>
    findOrCreate(context, client, { ...options, name }),
  );
  const config = {
    project: project.name,
    ...(options.domain === undefined ? {} : { domain: options.domain }),
    ...(options.directory === undefined ? {} : { directory: options.directory }),
  };
  await writeFile(file, `${JSON.stringify(config, null, 2)}\n`);
  printResult(
    context,
    options,
    { project, file },
    () => `${file} names the project ${project.name}. Next: origan deploy\n`,
  );
}

async function requireAbsent(file: string): Promise<void> {
  const isThere = await access(file).then(
    () => true,
    () => false,
  );
  if (!isThere) return;
  throw new CliError('ALREADY_THERE', `${file} is there already.`, {
    exitCode: EXIT.conflict,
    hint: 'Edit it, or pass --force to replace it.',
  });
}

/** The folder's name as a project's name may be. */
function suggestName(folder: string): string {
  const name = basename(folder)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^[^a-z]+|-+$/g, '')
    .slice(0, 63);
  if (projectNameSchema.safeParse(name).success) return name;
  throw new CliError('NO_PROJECT', 'No project name can be made of the name of this folder.', {
    exitCode: EXIT.usage,
    hint: 'Pass --project NAME.',
  });
}

type Wanted = { name: string; organization?: string | undefined };

async function findOrCreate(
  { signal }: CliContext,
  client: ControlApiClient,
  wanted: Wanted,
): Promise<Project> {
  const { name, organization } = wanted;
  try {
    return await client.call({ method: 'GET', path: apiPaths.project(name), answer: projectSchema, signal });
  } catch (error) {
    if (!(error instanceof ApiRefusalError) || error.status !== 404) throw error;
  }
  const body: CreateProject = { name, ...(organization === undefined ? {} : { organization }) };
  return client.call({ method: 'POST', path: apiPaths.projects(), answer: projectSchema, body, signal });
}
