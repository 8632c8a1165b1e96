import type { Cache } from '../cache/cache.ts';
import { systemClock } from '../core/clock.ts';
import type { Closable } from '../core/lifecycle.ts';
import type { Logger } from '../core/log.ts';
import type { Registry } from '../core/metrics.ts';
import { createRunnerClient } from '../runner-client/create-runner-client.ts';
import type { ObjectStore } from '../store/object-store.ts';
import { createChallengeAnswerer } from './answer-challenge.ts';
import type { GatewayConfig } from './config.ts';
import type { Edge } from './edge.ts';
import type { TrustedProxies } from './functions/forwarded.ts';
import { createFunctionPrefetcher } from './functions/prefetch-functions.ts';
import { createMetadataReader } from './functions/read-metadata.ts';
import { createRecorder } from './record.ts';
import { createResponseCache } from './response-cache/create-response-cache.ts';
import { createControlApiClient } from './site/control-api-client.ts';
import { createRecentSites } from './site/recent-sites.ts';
import { createSiteResolver } from './site/resolve-site.ts';
import { createSiteCompiler } from './site/site-compiler.ts';
import { createSkewProtection } from './site/skew-protection.ts';
import { createContentCache } from './static/content-cache.ts';
import { createFileServer } from './static/serve-file.ts';

export type EdgeParts = {
  cache: Cache;
  store: ObjectStore;
  trustedProxies: TrustedProxies;
  log: Logger;
  registry: Registry;
};

/** Puts the steps of a request together; what has to be closed is kept in `started`. */
export function assembleEdge(config: GatewayConfig, parts: EdgeParts, started: Closable[]): Edge {
  const { cache, store, trustedProxies, log, registry } = parts;
  const runner = createRunnerClient(config.runnerClient, { log, registry, clock: systemClock });
  const controlApi = createControlApiClient({
    url: config.CONTROL_API_URL,
    procedure: config.CONTROL_API_PROCEDURE,
    timeoutMs: config.CONTROL_API_TIMEOUT_MS,
    log,
  });
  const readMetadata = createMetadataReader(cache, store);
  const prefetcher = createFunctionPrefetcher(runner, readMetadata);
  const compile = createSiteCompiler({ onNewBuild: (record) => prefetcher.add(record) });
  const contents = createContentCache({ maxBytes: config.STATIC_CACHE_BYTES, registry });
  const files = createFileServer({ contents, store, maxEntryBytes: config.STATIC_MAX_ENTRY_BYTES, log });
  started.push(runner, files, prefetcher);
  return {
    challenges: createChallengeAnswerer(store, () => systemClock.nowMs()),
    sites: createSiteResolver(cache, controlApi, { deployDomain: config.ORIGAN_DEPLOY_DOMAIN, compile }),
    skew: createSkewProtection(
      createRecentSites({ cache, controlApi, store, compile, nowMs: () => systemClock.nowMs(), log }),
    ),
    files,
    trustedProxies,
    functions: createResponseCache(
      {
        runner,
        readMetadata,
        trustedProxies,
        maxBodyBytes: config.MAX_BODY_BYTES,
        cache,
        clock: systemClock,
        registry,
      },
      { maxBytes: config.RESPONSE_CACHE_BYTES, maxEntryBytes: config.RESPONSE_CACHE_MAX_ENTRY_BYTES },
    ),
    recorder: createRecorder(registry, log, config.ACCESS_LOG),
    log,
  };
}
