import { isFingerprinted } from '../../contracts/fingerprint.ts';
import { headerOf, type Answer, type Exchange, type FlatHeaders } from '../exchange.ts';
import type { CompiledSite } from './compile-site.ts';
import { mergeLists } from './header-rules.ts';
import type { RouteMatch } from './match-route.ts';
import { isNavigation, PIN_COOKIE, PIN_HEADER, pinCookie, requestedPin, type Pin } from './pin.ts';
import type { RecentSites } from './recent-sites.ts';

/** What answers a request: a build, and what of it. */
export type Found = { site: CompiledSite; route: RouteMatch };

/** The build that a request is pinned to; `by` is absent when it is the present one. */
export type Pinned = { site: CompiledSite; by?: Pin['by'] };

/** Keeps pages that were opened on one build working after the next one was deployed. */
export type SkewProtection = {
  /** Step 4 of http.md: the build that the request asks for, where the host showed it within the last 30 days. */
  pin(exchange: Exchange, present: CompiledSite): Promise<Pinned>;
  /** A fingerprinted file that the build lacks, out of the builds before it. */
  findMissing(exchange: Exchange, present: CompiledSite, found: Found): Promise<Found>;
};

export function createSkewProtection(recent: RecentSites): SkewProtection {
  return {
    pin: async ({ target, headers }, present) => {
      const pin = requestedPin({ search: target.search, headers });
      if (pin === undefined || pin.deploymentId === present.record.deploymentId) return { site: present };
      const site = await recent.find(target.host, present, pin.deploymentId);
      return site === undefined ? { site: present } : { site, by: pin.by };
    },
    findMissing: async ({ target, method }, present, found) => {
      const isRead = method === 'GET' || method === 'HEAD';
      if (!isRead || !isMissing(found.route) || !isFingerprinted(target.path)) return found;
      const site = present.files.has(target.path)
        ? present
        : await recent.findWithFile(target.host, present, target.path);
      const file = site?.files.get(target.path);
      if (site === undefined || file === undefined) return found;
      return { site, route: { kind: 'file', file, status: 200, isFallback: false } };
    },
  };
}

/** For an edge that keeps no older builds. */
export const noSkewProtection: SkewProtection = {
  pin: (_exchange, present) => Promise.resolve({ site: present }),
  findMissing: (_exchange, _present, found) => Promise.resolve(found),
};

/** Whether a request, whatever its route, is answered by the present build and marked with nothing. */
export function isForPresent(
  { target, headers }: Pick<Exchange, 'target' | 'headers'>,
  site: CompiledSite,
): boolean {
  if (site.record.config.pinByCookie === true || isFingerprinted(target.path)) return false;
  if (requestedPin({ search: target.search, headers }) !== undefined) return false;
  const cookie = pinCookie(headers.cookie);
  return cookie === undefined || cookie === site.record.deploymentId;
}

/** A function for everything would answer for a file that is gone, too. */
function isMissing(route: RouteMatch): boolean {
  return (
    route.kind === 'not-found' || route.kind === 'function' || (route.kind === 'file' && route.isFallback)
  );
}

/** An answer, what gave it, and how the request named that build. */
export type Answered = { by: Pin['by'] | undefined; found: Found; answer: Answer };

/**
 * Says in the answer what it depended on: one that a header or a cookie chose is for nobody else. Where the site
 * wants it (`pinByCookie`), a page sets the cookie that pins what it will ask for.
 */
export function markPinned(
  { headers }: Exchange,
  present: CompiledSite,
  { by, found, answer }: Answered,
): Answer {
  // 101 hands the connection over: its headers belong to the handshake.
  if (answer.status === 101) return answer;
  if (by === 'header' || by === 'cookie') {
    const name = by === 'header' ? PIN_HEADER : 'Cookie';
    return { ...answer, headers: madePrivate(answer.headers, name) };
  }
  if (!isNavigation(headers) || !isPage(answer, found)) return answer;
  const cookie = cookieFor(found.site, present, pinCookie(headers.cookie));
  if (cookie === undefined) return answer;
  return { ...answer, headers: [...madePrivate(answer.headers), 'Set-Cookie', cookie] };
}

/** A browser shows the page that it has where it is told that it has not changed: what that asks for is pinned as well. */
function isPage({ status, headers }: Answer, { route }: Found): boolean {
  const isKept = status === 304 && (route.kind === 'file' || route.kind === 'function');
  const type = isKept && route.kind === 'file' ? route.file.contentType : headerOf(headers, 'content-type');
  if (isKept) return type === undefined || type.startsWith('text/html');
  return status === 200 && type?.startsWith('text/html') === true;
}

const THIRTY_DAYS_S = 30 * 24 * 60 * 60;

/**
 * The cookie that a page sets: the build that it is of, or nothing where the site has come to do without; else what it asks
 * for would go on going to whatever build the cookie still names. Undefined: what the browser has is right.
 */
function cookieFor(site: CompiledSite, present: CompiledSite, sent: string | undefined): string | undefined {
  const wanted = present.record.config.pinByCookie === true ? site.record.deploymentId : undefined;
  if (sent === wanted) return undefined;
  const maxAgeS = wanted === undefined ? 0 : THIRTY_DAYS_S;
  return `${PIN_COOKIE}=${wanted ?? ''}; Path=/; Max-Age=${maxAgeS}; HttpOnly; SameSite=Lax`;
}

/** Without the fields by which shared caches go before Cache-Control (RFC 9213): it alone says that it is nothing for them. */
function madePrivate(headers: FlatHeaders, dependsOn = ''): FlatHeaders {
  const kept: string[] = [];
  const sent = { cacheControl: '', vary: '' };
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const [name = '', value = ''] = [headers[index], headers[index + 1]];
    const lower = name.toLowerCase();
    if (lower === 'cache-control') sent.cacheControl = mergeLists(sent.cacheControl, value);
    else if (lower === 'vary') sent.vary = mergeLists(sent.vary, value);
    else if (!lower.endsWith('cache-control') && lower !== 'surrogate-control') kept.push(name, value);
  }
  kept.push('Cache-Control', privateScope(sent.cacheControl));
  const vary = mergeLists(sent.vary, dependsOn);
  return vary === '' ? kept : [...kept, 'Vary', vary];
}

function privateScope(cacheControl: string): string {
  const directives = cacheControl.split(',').map((each) => each.trim().toLowerCase());
  if (directives.includes('private') || directives.includes('no-store')) return cacheControl;
  return mergeLists('private', cacheControl.replace(/\bpublic\b/i, ''));
}
