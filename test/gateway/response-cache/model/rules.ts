import { textOf, type Content, type Directives, type Fields } from './content.ts';
import type { Request } from './generate.ts';
import { namesFor, valuesOf, type Asked } from './ways.ts';

export type Profile = 'safe' | 'rfc';

/** A stored response as the reference knows it. Times in seconds. */
export type Kept = {
  /** Its bytes, with a dot for each that lacks. */
  text: string;
  status: number;
  fields: Fields;
  /** The age that it had on arrival. */
  age: number;
  receivedAt: number;
  /** What its Date says. */
  date: number;
  /** Seconds after its Date at which Expires lies, as it was sent; survives a message without one. */
  expiresAt: number | 'zero' | undefined;
  /** Names of what selects it, and values: of those headers, and of the whole request (see ways.ts). */
  names: readonly string[];
  selecting: Readonly<Record<string, string>>;
  /** Purges of its tags that had happened when it was made. */
  purges: ReadonlyMap<string, { hard: number; soft: number }>;
};

const HEURISTIC = [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501];
const KNOWN = [200, 201, 206, 301, 404, 500, 503];

/** The directives that govern: those of the targeted field alone, if it parses. */
export function governing(fields: Fields): { directives: Directives; isTargeted: boolean } {
  const { targeted, cacheControl = {} } = fields;
  if (targeted !== undefined && targeted !== 'broken') return { directives: targeted, isTargeted: true };
  return { directives: cacheControl, isTargeted: false };
}

export function lifetimeOf(kept: Kept, profile: Profile): { seconds: number; isExplicit: boolean } {
  const { directives, isTargeted } = governing(kept.fields);
  if (directives.sMaxage !== undefined) return { seconds: directives.sMaxage, isExplicit: true };
  if (directives.maxAge !== undefined) return { seconds: directives.maxAge, isExplicit: true };
  if (!isTargeted && kept.expiresAt !== undefined) {
    const until = kept.expiresAt === 'zero' ? 0 : Math.max(0, kept.expiresAt - kept.date);
    return { seconds: until, isExplicit: true };
  }
  const mayGuess = profile === 'rfc' && (HEURISTIC.includes(kept.status) || directives.public === true);
  if (!mayGuess || kept.fields.lastModified === undefined) return { seconds: 0, isExplicit: false };
  const since = Math.max(0, kept.date - kept.fields.lastModified / 1000);
  return { seconds: Math.min(86_400, since * 0.1), isExplicit: false };
}

export function ageOf(kept: Kept, now: number): number {
  return kept.age + Math.max(0, now - kept.receivedAt);
}

/** What arrives at `now` when the function answers with the content. */
export function arrive(content: Content, asked: Asked, now: number): Omit<Kept, 'purges'> {
  const date = content.clockOff === undefined ? now : now + content.clockOff;
  const { expires } = content.fields;
  return {
    text: textOf(content),
    status: content.status,
    fields: content.fields,
    age: Math.max(Math.max(0, now - date), content.age ?? 0),
    receivedAt: now,
    date,
    expiresAt: typeof expires === 'number' ? now + (content.clockOff ?? 0) + expires : expires,
    names: namesFor(asked, content.fields.vary),
    selecting: valuesOf(asked),
  };
}

/** RFC 9111 section 3, and what the safe profile adds. */
export function mayKeep(kept: Kept, request: Request, profile: Profile): boolean {
  const { directives, isTargeted } = governing(kept.fields);
  const { status, fields } = kept;
  if (request.directives.noStore === true) return false;
  if (status === 206 || fields.vary === '*') return false;
  if (directives.mustUnderstand === true && !KNOWN.includes(status)) return false;
  if (directives.noStore === true && directives.mustUnderstand !== true) return false;
  if (directives.private === true) return false;
  if (request.isAuthorized && !isMeantForAll(directives)) return false;
  const { seconds, isExplicit } = lifetimeOf(kept, profile);
  if (!isExplicit) {
    if (profile === 'safe') return false;
    if (!HEURISTIC.includes(status) && directives.public !== true) return false;
  }
  if (profile === 'safe' && fields.setCookie === true && !isTargeted) return false;
  const hasValidator = fields.etag !== undefined || fields.lastModified !== undefined;
  if (hasValidator) return true;
  if (directives.noCache === true) return false;
  return seconds > kept.age || (directives.swr ?? 0) > 0 || (directives.sie ?? 0) > 0;
}

export function isMeantForAll(directives: Directives): boolean {
  return directives.public === true || directives.mustRevalidate === true || directives.sMaxage !== undefined;
}

