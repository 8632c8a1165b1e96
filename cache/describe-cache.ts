import type { CacheAccess, CacheServerFacts } from '../contracts/diagnosis.ts';
import type { EdgeError } from '../core/errors.ts';
import type { Cache } from './cache.ts';
import type { CacheConfig } from './config.ts';
import { keys } from './keys.ts';
import type { LockAttempt } from './lock.ts';
import type { ServerInfo } from './server-info.ts';

const PROBE = 'doctor';
const PROBE_TTL_MS = 10_000;
const ATTEMPTS = 4;

/** How the configured server is reached; undefined where there is none. */
export function describeAccess({
  target,
  isEnabled,
}: Pick<CacheConfig, 'target' | 'isEnabled'>): CacheAccess | undefined {
  if (target.kind === 'memory' || !isEnabled) return undefined;
  return {
    user: target.username ?? null,
    hasPassword: target.password !== undefined,
    isTls: target.isTls,
    isLocal: target.nodes.every(({ host }) => /^(?:127\.|::1$|localhost$)/.test(host)),
  };
}

export function describeServer(info: ServerInfo | undefined): CacheServerFacts | undefined {
  if (info === undefined) return undefined;
  return {
    software: info.software ?? null,
    memoryUsedBytes: info.memoryUsedBytes ?? null,
    memoryLimitBytes: info.memoryLimitBytes ?? null,
    memoryRejections: info.memoryRejections ?? null,
    evictionPolicy: info.evictionPolicy ?? null,
    isEvicting: info.isEvicting ?? null,
  };
}

/** Tries what every service must be allowed to: SET, GET, DEL, scripts. Answers what was refused, undefined: nothing. */
export async function findMissingRight(cache: Cache): Promise<string | undefined> {
  const key = keys.deploymentExists(PROBE);
  return (
    (await attempt('writing', () => cache.set(key, true, { ttlMs: PROBE_TTL_MS }))) ??
    (await attempt('reading', () => cache.get(key))) ??
    (await attempt('deleting', () => cache.del([key]))) ??
    (await attempt('locking', () => takeAndRelease(cache)))
  );
}

async function takeAndRelease(cache: Cache): Promise<LockAttempt> {
  const attempted = await cache.lock(keys.lock(PROBE));
  if (attempted.kind === 'acquired') await attempted.lock.release();
  return attempted;
}

type Outcome = { kind: string; cause?: EdgeError };

/** Again where it fails: a command that was late once says nothing of rights. */
async function attempt(what: string, work: () => Promise<Outcome>): Promise<string | undefined> {
  for (let left = ATTEMPTS; ; left -= 1) {
    const { kind, cause } = await work();
    if (kind !== 'error') return undefined;
    if (left === 1) return `${what} fails: ${cause?.message ?? 'unknown'}`;
  }
}
