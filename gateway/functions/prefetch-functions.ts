import { randomUUID } from 'node:crypto';
import type { FunctionResource, Resource } from '../../contracts/manifest.ts';
import { resourceKey } from '../../contracts/object-keys.ts';
import type { SiteRecord } from '../../contracts/site.ts';
import type { RunnerClient } from '../../runner-client/runner-client.ts';
import type { MetadataReader } from './read-metadata.ts';

/** Functions of one build at most: each costs its runner an isolate. */
const MAX_FUNCTIONS = 8;
/** Builds that wait at most; more are not prefetched, which only costs their first callers a cold start. */
const MAX_WAITING = 64;
/** The request that showed the build comes first. */
const PAUSE_MS = 50;
const DEADLINE_MS = 10_000;

export type FunctionPrefetcher = {
  /** A build that this gateway shows for the first time: its functions are made ready behind the requests. */
  add(record: SiteRecord): void;
  close(): Promise<void>;
};

/** Has the runners load functions of new builds one after the other: who reads a page calls its functions next. */
export function createFunctionPrefetcher(
  runner: Pick<RunnerClient, 'prefetch'>,
  readMetadata: MetadataReader,
): FunctionPrefetcher {
  const waiting: SiteRecord[] = [];
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();
  const next = async (): Promise<void> => {
    const record = waiting.shift();
    if (record !== undefined) await prefetchBuild(record, runner, readMetadata);
    timer = undefined;
    if (waiting.length > 0) schedule();
  };
  const schedule = (): void => {
    timer ??= setTimeout(() => {
      running = next();
    }, PAUSE_MS).unref();
  };
  return {
    add: (record) => {
      if (waiting.length >= MAX_WAITING || !record.config.resources.some(isFunction)) return;
      waiting.push(record);
      schedule();
    },
    close: async () => {
      waiting.length = 0;
      clearTimeout(timer);
      await running;
    },
  };
}

async function prefetchBuild(
  record: SiteRecord,
  runner: Pick<RunnerClient, 'prefetch'>,
  readMetadata: MetadataReader,
): Promise<void> {
  const { deploymentId, projectId } = record;
  const metadata = await readMetadata(deploymentId);
  for (const resource of record.config.resources.filter(isFunction).slice(0, MAX_FUNCTIONS)) {
    const functionKey = resourceKey(record, resource);
    if (functionKey === undefined) continue;
    const signal = AbortSignal.timeout(DEADLINE_MS);
    const name = { deploymentId, projectId, functionKey, functionHash: resource.hash, metadata };
    // A runner that does not know how, or cannot just now, is not bothered with the rest.
    if (!(await runner.prefetch({ ...name, requestId: randomUUID(), signal }))) return;
  }
}

function isFunction(resource: Resource): resource is FunctionResource {
  return resource.kind === 'dynamic';
}
