import { isFingerprinted } from '../../contracts/fingerprint.ts';
import { isAssetPath } from '../static/content-type.ts';
import type { CompiledFile, CompiledSite } from './compile-site.ts';
import type { RouteMatch, RouteRequest } from './match-route.ts';

/** What answers where nothing else does: the application's index for navigations, else the nearest error page. */
export function fallback(site: CompiledSite, request: RouteRequest): RouteMatch {
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
  // Nor is it where somebody opens the address of a file that only a build could have made.
  if (isAssetPath(path) && isFingerprinted(path)) return false;
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
