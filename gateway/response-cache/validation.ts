import type { HeaderList } from '../../runner-client/runner-client.ts';
import { firstLineOf, hasField, withField, withoutFields } from '../header-fields.ts';
import { parseAge, type Exchanged } from './age.ts';
import type { CachePolicy } from './cache-policy.ts';
import type { Freshness } from './freshness.ts';
import { toStored, type Markers, type StoredResponse } from './stored-response.ts';
import { isSameTag, isStrong, validatorsOf } from './validators.ts';

/** Fields that describe the stored bytes: a message without these bytes cannot change them (RFC 9111 section 3.2). */
const OF_THE_BODY: ReadonlySet<string> = new Set([
  'content-length',
  'content-encoding',
  'content-range',
  'content-md5',
  'etag',
]);

/** The conditions under which the function need not send the body again (RFC 9111 section 4.3.1). */
export function conditionsFor(stored: StoredResponse): Record<string, string> {
  const conditions: Record<string, string> = {};
  if (stored.etag !== undefined) conditions['if-none-match'] = stored.etag;
  if (stored.lastModified !== undefined) conditions['if-modified-since'] = stored.lastModified;
  return conditions;
}

/**
 * Whether a 304 speaks of this stored response (RFC 9111 section 4.3.4): a strong validator must be the very one, a weak one
 * must correspond. One that carries none answers the condition that it was asked with.
 */
export function isAbout(stored: StoredResponse, notModified: HeaderList): boolean {
  const { etag, lastModified } = validatorsOf(notModified);
  if (etag !== undefined && isStrong(etag)) return etag === stored.etag;
  if (etag !== undefined && stored.etag !== undefined) return isSameTag(etag, stored.etag);
  return (
    lastModified === undefined || stored.lastModified === undefined || lastModified === stored.lastModified
  );
}

/** Whether a 200 to HEAD describes the stored response of GET, as far as it says (RFC 9111 section 4.3.5). */
export function describesSame(stored: StoredResponse, head: HeaderList): boolean {
  const received = validatorsOf(head);
  const length = firstLineOf(head, 'content-length');
  return (
    (received.etag === undefined || received.etag === stored.etag) &&
    (received.lastModified === undefined || received.lastModified === stored.lastModified) &&
    (length === undefined || Number(length) === stored.body.length)
  );
}

export type Freshened = Exchanged & {
  /** Headers of the 304, or of the 200 to HEAD. */
  received: HeaderList;
  policy: CachePolicy;
  freshness: Freshness;
  /** Of the request that validated it: a message may change what selects the response. */
  varyNames: readonly string[];
  variant: string;
  markers: Markers;
};

/** The headers that a stored response has once a message has freshened it (RFC 9111 section 3.2). */
export function mergedHeaders(
  stored: StoredResponse,
  received: HeaderList,
  receivedAtMs: number,
): [string, string][] {
  const updates = withoutFields(received, OF_THE_BODY);
  const replaced = new Set(updates.map(([name]) => name.toLowerCase()));
  const merged = [...withoutFields(stored.headers, replaced), ...updates];
  // Without a Date of its own the message was made when it arrived (RFC 9110 section 6.6.1).
  return hasField(received, 'date')
    ? merged
    : withField(merged, 'Date', new Date(receivedAtMs).toUTCString());
}

/** The stored response after a successful validation: its bytes, the merged headers, a new age and lifetime. */
export function freshened(
  stored: StoredResponse,
  headers: HeaderList,
  { received, ...rest }: Freshened,
): StoredResponse {
  const age: [string, string][] = [['Age', String(parseAge(received))]];
  return toStored({
    status: stored.status,
    received: [...headers, ...age],
    headers,
    body: stored.body,
    partial: stored.partial,
    ...rest,
  });
}
