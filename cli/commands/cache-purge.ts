import type { Command } from 'commander';
import { purgeResultSchema } from '../../contracts/control-api-answers.ts';
import { apiPaths, type Purge, type PurgeResult } from '../../contracts/control-api.ts';
import { CliError, EXIT } from '../cli-error.ts';
import { printResult, withClient, type CliContext } from '../context.ts';
import type { ControlApiClient } from '../control-api-client.ts';
import { findDeploymentId } from '../find-deployment.ts';
import { count, duration } from '../format.ts';
import { projectOf, type ProjectOptions } from '../project-name.ts';
import { requireHost } from '../require-host.ts';
import { collect, projectCommand } from './project-option.ts';

type PurgeFlags = ProjectOptions & {
  domain?: string;
  deployment?: string;
  tag: string[];
  soft?: boolean;
  all?: boolean;
};

const PURGE_TIMEOUT_MS = 60_000;

/** Through the control API, which knows what belongs to whom and waits for the gateways. */
export function purgeCommand(context: CliContext): Command {
  return projectCommand('purge', 'end what is cached: of a domain, a deployment, tags or the whole project')
    .option('--domain <host>', 'what this host shows')
    .option('--deployment <id>', 'everything kept of this deployment')
    .option('--tag <tag>', 'every response that carries it (repeatable)', collect, [])
    .option('--soft', 'tags only: mark stale instead of removing')
    .option('--all', 'everything of the project')
    .action(async (_, command: Command) => {
      const flags = command.optsWithGlobals<PurgeFlags>();
      const project = await projectOf(context, flags);
      const result = await withClient(context, flags, async (client) =>
        client.call({
          method: 'POST',
          path: apiPaths.purge(project),
          answer: purgeResultSchema,
          body: await toPurge(client, project, flags),
          timeoutMs: PURGE_TIMEOUT_MS,
          signal: context.signal,
        }),
      );
      printResult(context, flags, result, () => describe(result));
    });
}

async function toPurge(client: ControlApiClient, project: string, flags: PurgeFlags): Promise<Purge> {
  const { domain, deployment, tag, soft, all } = flags;
  const named = [domain, deployment, tag.length > 0 ? tag : undefined, all].filter(
    (option) => option !== undefined,
  );
  if (named.length !== 1) {
    throw new CliError('USAGE', 'One of --domain, --deployment, --tag and --all must say what to purge.', {
      exitCode: EXIT.usage,
    });
  }
  if (domain !== undefined) return { kind: 'domain', host: requireHost(domain) };
  if (deployment !== undefined) {
    return { kind: 'deployment', deploymentId: await findDeploymentId(client, project, deployment) };
  }
  return tag.length > 0 ? { kind: 'tags', tags: tag, isSoft: soft === true } : { kind: 'project' };
}

function describe({ keys, acknowledged, expired, isComplete, durationMs }: PurgeResult): string {
  const what = `${count(keys, 'key')} ended`;
  if (!isComplete)
    return `${what}; the cache server was not reached, so gateways follow as their leases run out\n`;
  const total = acknowledged.length + expired.length;
  return `${what} on ${acknowledged.length} of ${count(total, 'gateway')} after ${duration(durationMs)}\n`;
}
