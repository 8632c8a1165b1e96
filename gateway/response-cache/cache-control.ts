/** delta-seconds. `invalid` is not the same as absent: it makes a response stale (RFC 9111 section 4.2.1). */
export type Delta = number | 'invalid' | undefined;

/** A directive that applies to the whole message, to the fields named, or not at all. */
export type FieldScope = boolean | readonly string[];

/** What a response says about being stored and reused, whichever field said it. */
export type ResponseDirectives = {
  maxAgeS: Delta;
  sMaxageS: Delta;
  isNoStore: boolean;
  isPublic: boolean;
  isMustRevalidate: boolean;
  isProxyRevalidate: boolean;
  isMustUnderstand: boolean;
  noCache: FieldScope;
  isPrivate: FieldScope;
  /** RFC 5861; 0 when absent or malformed. */
  staleWhileRevalidateS: number;
  staleIfErrorS: number;
};

/** What a request asks of caches on its way (RFC 9111 section 5.2.1, RFC 5861 section 4). */
export type RequestDirectives = {
  isNoCache: boolean;
  isNoStore: boolean;
  isOnlyIfCached: boolean;
  maxAgeS: number | undefined;
  minFreshS: number | undefined;
  /** Infinity for `max-stale` without a value. */
  maxStaleS: number | undefined;
  staleIfErrorS: number | undefined;
};

// RFC 9111 section 1.2.2: what does not fit is taken for 2^31.
const MAX_DELTA_S = 2_147_483_648;
/** RFC 9111 sections 5.2.2.4 and 5.2.2.7. */
const NAMING_FIELDS: ReadonlySet<string> = new Set(['no-cache', 'private']);
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/**
 * Names (lower case) and arguments. Of a directive that comes twice the first counts (RFC 9111 section 4.2.1), but for those that
 * name fields: they forbid, and what any of them forbids stays forbidden.
 */
export function parseDirectives(value: string): Map<string, string | true> {
  const directives = new Map<string, string | true>();
  for (const part of splitOutsideQuotes(value)) {
    const equals = part.indexOf('=');
    const name = (equals === -1 ? part : part.slice(0, equals)).trim().toLowerCase();
    if (name === '') continue;
    // `max-age =60` is no directive, but whoever wrote it did not mean "no limit": an invalid one.
    const isBroken = equals > 0 && part[equals - 1] === ' ';
    const argument = equals === -1 ? true : isBroken ? '' : argumentOf(part.slice(equals + 1));
    const before = directives.get(name);
    if (before === undefined) directives.set(name, argument);
    else if (NAMING_FIELDS.has(name)) directives.set(name, allFields(before, argument));
  }
  return directives;
}

/** Without an argument that names fields, all are meant. */
function allFields(one: string | true, other: string | true): string | true {
  return one === true || other === true || one === '' || other === '' ? true : `${one},${other}`;
}

/** RFC 9111 section 5.2.2. */
export function parseResponseDirectives(value: string): ResponseDirectives {
  const found = parseDirectives(value);
  return {
    maxAgeS: deltaOf(found.get('max-age')),
    sMaxageS: deltaOf(found.get('s-maxage')),
    isNoStore: found.has('no-store'),
    isPublic: found.has('public'),
    isMustRevalidate: found.has('must-revalidate'),
    isProxyRevalidate: found.has('proxy-revalidate'),
    isMustUnderstand: found.has('must-understand'),
    noCache: scopeOf(found.get('no-cache')),
    isPrivate: scopeOf(found.get('private')),
    staleWhileRevalidateS: durationOf(found.get('stale-while-revalidate')),
    staleIfErrorS: durationOf(found.get('stale-if-error')),
  };
}

/**
 * RFC 9111 sections 5.2.1 and 5.4. `Pragma` counts only without Cache-Control, and only as `no-cache`; a directive that
 * does not parse says nothing.
 */
export function parseRequestDirectives(
  cacheControl: string | undefined,
  pragma: string | undefined,
): RequestDirectives {
  const found = parseDirectives(cacheControl ?? '');
  const isPragmaNoCache = cacheControl === undefined && parseDirectives(pragma ?? '').has('no-cache');
  return {
    isNoCache: found.has('no-cache') || isPragmaNoCache,
    isNoStore: found.has('no-store'),
    isOnlyIfCached: found.has('only-if-cached'),
    maxAgeS: numberOf(found.get('max-age')),
    minFreshS: numberOf(found.get('min-fresh')),
    maxStaleS: found.get('max-stale') === true ? Infinity : numberOf(found.get('max-stale')),
    staleIfErrorS: numberOf(found.get('stale-if-error')),
  };
}

/** Seconds of a delta-seconds argument (RFC 9111 section 1.2.2), capped; `invalid` for anything else. */
export function deltaOf(argument: string | number | true | undefined): Delta {
  if (argument === undefined) return undefined;
  return /^\d+$/.test(String(argument)) ? Math.min(Number(argument), MAX_DELTA_S) : 'invalid';
}

function numberOf(argument: string | true | undefined): number | undefined {
  const delta = deltaOf(argument);
  return delta === 'invalid' ? undefined : delta;
}

export function durationOf(argument: string | number | true | undefined): number {
  const delta = deltaOf(argument);
  return typeof delta === 'number' ? delta : 0;
}

/** Field names of `no-cache="a, b"`; without any, or with one that is none, it is taken for the form that covers everything. */
export function scopeOf(argument: string | true | undefined): FieldScope {
  if (argument === undefined) return false;
  if (argument === true) return true;
  const names = argument.split(',').map((name) => name.trim().toLowerCase());
  const fields = names.filter((name) => name !== '');
  return fields.length > 0 && fields.every((name) => TOKEN.test(name)) ? fields : true;
}

/** Both forms are accepted for every directive (RFC 9111 section 5.2). An argument that is neither is empty. */
function argumentOf(text: string): string {
  const trimmed = text.trimEnd();
  if (trimmed.startsWith('"') && trimmed.endsWith('"') && trimmed.length > 1) {
    return trimmed.slice(1, -1).replace(/\\(.)/g, '$1');
  }
  return TOKEN.test(trimmed) ? trimmed : '';
}

/** Splits a list at its commas. A quote that is never closed quotes nothing: it must not hide a `no-store`. */
export function splitOutsideQuotes(value: string): string[] {
  if (!value.includes('"')) return value.split(',');
  const parts: string[] = [];
  let start = 0;
  for (let index = 0; index < value.length; index += 1) {
    if (value[index] === '"') index = closingQuote(value, index) ?? index;
    else if (value[index] === ',') {
      parts.push(value.slice(start, index));
      start = index + 1;
    }
  }
  parts.push(value.slice(start));
  return parts;
}

function closingQuote(value: string, open: number): number | undefined {
  for (let index = open + 1; index < value.length; index += 1) {
    if (value[index] === '\\') index += 1;
    else if (value[index] === '"') return index;
  }
  return undefined;
}
