import { currentAgeMs } from './age.ts';
import type { RequestDirectives } from './cache-control.ts';
import type { Profile } from './freshness.ts';
import type { StoredResponse } from './stored-response.ts';

/** What a stored response is good for, for one request, now. `ttlMs` is negative for what is stale. */
export type Reuse =
  | { kind: 'fresh'; ttlMs: number }
  /** Served as it is: by `swr` with a refresh in the background, by `max-stale` because the client takes it. */
  | { kind: 'stale'; by: 'swr' | 'max-stale'; ttlMs: number }
  | { kind: 'validate'; why: 'stale' | 'no-cache' | 'request'; ttlMs: number };

type Reusable = Pick<
  StoredResponse,
  | 'initialAgeMs'
  | 'receivedAtMs'
  | 'lifetimeMs'
  | 'staleWhileRevalidateMs'
  | 'staleIfErrorMs'
  | 'isNoCache'
  | 'isNeverStale'
  | 'isStaleOnlyIfAllowed'
>;

/** RFC 9111 section 4: whether a stored response may be used without asking. */
export function reuseOf(
  stored: Reusable,
  request: RequestDirectives,
  { nowMs, isSoftPurged }: { nowMs: number; isSoftPurged: boolean },
): Reuse {
  const ageMs = currentAgeMs(stored, nowMs);
  const leftMs = stored.lifetimeMs - ageMs;
  const ttlMs = isSoftPurged ? Math.min(leftMs, 0) : leftMs;
  if (stored.isNoCache) return { kind: 'validate', why: 'no-cache', ttlMs };
  if (isRefusedByRequest(request, ageMs, ttlMs)) return { kind: 'validate', why: 'request', ttlMs };
  if (ttlMs > 0) return { kind: 'fresh', ttlMs };
  if (stored.isNeverStale) return { kind: 'validate', why: 'stale', ttlMs };
  if (-ttlMs <= stored.staleWhileRevalidateMs && stored.staleWhileRevalidateMs > 0) {
    return { kind: 'stale', by: 'swr', ttlMs };
  }
  const maxStaleMs = stored.isStaleOnlyIfAllowed || isSoftPurged ? undefined : secondsOf(request.maxStaleS);
  if (maxStaleMs !== undefined && -ttlMs <= maxStaleMs) return { kind: 'stale', by: 'max-stale', ttlMs };
  return { kind: 'validate', why: 'stale', ttlMs };
}

/** Why there is no answer to serve instead: no connection at all, or an answer that says that it failed. */
export type Failure = 'unreachable' | 'error-status';

/**
 * Whether a stored response may be served because the function failed: `stale-if-error` of either side (RFC 5861 section 4).
 * The `rfc` profile also serves stale while it is cut off, as RFC 9111 section 4.2.4 allows.
 */
export function isUsableOnError(
  stored: Reusable,
  request: RequestDirectives,
  situation: { nowMs: number; failure: Failure; profile: Profile },
): boolean {
  if (stored.isNoCache || request.isNoCache || stored.isNeverStale) return false;
  const staleForMs = currentAgeMs(stored, situation.nowMs) - stored.lifetimeMs;
  if (staleForMs < 0) return true;
  const allowedMs = Math.max(stored.staleIfErrorMs, secondsOf(request.staleIfErrorS) ?? 0);
  if (allowedMs > 0 && staleForMs <= allowedMs) return true;
  const isCutOff = situation.failure === 'unreachable' && situation.profile === 'rfc';
  return isCutOff && !stored.isStaleOnlyIfAllowed;
}

/** RFC 9111 section 5.2.1: no-cache, max-age, min-fresh. */
function isRefusedByRequest(request: RequestDirectives, ageMs: number, ttlMs: number): boolean {
  if (request.isNoCache) return true;
  const maxAgeMs = secondsOf(request.maxAgeS);
  if (maxAgeMs !== undefined && ageMs > maxAgeMs + (secondsOf(request.maxStaleS) ?? 0)) return true;
  const minFreshMs = secondsOf(request.minFreshS);
  return minFreshMs !== undefined && ttlMs < minFreshMs;
}

function secondsOf(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1000;
}
