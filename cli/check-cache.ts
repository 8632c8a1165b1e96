import type { Cache, CacheSnapshot } from '../cache/cache.ts';
import type { CacheConfig } from '../cache/config.ts';
import { probeTls } from '../cache/probe-tls.ts';
import { describeAccess, describeServer, findMissingRight } from '../cache/describe-cache.ts';
import type { CliContext } from './context.ts';
import { ok, runCheck, skipped, warning, wrong, type Finding } from './doctor.ts';
import { count } from './format.ts';
import { judgeAccess, judgeServer } from './judge-cache.ts';
import { judgeTls } from './judge-tls.ts';
import { readCacheConfig, withCache } from './open-cli-cache.ts';

export const RIGHTS_FIX =
  'Give the user the commands and keys that docs/cache.md lists: ACL SETUSER NAME ~PREFIX:* &PREFIX:* +@read +@write +@scripting +@pubsub.';

/** Reachability, software, memory and eviction, rights, transport, and who is on the bus; as seen from here. */
export async function checkCache(context: CliContext): Promise<Finding[]> {
  const config = await readConfig(context);
  if (Array.isArray(config)) return config;
  const fix = 'Start it, or set CACHE_URL, CACHE_USERNAME and CACHE_PASSWORD right.';
  const [found, tls] = await Promise.all([
    runCheck('cache server', fix, () => withCache(context, (cache) => checkServer(cache))),
    probeTls(config),
  ]);
  const access = describeAccess(config);
  return [
    ...found,
    ...(tls === undefined ? [] : judgeTls(tls, context.clock.nowMs())),
    ...(access === undefined ? [] : judgeAccess(access)),
  ];
}

async function readConfig(context: CliContext): Promise<CacheConfig | Finding[]> {
  try {
    return (
      readCacheConfig(context) ?? [
        skipped('cache server', 'CACHE_URL is not set here: as the control API sees it'),
      ]
    );
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
    ...judgeServer(describeServer(server) ?? null),
    await checkRights(cache),
    checkGateways(gateways),
  ];
}

async function checkRights(cache: Cache): Promise<Finding> {
  const problem = await findMissingRight(cache);
  return problem === undefined
    ? ok('cache rights', 'reads, writes, deletes and scripts are allowed')
    : wrong('cache rights', problem, RIGHTS_FIX);
}

function checkGateways(gateways: CacheSnapshot['gateways']): Finding {
  const check = 'gateways';
  if (gateways === undefined) return wrong(check, 'their registry cannot be read', RIGHTS_FIX);
  if (gateways.length === 0) {
    return warning(check, 'none holds a lease', 'Start one with this CACHE_URL and CACHE_KEY_PREFIX.');
  }
  return ok(check, `${count(gateways.length, 'gateway')} with a lease: ${gateways.join(', ')}`);
}
