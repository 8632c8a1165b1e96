import { openCache } from '../cache/open-cache.ts';
import type { Cache } from '../cache/cache.ts';
import { cacheShape, toCacheConfig, type CacheConfig } from '../cache/config.ts';
import { ConfigError, readEnvironment } from '../core/env.ts';
import { silentLogger } from '../core/log.ts';
import { createRegistry } from '../core/metrics.ts';
import { CliError, EXIT } from './cli-error.ts';
import type { CliContext } from './context.ts';

const TIMEOUT_MS = '5000';

/** The cache's settings of the environment; undefined where no server is named. @throws CliError */
export function readCacheConfig({ env }: Pick<CliContext, 'env'>): CacheConfig | undefined {
  try {
    // A service answers without the cache rather than wait for it; somebody at a terminal would rather wait.
    const patient = { ...env, CACHE_TIMEOUT_MS: env['CACHE_TIMEOUT_MS'] ?? TIMEOUT_MS };
    const config = toCacheConfig(readEnvironment('origan', cacheShape, patient));
    return config.target.kind === 'memory' ? undefined : config;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new CliError('BAD_ENVIRONMENT', error.message, { exitCode: EXIT.usage, cause: error });
  }
}

/** Runs `work` with a connection to the cache server that the environment names. @throws CliError when there is none. */
export async function withCache<Result>(
  context: CliContext,
  work: (cache: Cache) => Promise<Result>,
): Promise<Result> {
  const config = readCacheConfig(context);
  if (config === undefined) throw noServer();
  const cache = openCache(config, { log: silentLogger(), registry: createRegistry(), service: 'cli' });
  try {
    await cache.connect();
    if (cache.state() !== 'up') throw unreachableCache(config);
    return await work(cache);
  } finally {
    await cache.close();
  }
}

function noServer(): CliError {
  return new CliError('NO_CACHE', 'No cache server is named.', {
    exitCode: EXIT.usage,
    hint: 'Set CACHE_URL (and CACHE_PASSWORD and the like) as the services have it.',
  });
}

function unreachableCache({ target, isEnabled }: CacheConfig): CliError {
  if (!isEnabled) {
    return new CliError('NO_CACHE', 'The cache is switched off by CACHE_ENABLED.', { exitCode: EXIT.usage });
  }
  const nodes =
    target.kind === 'server' ? target.nodes.map(({ host, port }) => `${host}:${port}`).join(', ') : '';
  return new CliError('CACHE_UNREACHABLE', `The cache server at ${nodes} cannot be used.`, {
    exitCode: EXIT.unreachable,
    hint: 'Is it running, reachable from here, and are user and password right (CACHE_URL, CACHE_PASSWORD)?',
  });
}
