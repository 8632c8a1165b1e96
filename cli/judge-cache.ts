import type { CacheAccess, CacheServerFacts } from '../contracts/diagnosis.ts';
import { ok, skipped, warning, wrong, type Finding } from './doctor.ts';
import { bytes, count } from './format.ts';

/** Memory and eviction: what the server's flags say. */
export function judgeServer(server: CacheServerFacts | null): Finding[] {
  return [judgeMemory(server), judgeEviction(server)];
}

function judgeMemory(server: CacheServerFacts | null): Finding {
  const check = 'cache memory';
  if (server === null || server.memoryUsedBytes === null)
    return skipped(check, 'the server does not say (INFO is not allowed)');
  if (!server.memoryLimitBytes) {
    return warning(
      check,
      `${bytes(server.memoryUsedBytes)} used, no limit`,
      isDragonfly(server)
        ? 'Start it with --maxmemory=2gb, at most three quarters of what the machine or container has.'
        : 'redis-cli CONFIG SET maxmemory 2gb, at most three quarters of what the machine or container has; and the same in its configuration file.',
    );
  }
  const detail = `${bytes(server.memoryUsedBytes)} of ${bytes(server.memoryLimitBytes)} used`;
  const rejections = server.memoryRejections ?? 0;
  return rejections === 0
    ? ok(check, detail)
    : wrong(check, `${detail}, ${count(rejections, 'write')} refused`, evictionFix(server));
}

function judgeEviction(server: CacheServerFacts | null): Finding {
  const check = 'cache eviction';
  if (server === null || server.isEvicting === null) return skipped(check, 'the server does not say');
  const policy = server.evictionPolicy ?? 'unknown';
  if (server.isEvicting) return ok(check, `evicts when full (${policy})`);
  const detail = `writes fail when memory is full (${policy})`;
  // Without a limit it takes until the machine itself is full.
  return server.memoryLimitBytes
    ? wrong(check, detail, evictionFix(server))
    : warning(check, detail, evictionFix(server));
}

function evictionFix(server: CacheServerFacts): string {
  return isDragonfly(server)
    ? 'Start it with --cache_mode=true.'
    : 'redis-cli CONFIG SET maxmemory-policy allkeys-lru; and the same in its configuration file.';
}

function isDragonfly({ software }: CacheServerFacts): boolean {
  return software?.startsWith('Dragonfly') === true;
}

/** TLS and ACL: who can listen, and what whoever gets in may do. */
export function judgeAccess({ user, hasPassword, isTls, isLocal }: CacheAccess): Finding[] {
  return [judgeTransport(isTls, isLocal), judgeUser({ user, hasPassword, isLocal })];
}

function judgeTransport(isTls: boolean, isLocal: boolean): Finding {
  const check = 'cache transport';
  if (isTls) return ok(check, 'TLS');
  return isLocal
    ? ok(check, 'this machine')
    : warning(check, 'another machine, without TLS', 'Use rediss://, or keep it within a private network.');
}

function judgeUser({ user, hasPassword, isLocal }: Omit<CacheAccess, 'isTls'>): Finding {
  const check = 'cache user';
  const fix =
    'Give each service a user of its own (ACL SETUSER, see docs/cache.md), and set CACHE_USERNAME and CACHE_PASSWORD.';
  if (!hasPassword) {
    return isLocal
      ? ok(check, 'no password, on this machine')
      : wrong(check, 'no password, on another machine: whoever reaches it may do everything', fix);
  }
  return user === null || user === 'default'
    ? warning(check, 'the default user, who may do everything', fix)
    : ok(check, user);
}
