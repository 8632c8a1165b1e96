import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { CacheOptions, FunctionResource, Manifest, StaticResource } from '../../contracts/manifest.ts';
import { systemClock } from '../../core/clock.ts';
import { EdgeError } from '../../core/errors.ts';
import { silentLogger } from '../../core/log.ts';
import { createRegistry } from '../../core/metrics.ts';
import { createMemoryAnswerer } from '../../gateway/answer-from-memory.ts';
import { createChallengeAnswerer } from '../../gateway/answer-challenge.ts';
import type { Edge } from '../../gateway/edge.ts';
import { createTrustedProxies } from '../../gateway/functions/forwarded.ts';
import type { Cache } from '../../cache/cache.ts';
import type { Clock } from '../../core/clock.ts';
import { handleRequest, refuseUnread } from '../../gateway/handle-request.ts';
import {
  createResponseCache,
  type ResponseCacheOptions,
} from '../../gateway/response-cache/create-response-cache.ts';
import {
  createRecorder,
  type FinishedRequest,
  type Recorder,
  type RequestEvent,
} from '../../gateway/record.ts';
import { startHttpServer, type HttpServer, type ServerLimits } from '../../gateway/server/http-server.ts';
import { compileSite } from '../../gateway/site/compile-site.ts';
import type { SiteResolver } from '../../gateway/site/resolve-site.ts';
import { noSkewProtection } from '../../gateway/site/skew-protection.ts';
import { createContentCache } from '../../gateway/static/content-cache.ts';
import { createFileServer } from '../../gateway/static/serve-file.ts';
import { runnerClientFields } from '../../runner-client/config.ts';
import { createRunnerClient } from '../../runner-client/create-runner-client.ts';
import { createDirectoryStore } from '../../store/directory-store.ts';
import { disabledCache } from './disabled-cache.ts';
import { makeTempDir } from './temp-dir.ts';
import { readEnvironment } from '../../core/env.ts';
import { z } from 'zod';

type Tap = {
  recorder: Recorder;
  underWay: () => number;
  find: (isWanted: (record: RecordedRequest) => boolean) => Promise<RecordedRequest>;
};

/** The one host that the edge under test knows. */
export const HOST = 'site.test';
export const DEPLOYMENT_ID = 'a1b2c3d4-0000-4000-8000-000000000001';

export type RecordedRequest = FinishedRequest & RequestEvent;

export type TestEdge = Omit<HttpServer, 'connections'> & {
  /** How many requests took the short way of a hit. */
  answeredAtOnce(): number;
  /** Requests that have come and not ended. */
  underWay(): number;
  /** What was recorded, in the order of its end. */
  records: RecordedRequest[];
  /** The record of a request, by the id that its answer names; resolves when it has ended. */
  recordOf(id: string | undefined): Promise<RecordedRequest>;
  /** The first record of a path, likewise. */
  recordOfPath(path: string): Promise<RecordedRequest>;
};

export type TestEdgeOptions = {
  /** Base URL of the runner that every function is called on. */
  runnerUrl?: string;
  /** Static files: path of the URL -> content. */
  files?: Readonly<Record<string, string | Buffer>>;
  /** Routes of functions; by default one that takes everything. */
  functions?: readonly Partial<FunctionResource>[];
  limits?: Partial<ServerLimits>;
  maxBodyBytes?: number;
  trustedProxies?: readonly string[];
  drainTimeoutMs?: number;
  /** RUNNER_* variables. */
  runnerEnv?: Readonly<Record<string, string>>;
  /** The cache under that of responses; without one nothing is stored. */
  responseCache?: Partial<ResponseCacheOptions> & { cache: Cache; clock?: Clock };
  /** `cache` of the manifest. */
  cacheOptions?: CacheOptions;
};

const DEFAULT_LIMITS: ServerLimits = {
  maxHeaderBytes: 16 * 1024,
  maxHeaders: 100,
  headersTimeoutMs: 10_000,
  idleTimeoutMs: 60_000,
  maxConnectionsPerClient: 1000,
};

/**
 * The edge in this process with one site, without control API and cache: real sockets, the real flow, the real runner
 * client, files from a directory.
 */
