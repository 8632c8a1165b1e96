import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { adminPaths, buildSchema, logPageSchema, type Build } from '../../contracts/control-api-admin.ts';
import type { ControlApiClient } from '../control-api-client.ts';
import type { KeepTrying } from './keep-trying.ts';
import type { LogLine } from './log-line.ts';
import { CALL_TIMEOUT_MS, WAIT_MS } from './waits.ts';

/** How often somebody who follows looks for a new build. */
const LOOK_MS = 5000;
const LISTED = 50;

const buildsSchema = z.object({ builds: z.array(buildSchema) });

/** A client for the builds of one project. */
export type BuildReader = {
  client: ControlApiClient;
  project: string;
  signal: AbortSignal;
  keepTrying: KeepTrying;
  /** Called with the number of lines that are gone from the beginning of a log. */
  onDropped: (lines: number) => void;
};

/** Newest first. */
export async function listBuilds({ client, project, signal, keepTrying }: BuildReader): Promise<Build[]> {
  const path = `${adminPaths.builds(project)}?limit=${LISTED}`;
  const { builds } = await keepTrying(() =>
    client.call({ method: 'GET', path, answer: buildsSchema, signal }),
  );
  return builds;
}

export type BuildPosition = { id: string; after: number };

/** The lines of a build after a position, page by page; `isFollowed`: until the build has ended. Answers where it ended. */
export async function* readBuildLog(
  { client, project, signal, keepTrying, onDropped }: BuildReader,
  { id, after: from }: BuildPosition,
  isFollowed: boolean,
): AsyncGenerator<LogLine[], { after: number; isComplete: boolean }> {
  const path = adminPaths.buildLogs(project, id);
  for (let after = from; ;) {
    const query = `after=${after}&waitMs=${isFollowed ? WAIT_MS : 0}`;
    const page = await keepTrying(() =>
      client.call({
        method: 'GET',
        path: `${path}?${query}`,
        answer: logPageSchema,
        timeoutMs: CALL_TIMEOUT_MS,
        signal,
      }),
    );
    if (page.dropped > 0 && after === 0) onDropped(page.dropped);
    if (page.entries.length > 0)
      yield page.entries.map((entry) => ({ ...entry, source: 'build', buildId: id }));
    const isAtEnd = page.entries.length === 0 || page.next === after;
    after = page.next;
    if (page.isComplete || (!isFollowed && isAtEnd)) return { after, isComplete: page.isComplete };
  }
}

/** Builds of a track that begin from now on, one after the other, each to its end; never ends. */
export async function* followBuilds(
  reader: BuildReader,
  track: string,
  before: readonly Build[],
): AsyncGenerator<LogLine[]> {
  const known = new Set(before.map(({ id }) => id));
  for (;;) {
    await sleep(LOOK_MS, undefined, { signal: reader.signal });
    const fresh = (await listBuilds(reader)).filter((build) => build.track === track && !known.has(build.id));
    for (const { id } of fresh.toReversed()) {
      known.add(id);
      yield* readBuildLog(reader, { id, after: 0 }, true);
    }
  }
}
