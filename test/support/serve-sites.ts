import { createHash } from 'node:crypto';
import { z } from 'zod';
import { defaultCacheConfig } from '../../cache/config.ts';
import { openCache } from '../../cache/open-cache.ts';
import type { Manifest } from '../../contracts/manifest.ts';
import type { RecentBuild } from '../../contracts/recent-builds.ts';
import { contentKey } from '../../contracts/object-keys.ts';
import type { SiteRecord } from '../../contracts/site.ts';
import { systemClock, type Clock } from '../../core/clock.ts';
import { readEnvironment } from '../../core/env.ts';
import { EdgeError } from '../../core/errors.ts';
import { silentLogger } from '../../core/log.ts';
import { createRegistry } from '../../core/metrics.ts';
import { createMemoryAnswerer } from '../../gateway/answer-from-memory.ts';
import { createChallengeAnswerer } from '../../gateway/answer-challenge.ts';
import type { Edge } from '../../gateway/edge.ts';
import { createFunctionCaller } from '../../gateway/functions/call-function.ts';
import { createTrustedProxies } from '../../gateway/functions/forwarded.ts';
import { handleRequest, refuseUnread } from '../../gateway/handle-request.ts';
import { createRecorder } from '../../gateway/record.ts';
import { startHttpServer } from '../../gateway/server/http-server.ts';
import { createRecentSites } from '../../gateway/site/recent-sites.ts';
import { createSiteResolver } from '../../gateway/site/resolve-site.ts';
import { createSiteCompiler } from '../../gateway/site/site-compiler.ts';
import { createSkewProtection } from '../../gateway/site/skew-protection.ts';
import { createContentCache } from '../../gateway/static/content-cache.ts';
import { createFileServer } from '../../gateway/static/serve-file.ts';
import { runnerClientFields } from '../../runner-client/config.ts';
import { createRunnerClient } from '../../runner-client/create-runner-client.ts';
import { createDirectoryStore } from '../../store/directory-store.ts';
import type { ObjectStore } from '../../store/object-store.ts';
import { makeTempDir } from './temp-dir.ts';

export const PROJECT_ID = 'project-1';

export type ServedSites = {
  port: number;
  edge: Edge;
  store: ObjectStore;
  close(): Promise<void>;
};

export type ServeOptions = {
  /** What each host shows. `failing` makes the look-up fail. */
  sites: Readonly<Record<string, SiteRecord | 'failing'>>;
  /** Objects of the bucket by key. */
  objects?: Readonly<Record<string, Buffer>>;
  deployDomain?: string;
  maxEntryBytes?: number;
  cacheBytes?: number;
  runnerUrl?: string;
  trustedProxies?: readonly string[];
  /** The builds that a host showed before; their manifests are among the objects. */
  recent?: (host: string) => RecentBuild[] | 'failing';
  nowMs?: () => number;
  /** Of the cache: how long mappings are fresh. */
  clock?: Clock;
  /** Whether mappings come as what neither the cache nor the control API could confirm. */
  isUnconfirmed?: () => boolean;
  /** Whether hits take the short way, as in production. Default true. */
  hasShortWay?: boolean;
  /** Wraps the bucket, to delay, cut or fail it. */
  wrapStore?: (store: ObjectStore) => ObjectStore;
};