export async function startEdge(options: TestEdgeOptions = {}): Promise<TestEdge> {
  const log = silentLogger();
  const registry = createRegistry();
  const bucket = await makeTempDir('edge');
  const runnerEnv = { RUNNER_URL: options.runnerUrl ?? 'http://127.0.0.1:9', ...options.runnerEnv };
  const runner = createRunnerClient(readEnvironment('test', z.object(runnerClientFields), runnerEnv), {
    log,
    registry,
    clock: systemClock,
  });
  const trustedProxies = createTrustedProxies(options.trustedProxies ?? []);
  const records: RecordedRequest[] = [];
  const { recorder, underWay, find } = tapRecorder(createRecorder(registry, log, false), records);
  const store = createDirectoryStore(bucket.path, log);
  const edge: Edge = {
    challenges: createChallengeAnswerer(store, () => Date.now()),
    sites: oneSite(await publish(bucket.path, options)),
    skew: noSkewProtection,
    trustedProxies,
    files: createFileServer({
      contents: createContentCache({ maxBytes: 10_000_000, registry }),
      store,
      maxEntryBytes: 1_000_000,
    }),
    functions: createResponseCache(
      {
        runner,
        readMetadata: async () => undefined,
        trustedProxies,
        maxBodyBytes: options.maxBodyBytes ?? 100 * 1024 * 1024,
        cache: options.responseCache?.cache ?? disabledCache,
        clock: options.responseCache?.clock ?? systemClock,
        registry,
      },
      { maxBytes: 64 * 1024 * 1024, maxEntryBytes: 8 * 1024 * 1024, ...options.responseCache },
    ),
    recorder,
    log,
  };
  const fromMemory = createMemoryAnswerer(edge);
  let answeredAtOnce = 0;
  const server = await startHttpServer({
    answerAtOnce: (incoming, outgoing) => {
      const answer = fromMemory(incoming, outgoing);
      if (answer !== undefined) answeredAtOnce += 1;
      return answer;
    },
    host: '127.0.0.1',
    port: 0,
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    drainTimeoutMs: options.drainTimeoutMs ?? 30_000,
    log,
    isSharedAddress: (address) => trustedProxies.has(address),
    onRequest: (incoming, outgoing, problem) => handleRequest(edge, incoming, outgoing, problem),
    onRefused: (problem) => refuseUnread(edge, problem),
  });
  const close = async (): Promise<void> => {
    await server.close();
    await runner.close();
    await bucket.remove();
  };
  return {
    port: server.port,
    close,
    underWay,
    records,
    answeredAtOnce: () => answeredAtOnce,
    recordOf: (id) => find((record) => record.id === id),
    recordOfPath: (path) => find((record) => record.path === path),
  };
}

async function publish(bucket: string, options: TestEdgeOptions): Promise<Manifest> {
  const files = Object.entries(options.files ?? {});
  const statics = files.map(([urlPath]): StaticResource => ({
    kind: 'static',
    urlPath,
    resourcePath: urlPath.slice(1),
  }));
  for (const [urlPath, content] of files) {
    const file = join(bucket, 'deployments', DEPLOYMENT_ID, urlPath.slice(1));
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
  }
  const functions = (options.functions ?? [{}]).map((each): FunctionResource => ({
    kind: 'dynamic',
    urlPath: '/*',
    resourcePath: 'functions/all.js',
    ...each,
  }));
  return { version: 1, resources: [...statics, ...functions], cache: options.cacheOptions };
}

function oneSite(config: Manifest): SiteResolver {
  const site = compileSite({ deploymentId: DEPLOYMENT_ID, projectId: 'project-1', config });
  return {
    peek: (host) => (host === HOST ? site : undefined),
    resolve: async ({ target }) => {
      if (target.host !== HOST) throw new EdgeError('UNKNOWN_HOST');
      return site;
    },
  };
}

function tapRecorder(real: Recorder, records: RecordedRequest[]): Tap {
  const waiting = new Set<() => void>();
  let begun = 0;
  const recorder: Recorder = {
    ...real,
    begin: () => {
      begun += 1;
      return real.begin();
    },
    end: (event, request) => {
      real.end(event, request);
      records.push({ ...event, ...request });
      for (const look of waiting) look();
    },
  };
  const find = (isWanted: (record: RecordedRequest) => boolean): Promise<RecordedRequest> =>
    new Promise((resolve) => {
      const look = (): void => {
        const found = records.find(isWanted);
        if (found === undefined) return;
        waiting.delete(look);
        resolve(found);
      };
      waiting.add(look);
      look();
    });
  return { recorder, underWay: () => begun - records.length, find };
}
