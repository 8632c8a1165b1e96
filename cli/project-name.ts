import { join } from 'node:path';
import { CliError, EXIT } from './cli-error.ts';
import type { CliContext, CommonOptions } from './context.ts';
import { readSiteConfig, SITE_CONFIG_NAME } from './site-config.ts';

export type ProjectOptions = CommonOptions & { project?: string | undefined };

/** The project that is named, or the one of the `origan.json` in this folder. */
export async function projectOf(context: CliContext, options: ProjectOptions): Promise<string> {
  const named = options.project ?? (await readSiteConfig(join(context.cwd, SITE_CONFIG_NAME))).project;
  if (named !== undefined && named !== '') return named;
  throw noProject();
}

export function noProject(): CliError {
  return new CliError('NO_PROJECT', 'No project is named.', {
    exitCode: EXIT.usage,
    hint: `Pass --project NAME, or run origan init to write it into ${SITE_CONFIG_NAME}.`,
  });
}
