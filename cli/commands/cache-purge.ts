import type { Command } from 'commander';
import { purgeResultSchema } from '../../contracts/control-api-answers.ts';
import { apiPaths, type Purge, type PurgeResult } from '../../contracts/control-api.ts';
import { CliError, EXIT } from '../cli-error.ts';
import { printResult, withClient, type CliContext } from '../context.ts';
import type { ControlApiClient } from '../control-api-client.ts';
import { findDeploymentId } from '../find-deployment.ts';
import { count, duration } from '../format.ts';
import { projectOf, type ProjectOptions } from '../project-name.ts';
import { requireDomain } from '../require-host.ts';
import { collect, projectCommand } from './project-option.ts';

type PurgeFlags = ProjectOptions & {
  domain?: string;
  deployment?: string;
  url: string[];
  tag: string[];
  key: string[];
  soft?: boolean;
  all?: boolean;
};

const PURGE_TIMEOUT_MS = 60_000;

/** Through the control API, which knows what belongs to whom and waits for the gateways. */
export function purgeCommand(context: CliContext): Command {
  return projectCommand(
    'purge',
    'end what is cached: of a domain, a deployment, addresses, tags, keys or the whole project',
  )
    .option('--domain <host>', 'what this host shows, and what functions answered for it')
    .option('--deployment <id>', 'everything kept of this deployment')
    .option('--url <url>', 'what functions answered at this address (repeatable)', collect, [])
    .option('--tag <tag>', 'every response that carries it (repeatable)', collect, [])
    .option('--key <key>', 'one key of the cache, such as domain:HOST (repeatable)', collect, [])
    .option('--soft', 'make it stale instead: served while it is refreshed')
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
  const { domain, deployment, url, tag, key, soft = false, all = false } = flags;
  const mode = soft ? { isSoft: true } : {};
  const named = [
    domain !== undefined,
    deployment !== undefined,
    url.length > 0,
    tag.length > 0,
    key.length > 0,
    all,
  ];
  if (named.filter(Boolean).length !== 1) {
    const options = '--domain, --deployment, --url, --tag, --key and --all';
    throw new CliError('USAGE', `One of ${options} must say what to purge.`, { exitCode: EXIT.usage });
  }
  if (domain !== undefined) return { kind: 'domain', host: requireDomain(domain), ...mode };
  if (deployment !== undefined) {
    return { kind: 'deployment', deploymentId: await findDeploymentId(client, project, deployment), ...mode };
  }
  if (url.length > 0) return { kind: 'urls', urls: url, ...mode };
  if (key.length > 0) return { kind: 'keys', keys: key, ...mode };
  return tag.length > 0 ? { kind: 'tags', tags: tag, ...mode } : { kind: 'project', ...mode };
}

function describe({ keys, acknowledged, expired, isComplete, durationMs }: PurgeResult): string {
  const what = `${count(keys, 'key')} ended`;
  if (!isComplete)
    return `${what}; the cache server was not reached, so gateways follow as their leases run out\n`;
  const total = acknowledged.length + expired.length;
  return `${what} on ${acknowledged.length} of ${count(total, 'gateway')} after ${duration(durationMs)}\n`;
}
