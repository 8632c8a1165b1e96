import { InvalidArgumentError, type Command } from 'commander';
import { flipResultSchema } from '../../contracts/control-api-answers.ts';
import {
  apiPaths,
  type Deployment,
  type FlipResult,
  type Promote,
  type Rollback,
} from '../../contracts/control-api.ts';
import { printResult, withClient, type CliContext } from '../context.ts';
import { findDeploymentId, listDeployments } from '../find-deployment.ts';
import { ago, bytes, table } from '../format.ts';
import { projectOf, type ProjectOptions } from '../project-name.ts';
import { describeFlip } from '../report-deploy.ts';
import { projectCommand } from './project-option.ts';

const FLIP_TIMEOUT_MS = 120_000;
const MESSAGE_LENGTH = 40;

type ListFlags = ProjectOptions & { track?: string; limit: number };
type FlipFlags = ProjectOptions & { track?: string; to?: string };

export function deploymentsCommand(context: CliContext): Command {
  return projectCommand('deployments', 'list deployments, newest first')
    .option('-t, --track <name>', 'of this track only')
    .option('-n, --limit <number>', 'how many', parseLimit, 20)
    .action(async (_, command: Command) => {
      const flags = command.optsWithGlobals<ListFlags>();
      const project = await projectOf(context, flags);
      const { signal } = context;
      const found = await withClient(context, flags, (client) =>
        listDeployments(client, project, { ...flags, signal }),
      );
      printResult(context, flags, { deployments: found }, () => describeList(found, context.clock.nowMs()));
    });
}

export function promoteCommand(context: CliContext): Command {
  return projectCommand('promote', 'show a deployment on a track')
    .argument('<deployment>', 'its id, or the first characters of it')
    .option('-t, --track <name>', "the track (default: the deployment's own)")
    .action(async (id: string, _, command: Command) => {
      const flags = command.optsWithGlobals<FlipFlags>();
      const project = await projectOf(context, flags);
      const result = await withClient(context, flags, async (client) => {
        const path = apiPaths.promote(project, await findDeploymentId(client, project, id));
        const body: Promote = flags.track === undefined ? {} : { track: flags.track };
        return client.call({ ...FLIP, path, body, signal: context.signal });
      });
      printFlip(context, flags, result);
    });
}

export function rollbackCommand(context: CliContext): Command {
  return projectCommand('rollback', 'show what a track showed before')
    .option('-t, --track <name>', 'the track (default: production)')
    .option('--to <deployment>', 'this deployment instead of the previous one')
    .action(async (_, command: Command) => {
      const flags = command.optsWithGlobals<FlipFlags>();
      const project = await projectOf(context, flags);
      const result = await withClient(context, flags, async (client) => {
        const to = flags.to === undefined ? undefined : await findDeploymentId(client, project, flags.to);
        const body: Rollback = {
          ...(flags.track === undefined ? {} : { track: flags.track }),
          ...(to === undefined ? {} : { deploymentId: to }),
        };
        return client.call({ ...FLIP, path: apiPaths.rollback(project), body, signal: context.signal });
      });
      printFlip(context, flags, result);
    });
}

// Repeating a rollback would roll back once more: after a failure on the way the user decides.
const FLIP = {
  method: 'POST',
  answer: flipResultSchema,
  timeoutMs: FLIP_TIMEOUT_MS,
  mayRepeat: false,
} as const;

function printFlip(context: CliContext, flags: FlipFlags, result: FlipResult): void {
  printResult(context, flags, result, () => {
    const urls = result.domains.map(({ url }) => `  ${url}\n`).join('');
    return `${result.deployment.id.slice(0, 8)} is ${describeFlip(result)}\n${urls}`;
  });
}

function describeList(found: readonly Deployment[], nowMs: number): string {
  if (found.length === 0) return 'No deployments yet.\n';
  const rows = found.map((deployment) => [
    deployment.id.slice(0, 8),
    deployment.track,
    deployment.isLive ? 'live' : deployment.status,
    ago(deployment.createdAt, nowMs),
    String(deployment.files),
    bytes(deployment.bytes),
    describeSource(deployment),
  ]);
  return table(['ID', 'TRACK', 'STATUS', 'CREATED', 'FILES', 'SIZE', 'SOURCE'], rows);
}

function describeSource({ source, failure }: Deployment): string {
  const commit = source?.commit?.slice(0, 7);
  const parts = [
    source?.branch,
    commit,
    source?.message?.split('\n', 1)[0]?.slice(0, MESSAGE_LENGTH),
    failure,
  ];
  return parts.filter((part) => part !== undefined && part !== null && part !== '').join(' ');
}

export function parseLimit(text: string): number {
  const limit = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (limit < 1) throw new InvalidArgumentError('It must be a number from 1 to 99999.');
  return limit;
}
