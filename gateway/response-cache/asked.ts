import type { IgnoredQuery } from '../../cache/url-tag.ts';
import type { FunctionResource } from '../../contracts/manifest.ts';
import type { Exchange } from '../exchange.ts';
import { publicOrigin, type TrustedProxies } from '../functions/forwarded.ts';
import type { CompiledSite } from '../site/compile-site.ts';
import { parseRequestDirectives, type RequestDirectives } from './cache-control.ts';
import { primaryKey } from './cache-key.ts';
import type { Profile } from './freshness.ts';
import { requestDigest } from './request-digest.ts';
import { selectingHeaders } from './request-headers.ts';
import type { Address } from './response-store.ts';
import type { StoredResponse } from './stored-response.ts';
import type { Selecting } from './vary.ts';

/** What of a request reaches the function, and who may have what it answers. */
export type Reach =
  /** Everything, in the `rfc` profile: those whom Vary does not tell apart. */
  | { kind: 'trusting' }
  /** Everything: requests with exactly the same headers. */
  | { kind: 'personal' }
  /** What stands in the key, with the values of these headers: everybody who has the same. */
  | { kind: 'plain'; names: readonly string[] };

/** A request as the cache sees it. */
export type Asked = {
  exchange: Exchange;
  site: CompiledSite;
  resource: FunctionResource;
  projectId: string;
  profile: Profile;
  ignored: IgnoredQuery;
  /** Scheme and host as the client sees them. */
  proto: string;
  host: string;
  address: Address;
  selecting: Selecting;
  /** Nothing asked, where the deployment does not let requests decide. */
  directives: RequestDirectives;
  hasAuthorization: boolean;
  reach: Reach;
  /** An incomplete stored response that the request selects and that lacks what it asks for. */
  part?: StoredResponse | undefined;
};

const TRUSTING: Reach = { kind: 'trusting' };
const PERSONAL: Reach = { kind: 'personal' };

/** A request that leaves everything to the response. */
export const NOTHING_ASKED: RequestDirectives = parseRequestDirectives('', undefined);

export function readAsked(
  exchange: Exchange,
  site: CompiledSite,
  resource: FunctionResource,
  trusted: TrustedProxies,
): Asked {
  const { deploymentId, projectId, config } = site.record;
  const { headers, target } = exchange;
  const profile = config.cache?.profile ?? 'safe';
  const ignored = config.cache?.ignoreQuery ?? [];
  const { proto, host } = publicOrigin(exchange, trusted);
  const { rawPath, search } = target;
  const parts = { deploymentId, proto, host: `${host} ${target.host}`, rawPath, search };
  return {
    exchange,
    site,
    resource,
    projectId,
    profile,
    ignored,
    proto,
    host,
    address: { key: primaryKey(parts, ignored), deploymentId },
    selecting: { headers: selectingHeaders(headers), profile, digest: requestDigest(exchange, trusted) },
    directives:
      config.cache?.honorRequestDirectives === false
        ? NOTHING_ASKED
        : parseRequestDirectives(headers['cache-control'], headers.pragma),
    hasAuthorization: headers.authorization !== undefined,
    reach: profile === 'rfc' ? TRUSTING : PERSONAL,
  };
}

/** Address of another target at the same origin. */
export function addressOf(asked: Asked, rawPath: string, search: string, proto: string): Address {
  const { deploymentId } = asked.address;
  const host = `${asked.host} ${asked.exchange.target.host}`;
  return { deploymentId, key: primaryKey({ deploymentId, proto, host, rawPath, search }, asked.ignored) };
}

/** Whether the request is about more than the cache can know, or brings something that is no part of the key. */
export function isBeyondCache({ exchange }: Asked): boolean {
  const { headers } = exchange;
  // If-Match and If-Unmodified-Since are for the origin alone (RFC 9111 section 4.3.2).
  if (headers['if-match'] !== undefined || headers['if-unmodified-since'] !== undefined) return true;
  // A body of GET is no part of the key (RFC 9110 section 9.3.1 gives it no meaning).
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/**
 * Whether a request has to be answered by itself: what comes back is for this client, so it neither waits for others, nor touches
 * what is stored.
 */
export function isAlone(asked: Asked, meant: { isForAuthorized: boolean } | undefined): boolean {
  return asked.directives.isNoStore || (asked.hasAuthorization && meant?.isForAuthorized !== true);
}

/** Whether the request is one for a whole response, with no conditions. */
export function isForWhole(asked: Asked): boolean {
  const { method, headers } = asked.exchange;
  return method === 'GET' && !isPartial(asked) && headers['if-range'] === undefined;
}

/** Whether the request asks for less than the whole response. */
export function isPartial({ exchange: { headers } }: Asked): boolean {
  return (
    headers.range !== undefined ||
    headers['if-none-match'] !== undefined ||
    headers['if-modified-since'] !== undefined
  );
}
