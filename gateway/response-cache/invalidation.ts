import { parseList, type InnerList, type Item } from 'structured-headers';
import type { HeaderList } from '../../runner-client/runner-client.ts';
import { fieldOf, firstLineOf } from '../header-fields.ts';

/** RFC 9110 section 9.2.1. Of any other method, known or not, the worst is assumed. */
const SAFE_METHODS: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'OPTIONS',
  'TRACE',
  'QUERY',
  'PROPFIND',
  'REPORT',
  'SEARCH',
]);

/** Path and query of a request target. */
export type TargetPath = { rawPath: string; search: string };

/** Whether a response makes stored ones invalid (RFC 9111 section 4.4): an unsafe method that did not fail. */
export function isInvalidating(method: string, status: number): boolean {
  return !SAFE_METHODS.has(method) && status >= 200 && status < 400;
}

/**
 * What becomes invalid: the target, and what Location and Content-Location name at the same origin. What they name
 * elsewhere is left alone, lest one site purges another.
 *
 * @param url the effective request URI.
 */
export function invalidatedTargets(url: URL, headers: HeaderList): TargetPath[] {
  const targets = [pathOf(url)];
  for (const name of ['location', 'content-location']) {
    const reference = firstLineOf(headers, name);
    const named = reference === undefined ? null : URL.parse(reference, url);
    if (named !== null && named.origin === url.origin && named.href !== url.href) targets.push(pathOf(named));
  }
  return targets;
}

/** Whether Content-Location names the very target (RFC 9110 section 9.3.3): a POST whose response answers GET. */
export function isOwnLocation(url: URL, headers: HeaderList): boolean {
  const reference = firstLineOf(headers, 'content-location');
  return reference !== undefined && URL.parse(reference, url)?.href === url.href;
}

// RFC 9875 section 2: at least 32 groups, of at least 32 characters each.
const MAX_GROUPS = 64;
const MAX_GROUP_LENGTH = 256;

/** Groups that a response belongs to, or makes invalid (RFC 9875): a list of strings; anything else is ignored. */
export function groupsOf(headers: HeaderList, name: 'cache-groups' | 'cache-group-invalidation'): string[] {
  const field = fieldOf(headers, name);
  if (field === undefined) return [];
  const groups = membersOf(field).flatMap((member) => {
    const value: unknown = Array.isArray(member[0]) ? undefined : member[0];
    return typeof value === 'string' && value.length <= MAX_GROUP_LENGTH ? [value] : [];
  });
  return [...new Set(groups)].slice(0, MAX_GROUPS);
}

function membersOf(field: string): (InnerList | Item)[] {
  try {
    return parseList(field);
  } catch {
    // RFC 9651 section 4.2: a field that does not parse counts as absent.
    return [];
  }
}

function pathOf(url: URL): TargetPath {
  return { rawPath: url.pathname, search: url.search };
}
