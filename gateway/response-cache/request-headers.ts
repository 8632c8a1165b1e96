import type { IncomingHttpHeaders } from 'node:http';
import { isHopByHop } from '../../contracts/header-names.ts';
import type { HeaderList } from '../../runner-client/runner-client.ts';
import { withoutFields } from './header-fields.ts';

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

/**
 * What of a request may reach a function and yet not keep its response from being stored, unless the function says with
 * Vary that it looked: the headers of ordinary browsers and clients, which every author of a cacheable response has
 * to reckon with. Any other header in the request means, in the `safe` profile, that the response is this client's alone.
 */
const ORDINARY: ReadonlySet<string> = new Set([
  'accept',
  'accept-charset',
  'accept-encoding',
  'accept-language',
  'authorization', // has rules of its own, see storable.ts
  'baggage',
  'cache-control',
  'connection',
  'content-length',
  'cookie',
  'device-memory',
  'dnt',
  'downlink',
  'dpr',
  'ect',
  'forwarded',
  'from',
  'host',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'keep-alive',
  'origin',
  'pragma',
  'priority',
  'purpose',
  'range',
  'referer',
  'rtt',
  'save-data',
  'sentry-trace',
  'te',
  'traceparent',
  'tracestate',
  'upgrade-insecure-requests',
  'user-agent',
  'via',
  'viewport-width',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
  'x-real-ip',
]);

const FETCH_METADATA = /^sec-/;

/** Fields by which a client asks its caches for something; the cache asks the function in its own words. */
const FOR_CACHES: ReadonlySet<string> = new Set(['if-none-match', 'if-modified-since', 'if-range', 'range']);

/** Headers of a GET or HEAD call as they may reach a function. */
export function withoutOverrides(headers: HeaderList): [string, string][] {
  return withoutFields(headers, OVERRIDES);
}

/** Headers of a call whose response is wanted whole, for everybody. */
export function withoutConditions(headers: HeaderList): [string, string][] {
  return withoutFields(headers, FOR_CACHES);
}

/** Names in the request that are neither ordinary nor removed: their effect on the response only Vary can tell. */
export function unusualNames(request: IncomingHttpHeaders): string[] {
  return Object.keys(request).filter(
    (name) => !ORDINARY.has(name) && !OVERRIDES.has(name) && !FETCH_METADATA.test(name) && !isRemoved(name),
  );
}

/** What the proxy takes off before any function sees it. */
function isRemoved(name: string): boolean {
  return /^x[-_]origan[-_]/.test(name) || isHopByHop(name) || name === 'expect';
}
