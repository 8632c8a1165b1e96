import { setTimeout as sleep } from 'node:timers/promises';
import type { OutgoingHttpHeaders } from 'node:http';
import { afterEach } from 'vitest';
import { openCache, createMemoryServer } from '../../../cache/open-cache.ts';
import type { Cache } from '../../../cache/cache.ts';
import { defaultCacheConfig, parseCacheUrl } from '../../../cache/config.ts';
import type { CacheOptions } from '../../../contracts/manifest.ts';
import { silentLogger } from '../../../core/log.ts';
import { createRegistry } from '../../../core/metrics.ts';
import type { ResponseCacheOptions } from '../../../gateway/response-cache/create-response-cache.ts';
import { manualClock, type ManualClock } from '../../support/manual-clock.ts';
import { playFunction, type PlayedFunction } from '../../support/play-function.ts';
import { sendRequest, type ReceivedReply } from '../../support/send-request.ts';
import { HOST, startEdge, type TestEdge } from '../../support/start-edge.ts';

export type Rig = {
  /** Base time of the edges; the caches underneath keep real time. */
  clock: ManualClock;
  edges: TestEdge[];
  caches: Cache[];
  runner: PlayedFunction;
  /** One GET through the first edge, unless told otherwise. */
  get: (path: string, options?: GetOptions) => Promise<ReceivedReply>;
};

export type GetOptions = { method?: string; headers?: OutgoingHttpHeaders; edge?: number; body?: Buffer };

export type RigOptions = {
  edges?: number;
  /** A real cache server, or a way to it for each edge; by default one in memory, that the edges share. */
  cacheUrl?: string | readonly string[];
  manifest?: CacheOptions;
  cache?: Partial<ResponseCacheOptions>;
  runnerEnv?: Record<string, string>;
  trustedProxies?: readonly string[];
};

const cleanups: (() => Promise<unknown>)[] = [];

/** Makes each test of the file end what it set up. */
export function cleanUpAfterEach(): void {
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  });
}

/** Edges that share a cache, in front of a function that does what `play` says. */
export async function setUpCache(
  play: Parameters<typeof playFunction>[0],
  options: RigOptions = {},
): Promise<Rig> {
  // The edges' clock begins now: the function, which knows only real time, dates its responses by it.
  const clock = manualClock(Date.now());
  const runner = await playFunction(play);
  const memoryServer = createMemoryServer();
  const caches: Cache[] = [];
  const edges: TestEdge[] = [];
  for (let count = 0; count < (options.edges ?? 1); count += 1) {
    const { cacheUrl } = options;
    const url = typeof cacheUrl === 'object' ? cacheUrl[count] : cacheUrl;
    const cache = openCache(cacheConfig(url), {
      log: silentLogger(),
      registry: createRegistry(),
      holdsLease: true,
      ...(url === undefined ? { memoryServer } : {}),
    });
    await cache.connect();
    caches.push(cache);
    edges.push(
      await startEdge({
        runnerUrl: runner.url,
        drainTimeoutMs: 0,
        responseCache: { cache, clock, ...options.cache },
        ...(options.manifest === undefined ? {} : { cacheOptions: options.manifest }),
        ...(options.trustedProxies === undefined ? {} : { trustedProxies: options.trustedProxies }),
        ...(options.runnerEnv === undefined ? {} : { runnerEnv: options.runnerEnv }),
      }),
    );
  }
  cleanups.push(
    () => runner.close(),
    ...caches.map((cache) => () => cache.close()),
    ...edges.map((edge) => () => edge.close()),
  );
  const get = (
    path: string,
    { method = 'GET', headers, edge = 0, body }: GetOptions = {},
  ): Promise<ReceivedReply> =>
    sendRequest(edges[edge]?.port ?? 0, {
      method,
      path,
      headers: { host: HOST, ...headers },
      ...(body === undefined ? {} : { body }),
    });
  return { clock, edges, caches, runner, get };
}

function cacheConfig(url: string | undefined): ReturnType<typeof defaultCacheConfig> {
  const target = url === undefined ? undefined : parseCacheUrl(url);
  return defaultCacheConfig(target === undefined ? {} : { target, timeoutMs: 2000, leaseMs: 3000 });
}

/** Makes an edge's cache take a while over each value that it stores. */
export function slowToStore(cache: Cache | undefined): void {
  if (cache === undefined) throw new Error('there is no such edge');
  const set = cache.set.bind(cache);
  cache.set = async (...parameters: Parameters<typeof set>) => {
    await sleep(50);
    return set(...parameters);
  };
}

/** The text of a reply. */
export function bodyOf({ body }: ReceivedReply): string {
  return body.toString('utf8');
}

/** The edge's own member of Cache-Status. */
export function statusOf({ headers }: ReceivedReply): string {
  return String(headers['cache-status']);
}
