import { Command, InvalidArgumentError } from 'commander';
import {
  trackListSchema,
  trackPaths,
  trackSchema,
  type ChangeTrack,
  type Track,
} from '../../contracts/tracks.ts';
import { printResult, withClient, type CliContext } from '../context.ts';
import { count, table } from '../format.ts';
import { projectOf, type ProjectOptions } from '../project-name.ts';
import { projectCommand } from './project-option.ts';

export function tracksCommand(context: CliContext): Command {
  return new Command('tracks')
    .description('what each track shows, and how many deployments it keeps')
    .addCommand(listCommand(context), { isDefault: true })
    .addCommand(keepCommand(context));
}

function listCommand(context: CliContext): Command {
  return projectCommand('ls', 'list tracks').action(async (_, command: Command) => {
    const flags = command.optsWithGlobals<ProjectOptions>();
    const path = trackPaths.tracks(await projectOf(context, flags));
    const { tracks } = await withClient(context, flags, (client) =>
      client.call({ method: 'GET', path, answer: trackListSchema, signal: context.signal }),
    );
    printResult(context, flags, { tracks }, () => describeList(tracks));
  });
}

function keepCommand(context: CliContext): Command {
  return projectCommand('keep', 'say how many deployments a track keeps besides the one shown')
    .argument('<track>')
    .argument('<number>', 'how many, or default', parseRetention)
    .action(async (name: string, retention: number | null, _, command: Command) => {
      const flags = command.optsWithGlobals<ProjectOptions>();
      const path = trackPaths.track(await projectOf(context, flags), name);
      const body: ChangeTrack = { retention };
      const track = await withClient(context, flags, (client) =>
        client.call({ method: 'PATCH', path, answer: trackSchema, body, signal: context.signal }),
      );
      printResult(context, flags, track, () => describeKept(track));
    });
}

/** Null: as many as the installation keeps by default. */
function parseRetention(text: string): number | null {
  if (text === 'default') return null;
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a number, or default.');
}

function describeKept({ name, retention, kept }: Track): string {
  const why = retention === null ? ", the installation's default" : '';
  return `${name} keeps ${count(kept, 'deployment')} besides the one shown${why}; older ones go with the next sweep.\n`;
}

function describeList(tracks: readonly Track[]): string {
  if (tracks.length === 0) return 'No tracks yet: the first deploy makes one.\n';
  const rows = tracks.map(({ name, url, deploymentId, retention, kept }) => [
    name,
    deploymentId?.slice(0, 8) ?? 'nothing',
    `${kept}${retention === null ? ' (default)' : ''}`,
    url,
  ]);
  return table(['TRACK', 'SHOWS', 'KEEPS', 'URL'], rows);
}
