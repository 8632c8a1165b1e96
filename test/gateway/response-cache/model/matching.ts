import type { Request } from './generate.ts';
import { covers, governing, isMeantForAll, sameTag, type Kept, type Profile } from './rules.ts';
import { isOwn, WHOLE } from './ways.ts';

/** RFC 9111 section 4.3.4. */
export function isAbout({ fields: stored }: Kept, { fields: news }: Omit<Kept, 'purges'>): boolean {
  const isStrong = news.etag?.startsWith('"') === true;
  if (isStrong) return news.etag === stored.etag;
  if (news.etag !== undefined && stored.etag !== undefined) return sameTag(news.etag, stored.etag);
  const isDated = news.lastModified !== undefined && stored.lastModified !== undefined;
  return !isDated || news.lastModified === stored.lastModified;
}

export function keyOf({ site, url }: Request): string {
  return `${site}/${url}`;
}

export function variantKey(
  key: string,
  names: readonly string[],
  selecting: Readonly<Record<string, string>>,
): string {
  return `${key} ${names.map((name) => `${name}=${selecting[name] ?? '(none)'}`).join()}`;
}

export function isSameVariant(one: Kept, other: Kept): boolean {
  return variantKey('', one.names, one.selecting) === variantKey('', other.names, other.selecting);
}

/** Whether the one is for a single client of those whom the other is for. */
export function isOneOf(one: Kept, other: Kept): boolean {
  const names = one.names.filter((name) => name !== WHOLE);
  return isOwn(one) && isSameVariant({ ...one, names }, other);
}

export function newestOf(candidates: readonly Kept[]): Kept | undefined {
  let newest: Kept | undefined;
  for (const each of candidates) if (newest === undefined || isNewer(each, newest)) newest = each;
  return newest;
}

function isNewer(one: Kept, other: Kept): boolean {
  return one.date > other.date || (one.date === other.date && one.receivedAt > other.receivedAt);
}

export function isFor(kept: Kept, request: Request, profile: Profile): boolean {
  return !request.isAuthorized || profile === 'rfc' || isMeantForAll(governing(kept.fields).directives);
}

/** Whether what comes back may be due to something that only this client sent. */
export function isAlone(request: Request, kept: Kept): boolean {
  if (request.directives.noStore === true) return true;
  return request.isAuthorized && !isMeantForAll(governing(kept.fields).directives);
}

/** Of two the one that has what is asked for, else the one that came last. */
export function betterOf(near: Kept | undefined, far: Kept | undefined, request: Request): Kept | undefined {
  if (near === undefined || far === undefined) return near ?? far;
  if (covers(near, request) !== covers(far, request)) return covers(near, request) ? near : far;
  return near.receivedAt > far.receivedAt ? near : far;
}
