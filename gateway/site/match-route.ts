import type { IncomingHttpHeaders } from 'node:http';
import type { FunctionResource } from '../../contracts/manifest.ts';
import type { CompiledFile, CompiledSite } from './compile-site.ts';

/** What a request is going to be answered with: decided before any byte is fetched. */
export type RouteMatch =
  | { kind: 'file'; file: CompiledFile; status: 200 | 404; isFallback: boolean }
  | { kind: 'function'; resource: FunctionResource }
  | { kind: 'options'; allow: string }
  | { kind: 'wrong-method'; allow: string }
  | { kind: 'not-found' };

export type RouteRequest = { path: string; method: string; headers: IncomingHttpHeaders };

const STATIC_METHODS = 'GET, HEAD, OPTIONS';

/** Steps 5 to 10 of http.md, "Order of a request". */
export function matchRoute(site: CompiledSite, request: RouteRequest): RouteMatch {
  const file = site.files.get(request.path) ?? indexOf(site, request.path);
  if (file !== undefined) return toFile(file, request.method);
  const found = site.functions.match(request.path, request.method);
  if (found.kind === 'match') return { kind: 'function', resource: found.resource };
  if (found.kind === 'wrong-method') return { kind: 'wrong-method', allow: found.allowed.join(', ') };
  return fallback(site, request);
}

function toFile(file: CompiledFile, method: string): RouteMatch {
  if (method === 'GET' || method === 'HEAD') return { kind: 'file', file, status: 200, isFallback: false };
  if (method === 'OPTIONS') return { kind: 'options', allow: STATIC_METHODS };
  return { kind: 'wrong-method', allow: STATIC_METHODS };
}

function indexOf(site: CompiledSite, path: string): CompiledFile | undefined {
  return site.files.get(path.endsWith('/') ? `${path}index.html` : `${path}/index.html`);
}

function fallback(site: CompiledSite, request: RouteRequest): RouteMatch {
  if (request.method !== 'GET' && request.method !== 'HEAD') return { kind: 'not-found' };
  const index = site.files.get('/index.html');
  if (site.notFound === 'spa' && index !== undefined && isNavigation(request)) {
    return { kind: 'file', file: index, status: 200, isFallback: true };
  }
  const page = nearestNotFoundPage(site, request.path);
  return page === undefined
    ? { kind: 'not-found' }
    : { kind: 'file', file: page, status: 404, isFallback: true };
}

/** A missing asset must never become 200 HTML: only what a browser would show as a page is a navigation. */
function isNavigation({ path, headers }: RouteRequest): boolean {
  const mode = headers['sec-fetch-mode'];
  if (mode !== undefined) return mode === 'navigate';
  const lastSegment = path.slice(path.lastIndexOf('/') + 1);
  return (headers.accept ?? '').includes('text/html') && !lastSegment.includes('.');
}

function nearestNotFoundPage(site: CompiledSite, path: string): CompiledFile | undefined {
  for (let end = path.lastIndexOf('/'); end >= 0; end = path.lastIndexOf('/', end - 1)) {
    const page = site.files.get(`${path.slice(0, end)}/404.html`);
    if (page !== undefined || end === 0) return page;
  }
  return undefined;
}