/** The edge in this process: real sockets, the real flow and cache, a directory as the bucket. */
export async function serveSites(options: ServeOptions): Promise<ServedSites> {
  const log = silentLogger();
  const registry = createRegistry();
  const bucket = await makeTempDir('sites');
  const plain = createDirectoryStore(bucket.path, log);
  for (const [key, body] of Object.entries(options.objects ?? {})) await plain.put(key, body);
  const store = options.wrapStore?.(plain) ?? plain;
  const cache = openCache(defaultCacheConfig(), { log, registry, holdsLease: true, clock: options.clock });
  await cache.connect();
  const runnerEnv = { RUNNER_URL: options.runnerUrl ?? 'http://127.0.0.1:9' };
  const runner = createRunnerClient(readEnvironment('test', z.object(runnerClientFields), runnerEnv), {
    log,
    registry,
    clock: systemClock,
  });
  const trustedProxies = createTrustedProxies(options.trustedProxies ?? []);
  const files = createFileServer({
    contents: createContentCache({ maxBytes: options.cacheBytes ?? 50_000_000, registry }),
    store,
    maxEntryBytes: options.maxEntryBytes ?? 1_000_000,
    log,
  });
  const lookUpDomain = async (
    host: string,
  ): ReturnType<Parameters<typeof createSiteResolver>[1]['lookUpDomain']> => {
    const found = options.sites[host];
    if (found === 'failing') throw new EdgeError('CONTROL_API_FAILED');
    return found === undefined ? { kind: 'absent' } : { kind: 'found', value: found };
  };
  const recentBuilds = async (host: string): Promise<RecentBuild[]> => {
    const builds = options.recent?.(host) ?? [];
    if (builds === 'failing') throw new EdgeError('CONTROL_API_FAILED');
    return builds;
  };
  const compile = createSiteCompiler();
  const controlApi = { lookUpDomain, recentBuilds };
  const nowMs = options.nowMs ?? ((): number => Date.now());
  const edge: Edge = {
    challenges: createChallengeAnswerer(store, () => Date.now()),
    sites: createSiteResolver(unconfirmed(cache, options.isUnconfirmed), controlApi, {
      deployDomain: options.deployDomain,
      compile,
    }),
    skew: createSkewProtection(createRecentSites({ cache, controlApi, store, compile, nowMs, log })),
    files,
    trustedProxies,
    functions: createFunctionCaller({
      runner,
      readMetadata: async () => undefined,
      trustedProxies,
      maxBodyBytes: 1_000_000,
    }),
    recorder: createRecorder(registry, log, false),
    log,
  };
  const server = await startHttpServer({
    host: '127.0.0.1',
    port: 0,
    limits: {
      maxHeaderBytes: 16 * 1024,
      maxHeaders: 100,
      headersTimeoutMs: 10_000,
      idleTimeoutMs: 60_000,
      maxConnectionsPerClient: 1000,
    },
    drainTimeoutMs: 5000,
    log,
    ...((options.hasShortWay ?? true) ? { answerAtOnce: createMemoryAnswerer(edge) } : {}),
    onRequest: (incoming, outgoing, problem) => handleRequest(edge, incoming, outgoing, problem),
    onRefused: (problem) => refuseUnread(edge, problem),
  });
  const close = async (): Promise<void> => {
    await server.close();
    await files.close();
    await runner.close();
    await cache.close();
    await bucket.remove();
  };
  return { port: server.port, edge, store, close };
}

type Mappings = Parameters<typeof createSiteResolver>[0];

function unconfirmed(cache: Mappings, isUnconfirmed: () => boolean = (): boolean => false): Mappings {
  return {
    peek: (key) => (isUnconfirmed() ? undefined : cache.peek(key)),
    getWithFallback: async (...wanted) => {
      const found = await cache.getWithFallback(...wanted);
      return found.kind === 'found' ? { ...found, isLastKnownGood: isUnconfirmed() } : found;
    },
  };
}

export const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** A record of a site, and the objects that it needs. */
export type BuiltRecord = { record: SiteRecord; objects: Record<string, Buffer> };

/** A deployment as the platform makes them now: every file with hash and size, objects by hash. */
export function siteOf(
  files: Readonly<Record<string, string | Buffer>>,
  manifest: Partial<Manifest> = {},
  deploymentId = 'dep-1',
): BuiltRecord {
  const objects: Record<string, Buffer> = {};
  const resources = Object.entries(files).map(([urlPath, content]): Manifest['resources'][number] => {
    const body = Buffer.from(content);
    const hash = sha256(body);
    objects[contentKey(PROJECT_ID, hash)] = body;
    return { kind: 'static', urlPath, resourcePath: urlPath.slice(1), hash, size: body.length };
  });
  const config: Manifest = {
    version: 1,
    objects: 'by-hash',
    html: 'auto',
    ...manifest,
    resources: [...resources, ...(manifest.resources ?? [])],
  };
  return { record: { deploymentId, projectId: PROJECT_ID, config }, objects };
}
