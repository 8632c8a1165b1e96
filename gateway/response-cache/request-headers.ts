import type { IncomingHttpHeaders } from 'node:http';
import type { HeaderList } from '../../runner-client/runner-client.ts';
import { connectionNames } from '../functions/upstream-headers.ts';
import { withoutFields } from '../header-fields.ts';

/**
 * Names by which frameworks are told to answer something else than what was asked: no browser sends them, and what comes
 * back would be stored under the address that was asked. They reach no function through GET or HEAD.
 */
const OVERRIDES: ReadonlySet<string> = new Set([
  'x-original-url',
  'x-original-uri',
  'x-original-host',
  'x-rewrite-url',
  'x-override-url',
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  'x-host',
  'x-http-host-override',
  'x-http-destinationurl',
  'x-forwarded-scheme',
  'x-forwarded-prefix',
  'x-forwarded-path',
  'x-forwarded-uri',
  'x-forwarded-by',
  'x-scheme',
  'x-url-scheme',
  'front-end-https',
  'base-url',
  'request-uri',
  'proxy-host',
  'x-proxy-url',
  'x-invoke-path',
  'x-invoke-query',
  'x-middleware-subrequest',
  'x-middleware-prefetch',
  'x-middleware-rewrite',
  'x-wap-profile',
]);

/** Fields of which Node takes the first line alone, where a function could take another one. */
const OF_ONE_LINE: ReadonlySet<string> = new Set([
  'age',
  'authorization',
  'content-type',
  'etag',
  'expires',
  'from',
  'if-modified-since',
  'if-unmodified-since',
  'last-modified',
  'location',
  'max-forwards',
  'referer',
  'retry-after',
  'server',
  'user-agent',
]);

/** Fields by which a client asks its caches for something; the cache asks the function in its own words. */
const FOR_CACHES: ReadonlySet<string> = new Set(['if-none-match', 'if-modified-since', 'if-range', 'range']);

/** The same, and what a client says to the caches on the way about its own request. */
const TO_CACHES: ReadonlySet<string> = new Set([...FOR_CACHES, 'cache-control', 'pragma']);

/** Headers of a GET or HEAD call as they may reach a function: in any field that has but one line, the line that is in the key. */
export function withoutOverrides(headers: HeaderList): [string, string][] {
  const seen = new Set<string>();
  return withoutFields(headers, OVERRIDES).filter(([name]) => {
    const lower = name.toLowerCase();
    if (!OF_ONE_LINE.has(lower)) return true;
    const isFirst = !seen.has(lower);
    seen.add(lower);
    return isFirst;
  });
}

/** Headers by which a stored response is selected: those that reach a function. */
export function selectingHeaders(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const { connection } = headers;
  if (connection === undefined || /^(?:keep-alive|close)$/i.test(connection)) return headers;
  const named = connectionNames([['connection', connection]]);
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !named.has(name)));
}

/** Headers of a call whose response is wanted whole, for everybody. */
export function withoutConditions(headers: HeaderList): [string, string][] {
  return withoutFields(headers, FOR_CACHES);
}

/** Headers of a request but those that are said to caches: they decide how a stored response is used, not which. */
export function withoutWordsToCaches(headers: HeaderList): [string, string][] {
  return withoutFields(headers, TO_CACHES);
}

/** Whether a request says something to caches, which a function that is called with it hears too. */
export function speaksToCaches(headers: IncomingHttpHeaders): boolean {
  for (const name of TO_CACHES) if (headers[name] !== undefined) return true;
  return false;
}

/** Whether a header of that name (lower case) reaches no function through GET or HEAD. */
export function isOverride(name: string): boolean {
  return OVERRIDES.has(name);
}

/** Whether a header of that name (lower case) is about a stored response: the cache asks in its own words. */
export function isForCaches(name: string): boolean {
  return FOR_CACHES.has(name);
}
