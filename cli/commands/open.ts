import { spawn } from 'node:child_process';
import type { Command } from 'commander';
import { domainListSchema } from '../../contracts/control-api-answers.ts';
import { apiPaths, type Domain } from '../../contracts/control-api.ts';
import { CliError, EXIT } from '../cli-error.ts';
import { printResult, withClient, type CliContext } from '../context.ts';
import { projectOf, type ProjectOptions } from '../project-name.ts';
import { projectCommand } from './project-option.ts';

type OpenFlags = ProjectOptions & { track: string; print?: boolean };

export function openCommand(context: CliContext): Command {
  return projectCommand('open', 'open what a track shows in the browser')
    .option('-t, --track <name>', 'the track', 'production')
    .option('--print', 'only print the address')
    .action(async (_, command: Command) => {
      const flags = command.optsWithGlobals<OpenFlags>();
      const project = await projectOf(context, flags);
      const { domains } = await withClient(context, flags, (client) =>
        client.call({
          method: 'GET',
          path: apiPaths.domains(project),
          answer: domainListSchema,
          signal: context.signal,
        }),
      );
      const url = choose(domains, flags.track);
      if (flags.print !== true && flags.json !== true) await openBrowser(context, url);
      printResult(context, flags, { url }, () => `${url}\n`);
    });
}

/** A custom domain before the track's own. */
function choose(domains: readonly Domain[], track: string): string {
  const shown = domains.filter((domain) => domain.track === track && domain.deploymentId !== null);
  const best = shown.find(({ kind }) => kind === 'custom') ?? shown.find(({ kind }) => kind === 'track');
  if (best !== undefined) return best.url;
  throw new CliError('NOT_FOUND', `The track ${track} shows nothing yet.`, {
    exitCode: EXIT.notFound,
    hint: 'Deploy to it first.',
  });
}

const OPENERS: Readonly<Record<string, string>> = { darwin: 'open', win32: 'explorer' };

async function openBrowser({ env }: CliContext, url: string): Promise<void> {
  const command = env['BROWSER'] ?? OPENERS[process.platform] ?? 'xdg-open';
  await new Promise<void>((resolve, reject) => {
    const child = spawn(command, [url], { stdio: 'ignore', detached: true });
    child.once('error', () => reject(noBrowser(command, url)));
    child.once('spawn', () => {
      child.unref();
      resolve();
    });
  });
}

function noBrowser(command: string, url: string): CliError {
  return new CliError('NO_BROWSER', `${command} could not be started.`, {
    hint: `Open ${url} yourself, or set BROWSER.`,
  });
}
