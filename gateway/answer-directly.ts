import { EdgeError, type ErrorCode } from '../core/errors.ts';
import type { Answer, Exchange, FlatHeaders } from './exchange.ts';
import { refuse } from './refuse.ts';
import type { CompiledSite } from './site/compile-site.ts';
import { cacheControl } from './static/build-headers.ts';

/**
 * A redirect of the site's own. However permanent, it is asked for again: a browser that kept one for ever would
 * run in circles once a later build turns it round (RFC 9110 section 15.4.2 lets caches keep 301 and 308).
 */
export function redirect(
  exchange: Exchange,
  site: CompiledSite,
  { status, location }: { status: number; location: string },
): Answer {
  exchange.event.route = 'redirect';
  const headers = ['Location', location, 'Content-Length', '0'];
  headers.push('Cache-Control', cacheControl(site.isPreview, false));
  if (site.isPreview) headers.push('X-Robots-Tag', 'noindex');
  return { status, headers: [...headers, ...tail(exchange)], body: null };
}

/** RFC 9110 section 9.3.7: what a file, or the server as a whole, can be asked. */
export function options(exchange: Exchange, allow: string): Answer {
  exchange.event.route = 'static';
  return { status: 204, headers: ['Allow', allow, ...tail(exchange)], body: null };
}

/** What the edge answers in place of what was asked for; `named` are headers that tell about the resource. */
export function refused(exchange: Exchange, code: ErrorCode, named: FlatHeaders = []): Answer {
  exchange.event.error = code;
  const reply = refuse(new EdgeError(code), exchange.id, exchange.headers.accept);
  return { ...reply, headers: [...reply.headers, ...named] };
}

function tail({ id }: Exchange): string[] {
  return ['Cache-Status', 'origan-edge', 'X-Origan-Request-Id', id];
}
