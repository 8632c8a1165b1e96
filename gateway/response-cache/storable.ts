import type { HeaderList } from '../../runner-client/runner-client.ts';
import { hasField, withoutFields } from '../header-fields.ts';
import { initialAgeMs, type Exchanged } from './age.ts';
import { isShareable, type CachePolicy } from './cache-policy.ts';
import type { Freshness, Profile } from './freshness.ts';
import { isOfAddress } from './plain-call.ts';
import { isHeuristicallyCacheable, isOfRequest, isUnderstood } from './status-codes.ts';
import { validatorsOf } from './validators.ts';
import { varyNamesOf } from './vary.ts';

/** What of a request decides about storing its response. */
export type StoringRequest = {
  method: string;
  hasAuthorization: boolean;
  /** `no-store` in the request, where the deployment lets requests decide. */
  isNoStore: boolean;
};

export type StoringResponse = Exchanged & { status: number; headers: HeaderList };

/** Why a response is not stored. */
export type Refusal =
  | 'method'
  | 'status'
  | 'no-store'
  | 'request-no-store'
  | 'private'
  | 'authorization'
  | 'vary'
  | 'no-lifetime'
  | 'set-cookie'
  | 'tags'
  | 'too-large'
  | 'no-use';

/** Whether a response is stored, and then with which headers. */
export type StoreVerdict = { kind: 'store'; headers: [string, string][] } | { kind: 'refuse'; why: Refusal };

export type StoreRules = { policy: CachePolicy; freshness: Freshness; profile: Profile };

/** RFC 9111 section 3, for a shared cache, and what the `safe` profile adds to it. */
export function storeVerdict(
  request: StoringRequest,
  response: StoringResponse,
  rules: StoreRules,
): StoreVerdict {
  const headers = withoutFields(response.headers, unstoredFields(rules));
  const why =
    refusedByRequest(request, rules) ??
    refusedByDirectives(response.status, rules) ??
    refusedBySafety(headers, rules) ??
    refusedAsUseless(response, rules);
  return why === undefined ? { kind: 'store', headers } : { kind: 'refuse', why };
}

function refusedByRequest(request: StoringRequest, { policy }: StoreRules): Refusal | undefined {
  if (request.method !== 'GET') return 'method';
  if (request.isNoStore) return 'request-no-store';
  return request.hasAuthorization && !isShareable(policy.directives) ? 'authorization' : undefined;
}

function refusedByDirectives(
  status: number,
  { policy, freshness, profile }: StoreRules,
): Refusal | undefined {
  const { directives } = policy;
  // Interim, partial and not-modified responses are never stored as they are (sections 3.3 and 4.3.4).
  if (status < 200 || isOfRequest(status)) return 'status';
  // Section 5.2.2.3: must-understand replaces no-store for a cache that knows the status code.
  if (directives.isMustUnderstand && !isUnderstood(status)) return 'status';
  if (directives.isNoStore && !directives.isMustUnderstand) return 'no-store';
  if (directives.isPrivate === true) return 'private';
  if (freshness.isExplicit) return undefined;
  const mayBeStored = directives.isPublic || isHeuristicallyCacheable(status);
  return profile === 'rfc' && mayBeStored ? undefined : 'no-lifetime';
}

/** `headers`: those that would be stored. */
function refusedBySafety(headers: HeaderList, { profile }: StoreRules): Refusal | undefined {
  const names = varyNamesOf(headers);
  // Section 4.1: such a response never matches a request.
  if (names === '*') return 'vary';
  // Nor does one that depends on an address: what the function was told of it is not what the request says, and in no key.
  if (names.some(isOfAddress)) return 'vary';
  return profile === 'safe' && hasField(headers, 'set-cookie') ? 'set-cookie' : undefined;
}

/** What can neither be served nor validated only takes up room. */
function refusedAsUseless(response: StoringResponse, { policy, freshness }: StoreRules): Refusal | undefined {
  const { staleWhileRevalidateS, staleIfErrorS, noCache } = policy.directives;
  const { etag, lastModified } = validatorsOf(response.headers);
  if (etag !== undefined || lastModified !== undefined) return undefined;
  if (noCache === true) return 'no-use';
  const isFresh = freshness.lifetimeMs > initialAgeMs(response.headers, response);
  return isFresh || staleWhileRevalidateS > 0 || staleIfErrorS > 0 ? undefined : 'no-use';
}

/**
 * Fields that are not stored with their response: those that `no-cache` and `private` name (sections 5.2.2.4 and 5.2.2.7), and in the
 * `safe` profile cookies, where a targeted field shows that sharing the response was meant.
 */
function unstoredFields({ policy, profile }: StoreRules): ReadonlySet<string> {
  const { noCache, isPrivate } = policy.directives;
  const names = new Set<string>();
  for (const scope of [noCache, isPrivate]) {
    if (typeof scope !== 'boolean') for (const name of scope) names.add(name);
  }
  if (profile === 'safe' && policy.isTargeted) names.add('set-cookie').add('set-cookie2');
  return names;
}
