import { createHash } from 'node:crypto';
import { urlTag } from './tags.ts';

/** Names of query parameters, or prefixes ending in `*`, that are no part of an address. */
export type IgnoredQuery = readonly string[];

/** The tag of one address, whatever deployment and scheme answer it: for invalidation and purges by URL. */
export function tagOfUrl(host: string, rawPath: string, search: string, ignored: IgnoredQuery): string {
  return urlTag(hashedAddress(`${host}${normalizedPath(rawPath)}${sortedQuery(search, ignored)}`));
}

/** An address as it stands in the shared cache: what users put into addresses is not readable there. */
export function hashedAddress(address: string): string {
  return createHash('sha256').update(address).digest('base64url').slice(0, 32);
}

/**
 * Hex digits of escapes in upper case (RFC 3986 section 6.2.2.1). No more than that: a function that is called with `/%61` need
 * not take it for `/a`, and what it answers to the one must not be stored as the answer to the other.
 */
export function normalizedPath(rawPath: string): string {
  return rawPath.includes('%')
    ? rawPath.replace(/%[0-9a-f]{2}/gi, (escape) => escape.toUpperCase())
    : rawPath;
}

/** Parameters sorted by name; those of one name keep their order, which functions do look at. */
export function sortedQuery(search: string, ignored: IgnoredQuery): string {
  if (search === '') return '';
  const parameters = search.slice(1).split('&');
  const kept = ignored.length === 0 ? parameters : parameters.filter((each) => !isIgnored(each, ignored));
  if (kept.length === 0) return '';
  if (kept.length > 1) kept.sort((a, b) => compare(nameOf(a), nameOf(b)));
  return `?${kept.join('&')}`;
}

/** The query that a function is called with: what is no part of the address must not reach it. */
export function withoutIgnored(search: string, ignored: IgnoredQuery): string {
  if (search === '' || ignored.length === 0) return search;
  const kept = search
    .slice(1)
    .split('&')
    .filter((each) => !isIgnored(each, ignored));
  return kept.length === 0 ? '' : `?${kept.join('&')}`;
}

function isIgnored(parameter: string, ignored: IgnoredQuery): boolean {
  const name = nameOf(parameter);
  return ignored.some((each) => (each.endsWith('*') ? name.startsWith(each.slice(0, -1)) : name === each));
}

function nameOf(parameter: string): string {
  const equals = parameter.indexOf('=');
  return equals === -1 ? parameter : parameter.slice(0, equals);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