/** RFC 9111 section 4.1. */
export function isSelectedBy(kept: Kept, request: Request): boolean {
  const values = valuesOf(request);
  return kept.names.every((name) => kept.selecting[name] === values[name]);
}

export type Use = 'fresh' | 'swr' | 'max-stale' | 'ask';

/** RFC 9111 section 4.2 and 5.2.1, RFC 5861 section 3. */
export function useOf(
  kept: Kept,
  request: Request,
  profile: Profile,
  at: { now: number; isSoft: boolean },
): Use {
  const { directives } = governing(kept.fields);
  const { maxAge, minFresh, maxStale, noCache } = request.directives;
  const age = ageOf(kept, at.now);
  const left = lifetimeOf(kept, profile).seconds - age;
  const ttl = at.isSoft ? Math.min(left, 0) : left;
  if (directives.noCache === true || noCache === true) return 'ask';
  if (maxAge !== undefined && age > maxAge + (maxStale ?? 0)) return 'ask';
  if (minFresh !== undefined && ttl < minFresh) return 'ask';
  if (ttl > 0) return 'fresh';
  if (directives.mustRevalidate === true || directives.proxyRevalidate === true) return 'ask';
  if (directives.swr !== undefined && directives.swr > 0 && -ttl <= directives.swr) return 'swr';
  if (maxStale !== undefined && directives.sMaxage === undefined && !at.isSoft && -ttl <= maxStale) {
    return 'max-stale';
  }
  return 'ask';
}

/** RFC 5861 section 4; and in the rfc profile RFC 9111 section 4.2.4: cut off. */
export function mayStandIn(
  kept: Kept,
  request: Request,
  profile: Profile,
  at: { now: number; isCutOff: boolean },
): boolean {
  const { directives } = governing(kept.fields);
  if (directives.noCache === true || request.directives.noCache === true) return false;
  if (directives.mustRevalidate === true || directives.proxyRevalidate === true) return false;
  const staleFor = ageOf(kept, at.now) - lifetimeOf(kept, profile).seconds;
  if (staleFor < 0) return true;
  if (directives.sie !== undefined && directives.sie > 0 && staleFor <= directives.sie) return true;
  return at.isCutOff && profile === 'rfc' && directives.sMaxage === undefined;
}

/** RFC 9111 section 3.2: what a message without a body changes of a stored response. */
export function merge(kept: Kept, news: Omit<Kept, 'purges'>, asked: Asked): Kept {
  const { etag: _etag, ...updates } = news.fields;
  const fields = { ...kept.fields, ...updates };
  return {
    ...kept,
    fields,
    age: news.age,
    receivedAt: news.receivedAt,
    date: news.date,
    expiresAt: news.expiresAt ?? kept.expiresAt,
    names: namesFor(asked, fields.vary),
    selecting: valuesOf(asked),
  };
}

export function sameTag(one: string, other: string): boolean {
  return one.replace(/^W\//, '') === other.replace(/^W\//, '');
}

const LACKING = '.';

export function isWhole({ text }: Pick<Kept, 'text'>): boolean {
  return !text.includes(LACKING);
}

/** The bytes of the range, and nothing of the others. */
export function onlyRange(text: string, { first, last }: { first: number; last: number }): string {
  return text
    .split('')
    .map((byte, at) => (at >= first && at <= last ? byte : LACKING))
    .join('');
}

/** RFC 9110 section 13.1.5: the range that is to be answered, if the condition holds for what has this tag. */
export function rangeFor(request: Request, etag: string | undefined): Request['range'] {
  const { ifRange, range } = request;
  return ifRange === undefined || (ifRange === etag && ifRange.startsWith('"')) ? range : undefined;
}

/** RFC 9111 section 3.3: what an incomplete response may answer. */
export function covers(kept: Kept, request: Request): boolean {
  if (isWhole(kept)) return true;
  const range = rangeFor(request, kept.fields.etag);
  return range !== undefined && isWhole({ text: kept.text.slice(range.first, range.last + 1) });
}

/** The one range that lacks, where what brings it may be put together with what is there (RFC 9111 section 3.4). */
export function gapOf({ text, fields: { etag } }: Kept): { first: number; last: number } | undefined {
  const runs = [...text.matchAll(/\.+/g)];
  const [run] = runs;
  if (runs.length !== 1 || run === undefined || etag?.startsWith('"') !== true) return undefined;
  return { first: run.index, last: run.index + run[0].length - 1 };
}

/** Both as one: the later bytes over the earlier. */
export function overlay(earlier: string, later: string): string {
  return later
    .split('')
    .map((byte, at) => (byte === LACKING ? earlier[at] : byte))
    .join('');
}
