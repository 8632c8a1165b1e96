import { createHash } from 'node:crypto';

/** Whatever a function may see of the address of a request is part of the key, and nothing else. */
export type KeyParts = {
  deploymentId: string;
  /** `http` or `https`, as the function is told. */
  proto: string;
  /** Normalised host: a function may put it into its links. */
  host: string;
  /** Path as received: a function need not take two spellings for one. */
  rawPath: string;
  search: string;
};

/** Names of query parameters, or prefixes ending in `*`, that are no part of the key. */
export type IgnoredQuery = readonly string[];

/** The primary key in clear, for this process alone. */
export function primaryKey(parts: KeyParts, ignored: IgnoredQuery): string {
  const { deploymentId, proto, host, rawPath, search } = parts;
  return `${deploymentId} ${proto}://${host}${normalizedPath(rawPath)}${sortedQuery(search, ignored)}`;
}

/** A key as it stands in the shared cache: what users put into addresses is not readable there. */
export function hashedKey(key: string): string {
  return createHash('sha256').update(key).digest('base64url').slice(0, 32);
}

/**
 * Hex digits of escapes in upper case (RFC 3986 section 6.2.2.1). No more than that: a function that is called with `/%61` need
 * not take it for `/a`, and what it answers to the one must not be stored as the answer to the other.
 */
function normalizedPath(rawPath: string): string {
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

/** The query that a function is called with: what is no part of the key must not reach it. */
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
