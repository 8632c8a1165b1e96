import type { HeaderList } from '../../runner-client/runner-client.ts';
import { firstLineOf, hasField } from '../header-fields.ts';
import { dateOf } from './age.ts';
import type { CachePolicy } from './cache-policy.ts';
import { parseHttpDate } from './http-date.ts';
import { isHeuristicallyCacheable } from './status-codes.ts';

/** `safe` stores nothing without an explicit lifetime; `rfc` does all that RFC 9111 lets a shared cache do. */
export type Profile = 'safe' | 'rfc';

/** How long a response is fresh, and whether it said so itself. */
export type Freshness = { lifetimeMs: number; isExplicit: boolean };

const HEURISTIC_SHARE = 0.1;
const MAX_HEURISTIC_MS = 24 * 60 * 60 * 1000;

export type Dated = { status: number; headers: HeaderList; receivedAtMs: number };

/** RFC 9111 section 4.2.1: s-maxage, max-age, Expires, a heuristic, in this order. */
export function freshnessOf(response: Dated, policy: CachePolicy, profile: Profile): Freshness {
  const { sMaxageS, maxAgeS } = policy.directives;
  const delta = sMaxageS ?? maxAgeS;
  // "Caches are encouraged to consider responses that have invalid freshness information to be stale."
  if (delta !== undefined) return explicit(delta === 'invalid' ? 0 : delta * 1000);
  if (!policy.isTargeted && hasField(response.headers, 'expires')) return explicit(untilExpires(response));
  return { lifetimeMs: profile === 'rfc' ? heuristicMs(response, policy) : 0, isExplicit: false };
}

function explicit(lifetimeMs: number): Freshness {
  return { lifetimeMs, isExplicit: true };
}

/** RFC 9111 section 5.3: anything that is no date, "0" above all, means "already expired". */
function untilExpires({ headers, receivedAtMs }: Dated): number {
  const expiresMs = parseHttpDate(firstLineOf(headers, 'expires') ?? '', receivedAtMs);
  return expiresMs === undefined ? 0 : Math.max(0, expiresMs - dateOf(headers, receivedAtMs));
}

/** RFC 9111 section 4.2.2: a tenth of the time since the last modification, at most a day. */
function heuristicMs({ status, headers, receivedAtMs }: Dated, { directives }: CachePolicy): number {
  if (!directives.isPublic && !isHeuristicallyCacheable(status)) return 0;
  const modifiedMs = parseHttpDate(firstLineOf(headers, 'last-modified') ?? '', receivedAtMs);
  if (modifiedMs === undefined) return 0;
  const sinceMs = dateOf(headers, receivedAtMs) - modifiedMs;
  return Math.min(MAX_HEURISTIC_MS, Math.max(0, sinceMs * HEURISTIC_SHARE));
}
