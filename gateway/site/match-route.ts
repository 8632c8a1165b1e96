import type { IncomingHttpHeaders } from 'node:http';
import { isFingerprinted } from '../../contracts/fingerprint.ts';
import type { FunctionResource } from '../../contracts/manifest.ts';
import { decodePath, encodePath } from '../decode-path.ts';
import { isAssetPath } from '../static/content-type.ts';
import type { CompiledFile, CompiledSite, SitePath } from './compile-site.ts';
import { fallback } from './fallback.ts';
import type { RedirectMatch, RedirectRequest } from './redirects.ts';

/** A file and how it is to be shown. */
export type FileMatch = {
  kind: 'file';
  file: CompiledFile;
  status: 200 | 404;
  /** Shown in place of what was asked for: a single-page application's index, or an error page. */
  isFallback: boolean;
  /** Where answers may be kept ready: present when the path itself is the file's. */
  entry?: SitePath;
};

export type FunctionRoute = {
  kind: 'function';
  resource: FunctionResource;
  /** What a rewrite makes of the request: called in place of its own path and query. */
  rewritten?: { path: string; rawPath: string; search: string };
};

/** What a request is going to be answered with: decided before any byte is fetched. */
export type RouteMatch =
  | FileMatch
  | FunctionRoute
  | { kind: 'redirect'; status: number; location: string }
  | { kind: 'options'; allow: string }
  | { kind: 'wrong-method'; allow: string }
  | { kind: 'not-found' };

export type RouteRequest = RedirectRequest & {
  method: string;
  headers: IncomingHttpHeaders;
};

const STATIC_METHODS = 'GET, HEAD, OPTIONS';
const PERMANENT = 308;

/** Steps 5 to 10 of http.md, "Order of a request". */
export function matchRoute(site: CompiledSite, request: RouteRequest): RouteMatch {
  if (request.path === '*') return { kind: 'options', allow: STATIC_METHODS };
  if (request.path.includes('//')) return collapseSlashes(request);
  const forced = site.redirects.forced(request);
  if (forced !== undefined) return follow(site, request, forced) ?? fallback(site, request);
  const entry = site.paths.get(request.path);
  if (entry !== undefined) return toEntry(entry, request);
  const redirect = site.redirects.unforced(request);
  const followed = redirect === undefined ? undefined : follow(site, request, redirect);
  return followed ?? matchFunction(site, request.path, request.method) ?? fallback(site, request);
}

/** Whatever the path is written like, it has one canonical form; no Location ever begins with two slashes. */
function collapseSlashes({ rawPath, search }: RouteRequest): RouteMatch {
  return { kind: 'redirect', status: PERMANENT, location: rawPath.replaceAll(/\/{2,}/g, '/') + search };
}

function toEntry(entry: SitePath, { method, search }: RouteRequest): RouteMatch {
  const other = otherMethod(method);
  if (other !== undefined) return other;
  if (entry.kind === 'file') return { kind: 'file', file: entry.file, status: 200, isFallback: false, entry };
  return { kind: 'redirect', status: PERMANENT, location: encodePath(entry.to) + search };
}

/** RFC 9110 sections 9.3.7 and 15.5.6: what files answer to methods other than GET and HEAD. */
function otherMethod(method: string): RouteMatch | undefined {
  if (method === 'GET' || method === 'HEAD') return undefined;
  return { kind: method === 'OPTIONS' ? 'options' : 'wrong-method', allow: STATIC_METHODS };
}

function follow(site: CompiledSite, request: RouteRequest, match: RedirectMatch): RouteMatch | undefined {
  if (match.kind === 'redirect') return match;
  const { path, rawPath } = decodePath(match.rawPath);
  const file = fileAt(site, path);
  if (file !== undefined) {
    return match.isWildcard && isMissingAsset(file, request)
      ? undefined
      : (otherMethod(request.method) ?? { kind: 'file', file, status: 200, isFallback: false });
  }
  const found = matchFunction(site, path, request.method);
  return found?.kind === 'function'
    ? { ...found, rewritten: { path, rawPath, search: match.search } }
    : found;
}

/** The file that a path shows in the end, clean URLs followed. */
function fileAt(site: CompiledSite, path: string): CompiledFile | undefined {
  const entry = site.paths.get(path);
  if (entry?.kind !== 'redirect') return entry?.file;
  const target = site.paths.get(entry.to);
  return target?.kind === 'file' ? target.file : undefined;
}

/** A rule for everything that shows a page must not turn a missing script or image into one. */
function isMissingAsset(file: CompiledFile, { path, headers }: RouteRequest): boolean {
  const isPage = file.contentType.startsWith('text/html');
  const isOpened = headers['sec-fetch-mode'] === 'navigate' && !isFingerprinted(path);
  return isPage && isAssetPath(path) && !isOpened;
}

function matchFunction(
  site: CompiledSite,
  path: string,
  method: string,
): Extract<RouteMatch, { kind: 'function' | 'wrong-method' }> | undefined {
  const found = site.functions.match(path, method);
  switch (found.kind) {
    case 'match':
      return { kind: 'function', resource: found.resource };
    case 'wrong-method':
      return { kind: 'wrong-method', allow: found.allowed.join(', ') };
    case 'none':
      return undefined;
    default:
      return found satisfies never;
  }
}
