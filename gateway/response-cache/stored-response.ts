import type { HeaderList } from '../../runner-client/runner-client.ts';
import { initialAgeMs, type Exchanged } from './age.ts';
import { isShareable, type CachePolicy } from './cache-policy.ts';
import type { Freshness } from './freshness.ts';
import type { Partial } from './partial.ts';
import { validatorsOf } from './validators.ts';

/** Tags of a response and the versions that they had before it was made: it lives as long as these do. */
export type Markers = {
  projectId: string;
  tags: readonly string[];
  versions: readonly string[];
};

/** A stored response: everything that its reuse depends on, worked out once when it is stored. */
export type StoredResponse = Exchanged & {
  status: number;
  /** End-to-end headers as they are sent again, less Age. */
  headers: HeaderList;
  body: Buffer;
  /** Which bytes the body holds, where it is not all of them: stored as an incomplete 200 (RFC 9111 section 3.3). */
  partial: Partial | undefined;
  /** corrected_initial_age (RFC 9111 section 4.2.3). */
  initialAgeMs: number;
  lifetimeMs: number;
  staleWhileRevalidateMs: number;
  staleIfErrorMs: number;
  /** `no-cache`: validated before each use. */
  isNoCache: boolean;
  /** must-revalidate or proxy-revalidate: never served stale, whatever happens. */
  isNeverStale: boolean;
  /** s-maxage: not served stale unless the response itself says so (RFC 9111 section 5.2.2.10, RFC 5861). */
  isStaleOnlyIfAllowed: boolean;
  /** public, must-revalidate or s-maxage: meant for requests with credentials too (RFC 9111 section 3.5). */
  isForAuthorized: boolean;
  etag: string | undefined;
  lastModified: string | undefined;
  /** Names of what selects it: fields, or the whole request, see vary.ts. */
  varyNames: readonly string[];
  /** Their values, see vary.ts. */
  variant: string;
  markers: Markers;
};

/** Without markers nobody could say whether it was purged: it is for those who wait for it, and is not kept. */
export function isMarked({ markers }: Pick<StoredResponse, 'markers'>): boolean {
  return markers.tags.length > 0;
}

export type StoredParts = Exchanged & {
  status: number;
  /** As they arrived: they say how old the response is. */
  received: HeaderList;
  /** As they are stored, see storable.ts. */
  headers: HeaderList;
  body: Buffer;
  partial?: Partial | undefined;
  policy: CachePolicy;
  freshness: Freshness;
  varyNames: readonly string[];
  variant: string;
  markers: Markers;
};

export function toStored(parts: StoredParts): StoredResponse {
  const { directives } = parts.policy;
  return {
    status: parts.status,
    headers: parts.headers.filter(([name]) => name.toLowerCase() !== 'age'),
    body: parts.body,
    partial: parts.partial,
    requestedAtMs: parts.requestedAtMs,
    receivedAtMs: parts.receivedAtMs,
    initialAgeMs: initialAgeMs(parts.received, parts),
    lifetimeMs: parts.freshness.lifetimeMs,
    staleWhileRevalidateMs: directives.staleWhileRevalidateS * 1000,
    staleIfErrorMs: directives.staleIfErrorS * 1000,
    isNoCache: directives.noCache === true,
    isNeverStale: directives.isMustRevalidate || directives.isProxyRevalidate,
    isStaleOnlyIfAllowed: directives.sMaxageS !== undefined,
    isForAuthorized: isShareable(directives),
    ...validatorsOf(parts.headers),
    varyNames: parts.varyNames,
    variant: parts.variant,
    markers: parts.markers,
  };
}
