import type { Cache, CacheSnapshot } from '../cache/cache.ts';
import type { CacheConfig } from '../cache/config.ts';
import { keys } from '../cache/keys.ts';
import type { CliContext } from './context.ts';
import { ok, runCheck, skipped, warning, wrong, type Finding } from './doctor.ts';
import { bytes, count } from './format.ts';
import { readCacheConfig, withCache } from './open-cli-cache.ts';

/** Reachability, software, memory and eviction, rights, transport, and who is on the bus. */
export async function checkCache(context: CliContext): Promise<Finding[]> {
  const config = await readConfig(context);
  if (Array.isArray(config)) return config;
  const fix = 'Start it, or set CACHE_URL, CACHE_USERNAME and CACHE_PASSWORD right.';
  const found = await runCheck('cache server', fix, () => withCache(context, (cache) => checkServer(cache)));
  return [...found, checkTransport(config)];
}

async function readConfig(context: CliContext): Promise<CacheConfig | Finding[]> {
  try {
    return readCacheConfig(context) ?? [skipped('cache server', 'CACHE_URL is not set here')];
  } catch (error) {
    return runCheck('cache server', 'Correct the environment.', () => Promise.reject(error));
  }
}

async function checkServer(cache: Cache): Promise<Finding[]> {
  const { server, gateways } = await cache.snapshot();
  return [
    ok(
      'cache server',
      `${server?.software ?? 'unknown software'}, ${server?.connectedClients ?? '?'} clients`,
    ),
    checkMemory(server),
    checkEviction(server),
    await checkRights(cache),
    checkGateways(gateways),
  ];
}

function checkMemory(server: CacheSnapshot['server']): Finding {
  const check = 'cache memory';
  if (server?.memoryUsedBytes === undefined)
    return skipped(check, 'the server does not say (INFO is not allowed)');
  if (!server.memoryLimitBytes) {
    return warning(
      check,
      `${bytes(server.memoryUsedBytes)} used, no limit`,
      'Set --maxmemory (Dragonfly) or maxmemory (Redis, Valkey).',
    );
  }
  const detail = `${bytes(server.memoryUsedBytes)} of ${bytes(server.memoryLimitBytes)} used`;
  const rejections = server.memoryRejections ?? 0;
  return rejections === 0
    ? ok(check, detail)
    : wrong(
        check,
        `${detail}, ${count(rejections, 'write')} refused`,
        'Give it more memory, or --cache_mode=true.',
      );
}

function checkEviction(server: CacheSnapshot['server']): Finding {
  const check = 'cache eviction';
  if (server?.isEvicting === undefined) return skipped(check, 'the server does not say');
  if (server.isEvicting) return ok(check, 'evicts when full');
  return warning(
    check,
    'writes fail when memory is full',
    'Start Dragonfly with --cache_mode=true; Redis and Valkey with maxmemory-policy allkeys-lru.',
  );
}

/** Takes and releases a lock: what every service must be allowed to (SET, scripts, DEL on our keys). */
async function checkRights(cache: Cache): Promise<Finding> {
  const fix =
    'Give the user of CACHE_USERNAME the commands and key patterns that the documentation of the cache lists.';
  const attempt = await cache.lock(keys.lock('doctor'));
  if (attempt.kind === 'error') return wrong('cache rights', attempt.cause.message, fix);
  if (attempt.kind === 'taken') return ok('cache rights', 'reads and writes (another doctor is at it)');
  await attempt.lock.release();
  return ok('cache rights', 'reads, writes and scripts are allowed');
}

function checkGateways(gateways: CacheSnapshot['gateways']): Finding {
  if (gateways === undefined)
    return wrong(
      'bus',
      'the registry of gateways cannot be read',
      'Allow the user the channels and keys of the bus.',
    );
  if (gateways.length === 0) {
    return warning('bus', 'no gateway holds a lease', 'Start one with this CACHE_URL and CACHE_KEY_PREFIX.');
  }
  return ok('bus', `${count(gateways.length, 'gateway')} with a lease: ${gateways.join(', ')}`);
}

function checkTransport({ target }: CacheConfig): Finding {
  if (target.kind === 'memory') return skipped('cache transport', 'no server');
  const isLocal = target.nodes.every(({ host }) => /^(?:127\.|::1$|localhost$)/.test(host));
  if (target.isTls) return ok('cache transport', 'TLS');
  if (isLocal) return ok('cache transport', 'this machine');
  return target.password === undefined
    ? wrong(
        'cache transport',
        'another machine, without password and TLS',
        'Set a password and use rediss:// (or a private network).',
      )
    : warning(
        'cache transport',
        'another machine, without TLS',
        'Use rediss://, or keep it within a private network.',
      );
}
