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
  return requestedPin({ search: target.search, headers }) === undefined;
}

/** A function for everything would answer for a file that is gone, too. */
function isMissing(route: RouteMatch): boolean {
  return (
    route.kind === 'not-found' || route.kind === 'function' || (route.kind === 'file' && route.isFallback)
  );
}

/**
 * Says in the answer what it depended on: one that a header or a cookie chose is for nobody else. Where the site
 * wants it (`pinByCookie`), a page sets the cookie that pins what it will ask for.
 */
export function markPinned(
  { headers }: Exchange,
  present: CompiledSite,
  { by, answer }: { by: Pin['by'] | undefined; answer: Answer },
): Answer {
  // 101 hands the connection over: its headers belong to the handshake.
  if (answer.status === 101) return answer;
  if (by === 'header' || by === 'cookie') {
    const name = by === 'header' ? PIN_HEADER : 'Cookie';
    return { ...answer, headers: madePrivate(answer.headers, name) };
  }
  const { config, deploymentId } = present.record;
  if (config.pinByCookie !== true || !isPage(answer) || !isNavigation(headers)) return answer;
  if (pinCookie(headers.cookie) === deploymentId) return answer;
  return { ...answer, headers: [...answer.headers, 'Set-Cookie', cookieFor(deploymentId)] };
}

function isPage({ status, headers }: Answer): boolean {
  return status === 200 && (headerOf(headers, 'content-type') ?? '').startsWith('text/html');
}

const THIRTY_DAYS_S = 30 * 24 * 60 * 60;

function cookieFor(deploymentId: string): string {
  return `${PIN_COOKIE}=${deploymentId}; Path=/; Max-Age=${THIRTY_DAYS_S}; HttpOnly; SameSite=Lax`;
}

function madePrivate(headers: FlatHeaders, field: string): FlatHeaders {
  const kept: string[] = [];
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const [name = '', value = ''] = [headers[index], headers[index + 1]];
    const lower = name.toLowerCase();
    if (lower !== 'cache-control' && lower !== 'vary') kept.push(name, value);
  }
  const sent = headerOf(headers, 'cache-control') ?? '';
  const scope = /\b(?:private|no-store)\b/i.test(sent)
    ? sent
    : mergeLists('private', sent.replace(/\bpublic\b/i, ''));
  return [...kept, 'Cache-Control', scope, 'Vary', mergeLists(headerOf(headers, 'vary') ?? '', field)];
}
