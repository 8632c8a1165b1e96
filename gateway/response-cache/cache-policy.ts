import { parseDictionary, type Dictionary } from 'structured-headers';
import type { HeaderList } from '../../runner-client/runner-client.ts';
import { OWN_TARGETED_FIELD } from '../functions/fields-for-the-edge.ts';
import { fieldOf } from '../header-fields.ts';
import { deltaOf, durationOf, parseResponseDirectives, scopeOf } from './cache-control.ts';
import type { Delta, FieldScope, ResponseDirectives } from './cache-control.ts';

/** What governs a response: its directives, and where they were found. */
export type CachePolicy = {
  directives: ResponseDirectives;
  /** A targeted field governs: Cache-Control and Expires say nothing to this cache (RFC 9213 section 2.2). */
  isTargeted: boolean;
};

/** The target list of RFC 9213 section 2.2, most specific first. */
const TARGETED_FIELDS = [OWN_TARGETED_FIELD, 'cdn-cache-control'];

/** The first targeted field that parses governs alone, else Cache-Control. */
export function policyOf(headers: HeaderList): CachePolicy {
  for (const name of TARGETED_FIELDS) {
    const members = parseTargeted(fieldOf(headers, name));
    if (members !== undefined) return { directives: directivesOf(members), isTargeted: true };
  }
  const cacheControl = fieldOf(headers, 'cache-control') ?? '';
  return { directives: parseResponseDirectives(cacheControl), isTargeted: false };
}

/** Whether a response to a request with credentials may be reused for others (RFC 9111 section 3.5). */
export function isShareable(directives: ResponseDirectives): boolean {
  return directives.isPublic || directives.isMustRevalidate || typeof directives.sMaxageS === 'number';
}

/** An empty field, or one that is no Structured Field, counts as absent (RFC 9213 section 2.1). */
function parseTargeted(value: string | undefined): Dictionary | undefined {
  if (value === undefined) return undefined;
  try {
    const members = parseDictionary(value);
    return members.size === 0 ? undefined : members;
  } catch {
    // Not a dictionary: RFC 9213 section 2.1 asks to ignore it.
    return undefined;
  }
}

/**
 * Parameters of members are ignored, and so are members of a type that the directive does not have; but what forbids, forbids
 * whatever value it was given, unless that is false.
 */
function directivesOf(members: Dictionary): ResponseDirectives {
  const is = (name: string): boolean => members.get(name)?.[0] === true;
  const forbids = (name: string): boolean => members.has(name) && members.get(name)?.[0] !== false;
  return {
    maxAgeS: integerOf(members, 'max-age'),
    sMaxageS: integerOf(members, 's-maxage'),
    isNoStore: forbids('no-store'),
    isPublic: is('public'),
    isMustRevalidate: forbids('must-revalidate'),
    isProxyRevalidate: forbids('proxy-revalidate'),
    isMustUnderstand: is('must-understand'),
    noCache: fieldsOf(members, 'no-cache'),
    isPrivate: fieldsOf(members, 'private'),
    staleWhileRevalidateS: durationOf(integerOf(members, 'stale-while-revalidate')),
    staleIfErrorS: durationOf(integerOf(members, 'stale-if-error')),
  };
}

function integerOf(members: Dictionary, name: string): Exclude<Delta, 'invalid'> {
  const value = members.get(name)?.[0];
  const delta = typeof value === 'number' ? deltaOf(value) : undefined;
  return delta === 'invalid' ? undefined : delta;
}

/** Fields stand in a string, as in Cache-Control; without one the directive covers everything. */
function fieldsOf(members: Dictionary, name: string): FieldScope {
  const value = members.get(name)?.[0];
  return value === undefined || value === false ? false : scopeOf(typeof value === 'string' ? value : true);
}
